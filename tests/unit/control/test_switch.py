"""The switch: what each way of turning it does to what is latched, and how a resume is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hedged.backtest.virtual_time import run_virtually
from hedged.config import Config, parse_config
from hedged.control.kill_file import FILE, Asked, read_kill_file
from hedged.control.summary import resume_summary
from hedged.control.switch import Switch
from hedged.domain.clock import LoopClock
from hedged.domain.errors import NoJournal, Rejected
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.risk.gate import KillLevel
from hedged.risk.stop import Episode
from hedged.telemetry.metrics import Metrics

START_MS = 1_750_000_000_000


def config(folder: Path) -> Config:
    return parse_config({"state_dir": str(folder), "account": "mine"})


def play(folder: Path, script: Callable[[Switch], Awaitable[None]]) -> None:
    async def main() -> None:
        journal = Journal.open(folder / "journal.sqlite", durable=False)
        try:
            await script(Switch(config(folder), journal, LoopClock(START_MS), Metrics()))
        finally:
            journal.close()

    run_virtually(main)


def latched(switch: Switch) -> tuple[KillLevel, str, str]:
    return switch.latch.level, switch.latch.reason, switch.latch.source


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("flatten the venue looks odd\n", Asked(KillLevel.FLATTEN, "the venue looks odd")),
        ("PAUSE", Asked(KillLevel.PAUSE, "{file} exists")),
        ("reduce_only  a\n b", Asked(KillLevel.REDUCE_ONLY, "a b")),
        ("", Asked(KillLevel.REDUCE_ONLY, "{file} exists")),
        ("stop now", Asked(KillLevel.REDUCE_ONLY, "stop now")),
        ("none at all", Asked(KillLevel.REDUCE_ONLY, "none at all")),
    ],
)
def test_a_file_of_whatever_text_latches(tmp_path: Path, text: str, asked: Asked) -> None:
    """If this fails, a typing error in an emergency means that nothing happens."""
    assert read_kill_file(tmp_path) is None
    (tmp_path / FILE).write_text(text)
    found = read_kill_file(tmp_path)
    assert found == Asked(asked.level, asked.reason.format(file=tmp_path / FILE))


def test_a_file_that_cannot_be_read_latches_too(tmp_path: Path) -> None:
    """If this fails, a wrong owner of the file makes it no switch."""
    (tmp_path / FILE).mkdir()
    found = read_kill_file(tmp_path)
    assert found is not None
    assert found.level is KillLevel.REDUCE_ONLY
    assert "cannot be read" in found.reason


def test_the_file_latches_once_for_each_text_and_again_while_nothing_is_latched(tmp_path: Path) -> None:
    """If this fails, the journal fills with one row a second, or a resume undoes a file that is still there."""

    async def script(switch: Switch) -> None:
        (tmp_path / FILE).write_text("pause one")
        for _ in range(3):
            await switch.look()
        assert (latched(switch), switch.latch.turn) == ((KillLevel.PAUSE, "one", "file"), 1)
        await switch.turn(KillLevel.FLATTEN, "two", "cli")
        await switch.look()
        assert switch.latch.level is KillLevel.FLATTEN, "an old file does not take back what came after it"
        (tmp_path / FILE).write_text("cancel three")
        await switch.look()
        assert latched(switch) == (KillLevel.CANCEL, "three", "file")
        with pytest.raises(Rejected, match="still exists"):
            await switch.resume("http")
        await switch.turn(KillLevel.NONE, "by another program", "cli")
        await switch.look()
        assert latched(switch) == (KillLevel.CANCEL, "three", "file")
        (tmp_path / FILE).unlink()
        await switch.look()
        assert switch.latch.level is KillLevel.CANCEL, "to take the file away resumes nothing"
        await switch.resume("http")
        assert latched(switch) == (KillLevel.NONE, "resumed by the operator", "http")

    play(tmp_path, script)


def test_a_signal_never_loosens(tmp_path: Path, logs: list[dict[str, Any]]) -> None:
    """If this fails, SIGUSR1 lets orders through that a pause had stopped."""

    async def script(switch: Switch) -> None:
        switch.signalled(KillLevel.REDUCE_ONLY, "SIGUSR1")
        await switch.look()
        assert latched(switch) == (KillLevel.REDUCE_ONLY, "signal SIGUSR1", "signal")
        await switch.turn(KillLevel.PAUSE, "wait", "cli")
        switch.signalled(KillLevel.REDUCE_ONLY, "SIGUSR1")
        await switch.look()
        assert switch.latch.level is KillLevel.PAUSE
        switch.signalled(KillLevel.FLATTEN, "SIGUSR2")
        await switch.look()
        assert switch.latch.level is KillLevel.FLATTEN
        assert switch.latch.account == "mine"

    play(tmp_path, script)
    assert [line["event"] for line in logs].count("signal_ignored") == 1


def test_a_signal_after_a_resumption_that_nobody_saw_is_obeyed(tmp_path: Path) -> None:
    """If this fails, a daemon that was suspended while the latch was cleared takes a later signal for old news."""

    async def script(switch: Switch) -> None:
        await switch.turn(KillLevel.CANCEL, "wait", "cli")
        await switch.journal(JournalStore.set_kill, 5, int(KillLevel.NONE), "resumed", "mine", "cli")
        switch.signalled(KillLevel.CANCEL, "SIGUSR1")
        await switch.look()
        assert latched(switch) == (KillLevel.CANCEL, "signal SIGUSR1", "signal")

    play(tmp_path, script)


def test_it_follows_within_a_second_and_outlives_a_restart(tmp_path: Path) -> None:
    """If this fails, the command line's turn of the switch waits, or is forgotten."""

    async def first(switch: Switch) -> None:
        running = asyncio.get_running_loop().create_task(switch.run())
        await asyncio.sleep(0.5)
        journal = switch.journal
        await journal(JournalStore.set_kill, START_MS, int(KillLevel.PAUSE), "by hand", "mine", "cli")
        await asyncio.sleep(1.1)
        assert latched(switch) == (KillLevel.PAUSE, "by hand", "cli")
        assert switch.metrics.registry.get_sample_value("hedged_kill_latch") == 2
        running.cancel()

    async def second(switch: Switch) -> None:
        await switch.follow()
        assert latched(switch) == (KillLevel.PAUSE, "by hand", "cli")

    play(tmp_path, first)
    play(tmp_path, second)


def test_a_resume_says_what_it_does_not_cure(tmp_path: Path) -> None:
    """If this fails, an operator resumes and believes that a stop, a loss limit or a halt is gone with it."""
    store = JournalStore(str(tmp_path / "journal.sqlite"), durable=False)
    store.set_kill(START_MS, int(KillLevel.REDUCE_ONLY), "the ledger does not agree", "mine", "daemon")
    store.save_state("hedge_pnl", {"price_usd": -120.0, "highs": {"1": 30.0}, "before_usd": -20.0})
    store.save_state("episodes", {"INJ": Episode(stopped_until_ms=START_MS + 5_000).to_json()})
    (tmp_path / FILE).write_text("")
    lines = resume_summary(store, config(tmp_path), START_MS)
    store.close()
    text = "\n".join(lines)
    assert lines[0] == (
        "latched: reduce-only since 2025-06-15T15:06:40Z by daemon: the ledger does not agree (account mine)"
    )
    for said in (
        "the daemon latched this itself", "it cannot be cleared now", "hedges held, as the journal has them: none",
        "lost 100.00 USD today and 150.00 USD since their best moment", "INJ was stopped: no new hedge before",
        "it reopens nothing that was closed and gives back nothing that was cut",
        "from the next cycle on (900 s apart)",
    ):  # fmt: skip
        assert said in text


def test_a_journal_that_cannot_be_written_keeps_no_kill_from_holding(tmp_path: Path) -> None:
    """If this fails, a full disk is a way around the kill switch, or its turn is lost once the disk is free again."""

    async def script(switch: Switch) -> None:
        works, full = switch.journal, True

        async def journal(method: Any, *args: Any) -> Any:
            if full:
                raise NoJournal("the disk is full")
            return await works(method, *args)

        switch.journal = journal  # type: ignore[assignment]
        switch.signalled(KillLevel.REDUCE_ONLY, "SIGUSR1")
        await switch.look()
        await switch.look()
        assert latched(switch) == (KillLevel.REDUCE_ONLY, "signal SIGUSR1", "signal")
        await switch.follow()
        assert switch.latch.level is KillLevel.REDUCE_ONLY, "what the journal said before does not undo it"
        full = False
        await switch.look()
        assert latched(switch) == (KillLevel.REDUCE_ONLY, "signal SIGUSR1", "signal")
        assert (switch.latch.turn, switch.owed) == (1, None)
        assert (await works(JournalStore.latch)).level == 1

    play(tmp_path, script)


def test_a_latch_of_the_daemons_own_is_told_apart_from_yours(tmp_path: Path) -> None:
    """If this fails, a daemon that has halted itself looks like a switch that somebody turned, and nobody gets up."""

    async def script(switch: Switch) -> None:
        def halted() -> float | None:
            return switch.metrics.registry.get_sample_value("hedged_halted")

        await switch.turn(KillLevel.REDUCE_ONLY, "by hand", "cli")
        assert halted() == 0
        await switch.turn(KillLevel.NONE, "resumed", "cli")
        await switch.turn(KillLevel.REDUCE_ONLY, "a leg stands alone", "daemon")
        assert halted() == 1
        await switch.turn(KillLevel.NONE, "resumed", "cli")
        assert halted() == 0

    play(tmp_path, script)
