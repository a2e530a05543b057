"""What `hedged check` finds, check by check, and that one which fails hides no other."""

import asyncio
import io
import os
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hedged.commands.check_text import Report
from hedged.config import LIVE_ACKNOWLEDGEMENT, Config, parse_config
from hedged.control.checks import daemon, local
from hedged.control.checks.clock import Tick, judge_clock
from hedged.control.checks.finding import Finding, Grade, attempt, attempt_within, fail, ok, warn
from hedged.control.checks.limits import limits
from hedged.control.lease import Lease
from hedged.domain.errors import ConfigError, Retryable
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.store import JournalStore
from hedged.secret import Secret


def told(folder: Path, **changes: Any) -> tuple[Config, Path]:
    state = folder / "state"
    state.mkdir(mode=0o700)
    config = parse_config(
        {"state_dir": str(state), "control": {"lease_dir": str(folder / "leases")}, **changes}
    )
    return config, state / JOURNAL_FILE


def grades(found: Sequence[Finding]) -> list[tuple[str, Grade]]:
    return [(one.about, one.grade) for one in found]


def test_before_the_first_start(tmp_path: Path) -> None:
    """If this fails, an operator who checks first is told of things that are not there."""
    config, path = told(tmp_path)
    (found,) = daemon.journal(config)
    assert (found.grade, found.text) == (Grade.NOTE, f"none yet, the first start makes {path}")
    assert [one.text for one in daemon.lease(config, {})] == [f"free ({config.state_dir})"]
    assert daemon.kill_file(config) == []


def test_what_holds_the_daemon_is_told(tmp_path: Path) -> None:
    """If this fails, an operator starts a daemon that can do nothing, or a second one, and is not told before."""
    config, path = told(tmp_path)
    store = JournalStore(str(path), durable=True)
    store.set_kill(1_750_000_000_000, 4, "the [venue] looks odd", "acme", "cli")
    (config.state_dir / "KILL").write_text("pause holidays")
    lease = Lease.take(config)
    lease.beat(5)
    try:
        before = path.read_bytes()
        whole, latch = daemon.journal(config)
        (held,) = daemon.lease(config, {})
        other = config.model_copy(update={"account": "other"})
        assert [one.grade for one in daemon.lease(other, {})] == [Grade.OK, Grade.NOTE], (
            "another configuration"
        )
        assert path.read_bytes() == before
    finally:
        lease.release()
        store.close()
    assert whole == ok("journal", f"{path} is whole")
    assert held.text.startswith(f"held by the daemon, pid {os.getpid()}, last sign of life 0 s ago")
    assert latch.text.startswith("flatten since 2025-06-15")
    assert "the [venue] looks odd" in latch.text
    (file,) = daemon.kill_file(config)
    assert file.text == f"{config.state_dir / 'KILL'} exists and latches pause: holidays"


@pytest.mark.parametrize("how", ["middle", "truncated", "other"])
def test_a_damaged_journal_is_told(how: str, tmp_path: Path) -> None:
    """If this fails, a check calls sound what the daemon refuses to start with."""
    config, path = told(tmp_path)
    store = JournalStore(str(path), durable=True)
    for n in range(200):
        store.set_kill(n, 0, "x" * 200)
    store.close()
    content = path.read_bytes()
    if how == "middle":
        path.write_bytes(
            b"".join(content[at : at + 4_096 - 64] + b"\xa5" * 64 for at in range(0, len(content), 4_096))
        )
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2 // 4_096 * 4_096])
    else:
        path.write_text("this is no journal\n" * 300)
    assert grades(daemon.journal(config)) == [("journal", Grade.FAIL)]


def test_each_secret_is_read_by_itself(tmp_path: Path) -> None:
    """If this fails, one missing key hides another, or a live daemon finds at its first hedge that it has none."""
    config, _ = told(
        tmp_path,
        mode="live",
        live_acknowledgement=LIVE_ACKNOWLEDGEMENT,
        data={"source": "venues"},
        hedge={"venues": ["binance", "bybit", "okx"]},
        cex={"binance": {"key_env": "K", "secret_env": "S"}, "okx": {"key_file": "/nowhere/okx"}},
        outside={"coinglass": {"key_env": "GLASS"}},
        webhook={"secret_env": "HOOK"},
        telemetry={"token_env": "TOKEN"},
    )
    environ = {"K": "the-key", "S": "the-secret", "HOOK": "short", "TOKEN": "abcdefgh" * 3}
    found = [one for group in local.secrets(config, environ) for one in group]
    assert grades(found) == [
        ("control API", Grade.OK), ("outside.coinglass", Grade.FAIL), ("webhook", Grade.FAIL), ("binance", Grade.OK),
        ("okx", Grade.FAIL), ("bybit", Grade.FAIL), ("book", Grade.FAIL), ("trading key", Grade.FAIL),
    ]  # fmt: skip
    texts = " ".join(one.text + one.todo for one in found)
    assert "set cex.bybit.key_file" in texts
    assert "the-secret" not in texts


def test_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a disk that is nearly full or a folder of somebody else's shows when an order cannot be sent."""
    config, _ = told(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    for free, grade in ((3e9, Grade.OK), (1e9, Grade.WARN), (1e8, Grade.FAIL)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=int(free)))
        assert grades(local.disk(config)) == [("state_dir", grade)]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**12))
    config.state_dir.chmod(0o777)
    assert grades(local.disk(config)) == [("state_dir", Grade.OK), ("state_dir", Grade.WARN)]
    monkeypatch.setattr(os, "access", lambda *_: False)
    (found,) = local.disk(config)
    assert (found.grade, "cannot be written by uid" in found.text) == (Grade.FAIL, True)


def test_the_model(tmp_path: Path) -> None:
    """If this fails, a damaged model shows when the daemon starts."""
    config, _ = told(tmp_path, hedge={"forecaster": "ensemble"})
    (found,) = local.model(config)
    assert (found.grade, "trained on 20" in found.text) == (Grade.OK, True)
    (tmp_path / "card.json").write_text("{}")
    broken = parse_config({"hedge": {"model": str(tmp_path)}})
    (found,) = attempt("model", lambda: local.model(broken))
    assert (found.grade, "has format None" in found.text) == (Grade.FAIL, True)


def test_a_page_for_everybody_is_warned_of(tmp_path: Path) -> None:
    """If this fails, positions are shown to whoever passes by, and nobody said so."""
    for host, open_ in (("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True), ("10.0.0.3", True)):
        config = parse_config({"telemetry": {"host": host}, "data": {"source": "venues"}})
        found = grades(local.configuration(config, tmp_path))
        assert (("page", Grade.WARN) in found) is open_


@pytest.mark.parametrize(
    ("tick", "grade", "says"),
    [
        (Tick(1_000, 1_020, 1_040), Grade.OK, "+0 ms from okx's (± 20 ms)"),
        (Tick(5_000, 3_020, 5_040), Grade.WARN, "+2000 ms"),
        (
            Tick(1_000, 9_020, 1_040),
            Grade.FAIL,
            "-8000 ms from okx's (± 20 ms): nothing is opened there beyond 5 s",
        ),
        (Tick(0, 0, 12_000), Grade.OK, "+6000 ms from okx's (± 6000 ms)"),
    ],
)
def test_a_clock_is_judged_by_what_is_sure(tick: Tick, grade: Grade, says: str) -> None:
    """If this fails, a slow network passes for a wrong clock, or a wrong clock for a slow network."""
    found = judge_clock("okx", tick, 5.0)
    assert found.grade is grade
    assert says in found.text


BOOK = {"INJ": Decimal(80_000), "ETH": Decimal(-60_000)}


@pytest.mark.parametrize(
    ("risk", "equity", "grade", "says"),
    [
        ({}, None, Grade.NOTE, "a third of the positions, as none is given"),
        ({}, 50_000, Grade.OK, "140,000 USD of positions on 50,000 USD of equity (2.8 ×)"),
        ({}, 5_000, Grade.WARN, "(28.0 ×)"),
        ({}, 5_000_000, Grade.WARN, "(0.0 ×)"),
        ({"max_drawdown": "0.01"}, 50_000, Grade.WARN, "lose 1,000 USD a day and 500 USD from their best"),
        ({"max_total_usd": 30_000}, 50_000, Grade.NOTE, "max_total_usd is 30,000 USD, and the cap would allow 56,000"),
        ({"max_orders_per_hour": 1}, 50_000, Grade.WARN, "1 orders an hour for 2 positions"),
    ],
)  # fmt: skip
def test_limits_are_held_against_the_equity(risk: Any, equity: int | None, grade: Grade, says: str) -> None:
    """If this fails, a mistyped equity or limit lets the daemon risk too much, or do nothing, and nobody is told."""
    found = limits(parse_config({"risk": risk}), BOOK, None if equity is None else Decimal(equity))
    assert [one.grade for one in found if says in one.text] == [grade]


def test_limits_without_a_book() -> None:
    """If this fails, a check of an empty book divides by zero."""
    assert grades(limits(Config(), {}, None)) == [("limits", Grade.NOTE)]


def test_a_check_that_fails_hides_no_other() -> None:
    """If this fails, the first thing that is wrong is all that the operator hears of, or a key is in what he hears."""
    Secret("key-of-the-operator")

    async def breaks(error: Exception) -> Any:
        raise error

    async def hangs() -> Any:
        await asyncio.Event().wait()

    async def script() -> list[Finding]:
        errors = (ConfigError("set x.y"), Retryable("no route"), KeyError("?apiKey=q&x key-of-the-operator"))
        found = [one for error in errors for one in await attempt_within("a", lambda e=error: breaks(e))]
        return [*found, *await attempt_within("a", hangs, 0.01)]

    config, net, bug, late = asyncio.run(script())
    assert {one.grade for one in (config, net, bug, late)} == {Grade.FAIL}
    assert (config.text, config.todo) == ("set x.y", "")
    assert "is the network up" in net.todo
    assert bug.text == "the check itself failed: KeyError: '?apiKey=<hidden>&x <hidden>'"
    assert late.text.startswith("no answer within")


def test_the_report_says_what_it_comes_to() -> None:
    """If this fails, a red line goes by unseen, or a text of a venue's is taken for markup."""
    out = io.StringIO()
    report = Report(Console(file=out, width=200))
    report.add("Venues", [ok("okx", "answers"), warn("okx", "[red]odd[/red]", "look at it")])
    assert report.close()
    report.add("Venues", [fail("gate", "silent")])
    assert not report.close()
    assert out.getvalue().splitlines() == [
        "Venues", "  ok    okx: answers", "  warn  okx: [red]odd[/red]", "        look at it", "0 failed, 1 to look at",
        "  FAIL  gate: silent", "1 failed, 1 to look at",
    ]  # fmt: skip
