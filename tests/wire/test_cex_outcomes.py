"""What a send that goes wrong means, through the real executor and journal, over real TLS."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cex_rig import DONE, EVERY, NOT_DONE, SENDS, VENUES, Rig, StillClock, rig

from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.execution.accounts import Accounts
from hedged.execution.journal.thread import Journal
from hedged.execution.working import attempts as executing
from hedged.execution.working.executor import Executor
from hedged.sandbox.cex.faults import Fault
from hedged.wiring.cex_venues import sent_before

DEADLINE_S = 2.0

Script = Callable[[Rig, Executor], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executing, "LOOKUP_WAIT_S", 0.02)


def live(venue: str, path: Path, script: Script) -> list[str]:
    """Run a script with an executor over one exchange; return the events that it journalled."""

    async def main() -> None:
        async with asyncio.timeout(60), rig(venue, symbols=("BTC",), deadline_s=DEADLINE_S) as on:
            await on.trading.positions()
            journal = Journal.open(path)
            try:
                trading = {venue: on.trading}
                accounts = Accounts(trading, journal, on.clock.now_ms())
                await accounts.load()
                await script(on, Executor(trading, journal, accounts, on.clock))
            finally:
                journal.close()

    asyncio.run(main())
    db = sqlite3.connect(path)
    events = [event for (event,) in db.execute("SELECT event FROM order_events ORDER BY rowid")]
    db.close()
    return events


def sends(on: Rig) -> int:
    return sum(asked == ("POST", SENDS[on.venue]) for asked in on.protocol.asked)


@pytest.mark.parametrize("fault", DONE)
@pytest.mark.parametrize("venue", EVERY)
def test_an_order_whose_answer_is_lost_is_found_and_counts_once(
    venue: str, fault: Fault, tmp_path: Path
) -> None:
    """If this fails, an order that filled is taken for one that did not and is sent again."""

    async def script(on: Rig, executor: Executor) -> None:
        on.faults.add(fault, SENDS[venue], "POST")
        sent = on.order("0.5")
        assert await executor.execute([sent]) == 1
        assert not executor.unresolved
        assert not executor.failed
        assert sends(on) == 1
        assert on.held() == Decimal("0.5")
        (fill,) = await on.trading.executions(0)
        assert (fill.client_id, fill.signed_quantity) == (sent.client_id, Decimal("0.5"))

    events = live(venue, tmp_path / "journal.sqlite", script)
    assert events[-2:] == ["unknown", "acknowledged"]


@pytest.mark.parametrize("fault", NOT_DONE)
@pytest.mark.parametrize("venue", EVERY)
def test_an_order_that_never_arrived_stays_unknown_until_that_is_proven(
    venue: str, fault: Fault, tmp_path: Path
) -> None:
    """If this fails, an order under way is taken for lost, a second one is sent, and both fill."""

    async def script(on: Rig, executor: Executor) -> None:
        on.faults.add(fault, SENDS[venue], "POST")
        sent = on.order("0.5")
        await executor.execute([sent])
        assert set(executor.unresolved) == {sent.client_id}
        on.clock.skip(on.proof_s - 1)
        await executor.resolve()
        assert set(executor.unresolved) == {sent.client_id}  # it could still show
        on.clock.skip(2)
        await executor.resolve()
        assert not executor.unresolved
        assert sends(on) == 1
        assert not on.engine.account.orders
        await executor.execute([on.order("0.3")])
        assert on.held() == Decimal("0.3")

    events = live(venue, tmp_path / "journal.sqlite", script)
    assert "absent" in events
    assert events[-1] == "acknowledged"


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.BANNED])
@pytest.mark.parametrize("venue", EVERY)
def test_a_request_that_was_turned_away_had_no_effect(venue: str, fault: Fault, tmp_path: Path) -> None:
    """If this fails, every burst of requests leaves orders of unknown outcome behind and blocks the market."""

    async def script(on: Rig, executor: Executor) -> None:
        on.faults.add(fault, SENDS[venue], "POST")
        with pytest.raises(Retryable):
            await on.trading.place(on.order("0.5"))
        assert not on.engine.account.orders
        on.clock.skip(on.proof_s)
        assert await on.trading.lookup(on.order("0.5").client_id) is None

    live(venue, tmp_path / "journal.sqlite", script)


@pytest.mark.parametrize("venue", EVERY)
def test_an_order_of_an_earlier_life_is_found_again(venue: str, tmp_path: Path) -> None:
    """If this fails, a restart forgets the order that the process died over."""

    async def script(on: Rig, executor: Executor) -> None:
        on.faults.add(Fault.LOST_ACK, SENDS[venue], "POST")
        sent = on.order("0.5")
        with pytest.raises(OutcomeUnknown):
            await on.trading.place(sent)
        on.trading._sent.clear()  # what dies with the process
        found = await on.trading.lookup(sent.client_id)
        assert found is not None
        assert found.filled == Decimal("0.5")

    live(venue, tmp_path / "journal.sqlite", script)


@pytest.mark.parametrize("venue", EVERY)
def test_a_restart_does_not_take_not_found_for_a_proof_at_once(venue: str, tmp_path: Path) -> None:
    """If this fails, an order sent in the last moment of an earlier life is declared dead while it is under way."""

    async def script(on: Rig, executor: Executor) -> None:
        on.trading._started_ms = on.clock.now_ms()
        unseen = on.order("0.5").client_id
        with pytest.raises(OutcomeUnknown, match=rf"proof in {on.proof_s:.1f} s only"):
            await on.trading.lookup(unseen)
        on.clock.skip(on.proof_s + 0.1)
        assert await on.trading.lookup(unseen) is None

    live(venue, tmp_path / "journal.sqlite", script)


@pytest.mark.parametrize("venue", EVERY)
def test_a_daemon_that_restarts_all_the_time_still_comes_to_its_proof(venue: str, tmp_path: Path) -> None:
    """If this fails, a daemon that crashes every few seconds never finds out that an order came to nothing."""

    async def script(on: Rig, executor: Executor) -> None:
        on.faults.add(Fault.BLACK_HOLE, SENDS[venue], "POST")
        sent, journal = on.order("0.5"), executor._journal
        await executor.execute([sent])
        on.clock.skip(
            30
        )  # it may have been sent as late as now: the journal does not tell when it was signed

        async def restart() -> None:
            before = (await sent_before(journal, on.clock, (venue,)))[venue]
            on.trading._sent, on.trading._started_ms = dict(before), on.clock.now_ms()

        await restart()
        lives = round(on.proof_s / 3)
        for life in range(lives):
            left_s = on.proof_s - 3 * life
            with pytest.raises(OutcomeUnknown, match=rf"proof in {left_s:.1f} s only"):
                await on.trading.lookup(sent.client_id)
            on.clock.skip(3)
            await restart()
        on.clock.skip(0.1)
        assert await on.trading.lookup(sent.client_id) is None
        assert not on.engine.account.orders

    live(venue, tmp_path / "journal.sqlite", script)


@pytest.mark.parametrize("venue", EVERY)
def test_a_cancelled_send_is_looked_up_and_not_repeated(venue: str, tmp_path: Path) -> None:
    """If this fails, the executor's deadline turns one order into two."""

    async def script(on: Rig, executor: Executor) -> None:
        await on.trading.place(on.order("-0.1"))  # leverage set, so that the send comes at once
        on.faults.add(Fault.SLOW, SENDS[venue], "POST", seconds=0.3)
        sent = on.order("0.5")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await on.trading.place(sent)
        with pytest.raises(Rejected, match="used before"):
            await on.trading.place(sent)
        found = await on.trading.lookup(sent.client_id)
        assert found is not None
        assert (found.filled, on.held()) == (Decimal("0.5"), Decimal("0.4"))

    live(venue, tmp_path / "journal.sqlite", script)


@pytest.mark.parametrize("venue", VENUES)
def test_a_clock_that_is_off_is_measured_and_the_order_sent_once(venue: str, tmp_path: Path) -> None:
    """If this fails, a machine whose clock drifts stops trading, or an order refused for its time is sent twice."""

    async def script(on: Rig, executor: Executor) -> None:
        on.faults.skew_ms = 45_000 if venue == "okx" else 20_000
        assert isinstance(on.clock, StillClock)
        on.trading.offset.most_ms = 60_000
        state = await on.trading.place(on.order("0.5"))
        assert state.filled == on.held() == Decimal("0.5")
        assert on.trading.offset.offset_ms == -on.faults.skew_ms
        assert len(on.engine.account.orders) == 1

    live(venue, tmp_path / "journal.sqlite", script)


@pytest.mark.parametrize("venue", EVERY)
def test_a_clock_too_far_off_sends_nothing(venue: str, tmp_path: Path) -> None:
    """If this fails, decisions are stamped, and settlements timed, by a clock that is wrong."""

    async def script(on: Rig, executor: Executor) -> None:
        on.faults.skew_ms = 120_000
        on.trading.offset.doubt()
        with pytest.raises(Retryable, match=r"clock is -120\.0 s"):
            await on.trading.place(on.order("0.5"))
        assert sends(on) == 0

    live(venue, tmp_path / "journal.sqlite", script)


def test_an_order_of_an_unknown_market_is_not_called_absent(tmp_path: Path) -> None:
    """If this fails, an order of an earlier life counts as never sent because nobody knows where to look."""

    async def script(on: Rig, executor: Executor) -> None:
        on.data.watch(())
        with pytest.raises(OutcomeUnknown, match="in which market"):
            await on.trading.lookup("a" * 32)

    live("binance", tmp_path / "journal.sqlite", script)
