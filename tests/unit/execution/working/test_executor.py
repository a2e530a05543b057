"""Accounts and executor against a venue that misbehaves on cue: nothing twice, nothing forgotten, nothing guessed."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import HERE, NOW_MS, OTHER, THERE, FakeVenue, approve, intent

from hedged.backtest.virtual_time import run_virtually
from hedged.domain.clock import HOUR_MS, LoopClock
from hedged.domain.errors import NoJournal, OutcomeUnknown, Rejected, Retryable
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Intent, OrderState, OrderStatus, Purpose
from hedged.domain.ports import Explains
from hedged.execution.accounts import OVERLAP_MS, Accounts, AccountState
from hedged.execution.journal.thread import Journal
from hedged.execution.reconcile.agreement import LAG_MS
from hedged.execution.working.executor import Executor
from hedged.risk.facts import OpenOrder


@dataclass
class Desk:
    """One life of the daemon's executing half, on a journal file that outlives it."""

    venues: dict[str, FakeVenue]
    journal: Journal
    accounts: Accounts
    executor: Executor

    async def send(self, *orders: Intent) -> int:
        return await self.executor.execute([approve(order) for order in orders])

    async def look(self) -> AccountState:
        return await self.accounts.refresh(NOW_MS)

    def placed(self) -> list[SeriesKey]:
        return [one.intent.key for venue in self.venues.values() for one in venue.placed]


class Rig:
    """The world outside: venues and the journal's file. `life` starts a daemon on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.venues = {
            v.venue: v for v in (FakeVenue(INJECTIVE, 10), FakeVenue("binance"), FakeVenue("bybit"))
        }

    @property
    def here(self) -> FakeVenue:
        return self.venues[INJECTIVE]

    @property
    def there(self) -> FakeVenue:
        return self.venues["binance"]

    def life(self, script: Callable[[Desk], Coroutine[Any, Any, None]], start_ms: int = NOW_MS) -> None:
        async def main() -> None:
            journal = Journal.open(self.path)
            try:
                accounts = Accounts(self.venues, journal, start_ms)
                await accounts.load()
                executor = Executor(self.venues, journal, accounts, LoopClock(start_ms))
                accounts.unsettled = executor.unresolved_markets
                await executor.load()
                await script(Desk(self.venues, journal, accounts, executor))
            finally:
                journal.close()

        run_virtually(main)

    def events(self) -> list[str]:
        db = sqlite3.connect(self.path)
        rows = db.execute("SELECT event FROM order_events ORDER BY rowid").fetchall()
        db.close()
        return [event for (event,) in rows]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "journal.sqlite")


METHODS = ("positions", "balance", "executions", "funding_payments")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("venue", [INJECTIVE, "binance"])
def test_a_venue_that_does_not_answer_is_unknown_never_flat(rig: Rig, venue: str, method: str) -> None:
    """If this fails, a failed query reads as a closed position and the daemon opens it a second time."""

    async def script(desk: Desk) -> None:
        rig.venues[venue].broken[method] = Retryable("503")
        state = await desk.look()
        assert dict(state.unknown) == {venue: "503"}
        assert not state.reconciled
        assert venue not in state.collateral_usd
        assert state.own == ({} if venue == INJECTIVE else {"BTC": Decimal(10)})
        rig.venues[venue].broken.clear()
        assert (await desk.look()).reconciled

    rig.life(script)


def test_a_venue_that_hangs_is_unknown(rig: Rig) -> None:
    """If this fails, one silent venue stops the whole cycle."""

    async def script(desk: Desk) -> None:
        async def never() -> None:
            await asyncio.sleep(3_600)

        rig.there.positions = never  # type: ignore[method-assign,assignment]
        assert (await desk.look()).unknown == {"binance": "TimeoutError"}

    rig.life(script)


def test_only_own_client_ids_are_attributed(rig: Rig) -> None:
    """If this fails, the trader's own orders are taken for the daemon's, or the reverse, and N is wrong."""

    async def script(desk: Desk) -> None:
        rig.here.trade("BTC", -3)
        rig.here.trade("BTC", 1, client_id="another bot")
        assert (await desk.look()).attributed == {}
        await desk.send(intent(HERE, -4))
        state = await desk.look()
        assert state.attributed == {HERE: Decimal(-4)}
        assert [fill.purpose for fill in state.fills] == [Purpose.OWN_CUT]
        assert state.own == {"BTC": Decimal(8)}

    rig.life(script)


def test_a_cut_never_feeds_on_itself(rig: Rig) -> None:
    """If this fails, each cut makes N smaller, or a fill is counted again at each refresh, and the cap drifts."""

    async def script(desk: Desk) -> None:
        for step in range(1, 5):
            await desk.send(intent(HERE, -1, cycle_ts_ms=NOW_MS + step))
            for _ in range(3):
                state = await desk.look()
                assert state.own == {"BTC": Decimal(10)}
                assert state.attributed == {HERE: Decimal(-step)}
        assert rig.here.quantities == {"BTC": Decimal(6)}

    rig.life(script)


def test_n_is_known_when_the_venue_shows_nothing(rig: Rig) -> None:
    """If this fails, a position that the cut took to zero at the venue is forgotten and never restored."""

    async def script(desk: Desk) -> None:
        await desk.send(intent(HERE, -10))
        assert (await desk.look()).own == {"BTC": Decimal(10)}

    rig.life(script)


def test_manual_trades_change_n(rig: Rig) -> None:
    """If this fails, the hedge is sized for a book that the trader no longer has."""

    async def script(desk: Desk) -> None:
        await desk.send(intent(HERE, -4))
        rig.here.trade("BTC", 5)
        assert (await desk.look()).own == {"BTC": Decimal(15)}
        rig.here.trade("ETH", -2)
        assert (await desk.look()).own == {"BTC": Decimal(15), "ETH": Decimal(-2)}

    rig.life(script)


def test_funding_is_told_once(rig: Rig) -> None:
    """If this fails, the stop counts a payment twice or not at all, or an unwinding waits for the limit on asking."""

    async def script(desk: Desk) -> None:
        rig.here.pay("BTC", NOW_MS + 1)
        assert len((await desk.look()).payments) == 1
        assert len((await desk.look()).payments) == 0
        rig.here.pay("BTC", NOW_MS + 2)
        assert [p.settlement.ts_ms for p in (await desk.accounts.refresh(NOW_MS + 3_999)).payments] == []
        later = await desk.accounts.refresh(NOW_MS + 4_000)
        assert [p.settlement.ts_ms for p in later.payments] == [NOW_MS + 2]

    rig.life(script)


def test_the_attempt_is_in_the_journal_when_the_order_arrives(rig: Rig) -> None:
    """If this fails, a crash during the send leaves an order at the venue that no restart looks for."""
    seen: list[list[str]] = []

    async def script(desk: Desk) -> None:
        rig.here.watch = lambda _: seen.append(rig.events())  # another connection: what is really in the file
        await desk.send(intent(HERE, -4))

    rig.life(script)
    assert seen == [["attempt"]]
    assert rig.events() == ["attempt", "acknowledged"]


def test_no_journal_no_order(rig: Rig) -> None:
    """If this fails, orders are sent that leave no trace when the disk is full or broken."""

    async def script(desk: Desk) -> None:
        await desk.journal(lambda store: store._db.execute("PRAGMA query_only = ON"))
        with pytest.raises(NoJournal, match="nothing is sent"):
            await desk.send(intent(HERE, -4), intent(THERE, -1))
        assert desk.placed() == []

    rig.life(script)


def test_an_order_that_was_accepted_before_the_error_is_found(rig: Rig) -> None:
    """If this fails, an order whose acknowledgement was lost is sent again, or its fill is never attributed."""

    async def script(desk: Desk) -> None:
        rig.there.place_errors, rig.there.accepts_then_fails = [OutcomeUnknown("504")], True
        assert await desk.send(intent(THERE, -4)) == 1
        assert len(rig.there.placed) == 1
        assert desk.executor.unresolved == {}
        assert (await desk.look()).attributed == {THERE: Decimal(-4)}

    rig.life(script)
    assert rig.events() == ["attempt", "unknown", "acknowledged"]


def test_an_outcome_that_stays_unknown_blocks_its_market_and_is_never_resent(rig: Rig) -> None:
    """If this fails, the same intent is sent twice, or new orders pile up behind one that may still be alive."""

    async def script(desk: Desk) -> None:
        rig.there.place_errors = [OutcomeUnknown("504")]
        rig.there.broken["lookup"] = Retryable("503")
        await desk.send(intent(THERE, -4))
        assert list(desk.executor.unresolved.values()) == [THERE]
        assert rig.there.lookups > 1
        for later in range(1, 4):
            await desk.executor.resolve()
            assert await desk.send(intent(THERE, -4, cycle_ts_ms=NOW_MS + later)) == 0
        assert len(rig.there.placed) == 1
        eth = {venue: SeriesKey(venue, "ETH") for venue in ("binance", "bybit")}
        assert await desk.send(intent(OTHER, -4)) == 0  # the cap may be used up already
        assert await desk.send(intent(eth["binance"], -1)) == 0  # and so may the margin
        assert await desk.send(intent(eth["bybit"], -1)) == 1  # all else goes on, and so does getting out
        out = {"purpose": Purpose.HEDGE_CLOSE, "reduce_only": True}
        assert await desk.send(intent(OTHER, 1, **out), intent(eth["binance"], 1, **out)) == 2

        rig.there.broken.clear()
        await desk.executor.resolve()
        assert desk.executor.unresolved == {}
        assert await desk.send(intent(THERE, -4, cycle_ts_ms=NOW_MS + 9)) == 1

    rig.life(script)
    assert rig.events()[:2] == ["attempt", "unknown"]
    assert "absent" in rig.events()


def relocation() -> tuple[Intent, Intent]:
    return intent(HERE, -4, purpose=Purpose.RELOCATE, reduce_only=True), intent(
        THERE, 4, purpose=Purpose.RELOCATE
    )


async def _rejected(desk: Desk) -> None:
    desk.venues[INJECTIVE].place_errors = [Rejected("post-only mode")]


async def _refused_for_now(desk: Desk) -> None:
    desk.venues[INJECTIVE].place_errors = [Retryable("sequence mismatch")]


async def _never_arrived(desk: Desk) -> None:
    desk.venues[INJECTIVE].place_errors = [OutcomeUnknown("dropped from the mempool")]


async def _still_unknown(desk: Desk) -> None:
    desk.venues[INJECTIVE].place_errors = [OutcomeUnknown("504")]
    desk.venues[INJECTIVE].broken["lookup"] = Retryable("503")


async def _unknown_since_earlier(desk: Desk) -> None:
    await _still_unknown(desk)
    await desk.send(intent(HERE, -1, cycle_ts_ms=NOW_MS - 1))
    desk.venues[INJECTIVE].placed.clear()


async def _not_filled(desk: Desk) -> None:
    async def place(approved: Any) -> OrderState:
        order = approved.intent
        return OrderState(approved.client_id, order.key, OrderStatus.CANCELLED, Decimal(0), order.quantity)

    desk.venues[INJECTIVE].place = place  # type: ignore[method-assign]


FAILURES = [_rejected, _refused_for_now, _never_arrived, _still_unknown, _unknown_since_earlier, _not_filled]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_relocation_whose_first_leg_fails_is_not_continued(
    rig: Rig, failure: Callable[[Desk], Coroutine[Any, Any, None]]
) -> None:
    """If this fails, a failed cut leaves its far side behind: a naked position that doubles the exposure."""

    async def script(desk: Desk) -> None:
        await failure(desk)
        await desk.send(*relocation())
        assert rig.there.placed == []

    rig.life(script)


def test_a_failed_close_is_not_followed_by_its_replacement(rig: Rig) -> None:
    """If this fails, the gate's count is wrong: the old leg is still there when the new one opens, above the cap."""

    async def script(desk: Desk) -> None:
        rig.there.place_errors = [Rejected("maintenance")]
        close = intent(THERE, 4, purpose=Purpose.HEDGE_CLOSE, reduce_only=True)
        await desk.send(close, intent(OTHER, -4), intent(SeriesKey("bybit", "ETH"), -1))
        assert [one.intent.key.symbol for one in rig.venues["bybit"].placed] == ["ETH"]

    rig.life(script)


def test_a_failed_leg_does_not_hold_up_a_stop(rig: Rig) -> None:
    """If this fails, one venue in maintenance keeps the other legs of a stopped hedge open."""

    async def script(desk: Desk) -> None:
        rig.there.place_errors = [Rejected("maintenance")]
        stop = {"purpose": Purpose.STOP}
        await desk.send(
            intent(THERE, 4, reduce_only=True, **stop),
            intent(OTHER, 4, reduce_only=True, **stop),
            intent(HERE, 4, **stop),
        )
        assert desk.placed() == [HERE, THERE, OTHER]

    rig.life(script)


def test_a_restart_remembers_what_is_its_own(rig: Rig) -> None:
    """If this fails, after a restart the cut looks like the trader's own trade and 40 % of the rest is cut again."""

    async def first(desk: Desk) -> None:
        await desk.send(intent(HERE, -4), intent(THERE, -1))
        await desk.look()

    async def second(desk: Desk) -> None:
        for _ in range(2):
            state = await desk.look()
            assert state.own == {"BTC": Decimal(10)}
            assert state.attributed == {HERE: Decimal(-4), THERE: Decimal(-1)}
        assert state.fills == []  # not new, so not charged again

    rig.life(first)
    rig.life(second)


def test_a_restart_learns_what_filled_while_it_was_down(rig: Rig) -> None:
    """If this fails, a crash between the send and the next look makes the fill the trader's own for ever."""

    async def dies_after_the_send(desk: Desk) -> None:
        await desk.send(intent(HERE, -4))

    async def much_later(desk: Desk) -> None:
        rig.here.now_ms = NOW_MS + 5 * HOUR_MS
        rig.here.trade("BTC", 2)
        state = await desk.accounts.refresh(NOW_MS + 5 * HOUR_MS)
        assert state.attributed == {HERE: Decimal(-4)}
        assert state.own == {"BTC": Decimal(12)}
        assert [p.settlement.ts_ms for p in state.payments] == [NOW_MS + HOUR_MS]

    rig.life(dies_after_the_send)
    rig.here.pay("BTC", NOW_MS + HOUR_MS)
    rig.life(much_later, NOW_MS + 5 * HOUR_MS)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_restart_resolves_the_open_attempt_by_looking_it_up(rig: Rig, arrived: bool) -> None:
    """If this fails, a restart resends an order of unknown outcome or forgets it."""

    async def dies_in_the_send(desk: Desk) -> None:
        rig.there.place_errors, rig.there.accepts_then_fails = [OutcomeUnknown("killed")], arrived
        rig.there.broken["lookup"] = Retryable("the process is gone")
        await desk.send(intent(THERE, -4))

    async def unsure(desk: Desk) -> None:
        assert list(desk.executor.unresolved.values()) == [THERE]
        assert await desk.send(intent(THERE, -4, cycle_ts_ms=NOW_MS + 1)) == 0

    async def sure(desk: Desk) -> None:
        assert desk.executor.unresolved == {}
        assert (await desk.look()).attributed == ({THERE: Decimal(-4)} if arrived else {})

    rig.life(dies_in_the_send)
    rig.life(unsure)
    rig.there.broken.clear()
    rig.life(sure)
    assert len(rig.there.placed) == 1
    assert rig.events()[-1] == ("acknowledged" if arrived else "absent")


def test_the_limit_on_rate_holds_over_a_restart(rig: Rig) -> None:
    """If this fails, a daemon that crashes and restarts in a loop sends its hourly limit each time."""

    async def first(desk: Desk) -> None:
        await desk.send(intent(HERE, -4))
        assert desk.executor.sent_last_hour() == (1, Decimal(400))

    async def second(desk: Desk) -> None:
        assert desk.executor.sent_last_hour() == (1, Decimal(400))

    async def an_hour_later(desk: Desk) -> None:
        assert desk.executor.sent_last_hour() == (0, Decimal(0))

    rig.life(first)
    rig.life(second, NOW_MS + HOUR_MS)
    rig.life(an_hour_later, NOW_MS + HOUR_MS + 1)


def test_late_executions_are_still_found(rig: Rig) -> None:
    """If this fails, a fill that the venue reports a minute late is never attributed."""

    async def script(desk: Desk) -> None:
        await desk.look()
        later_ms = rig.here.now_ms = NOW_MS + HOUR_MS
        rig.here.trade("BTC", 1)
        await desk.accounts.refresh(later_ms)
        await desk.accounts.refresh(later_ms)
        assert rig.here.asked_since[-1] == later_ms - OVERLAP_MS

    rig.life(script)


def test_a_clock_that_is_ahead_misses_no_fill(rig: Rig) -> None:
    """If this fails, a clock half an hour ahead asks for executions from after they happen, and N is wrong for ever."""

    async def script(desk: Desk) -> None:
        await desk.accounts.refresh(NOW_MS + HOUR_MS // 2)
        rig.here.now_ms = NOW_MS + 1
        await desk.send(intent(HERE, -4))
        state = await desk.accounts.refresh(NOW_MS + HOUR_MS // 2 + 1_000)
        assert state.attributed == {HERE: Decimal(-4)}
        assert state.own == {"BTC": Decimal(10)}

    rig.life(script)
    rig.life(script_of_nothing_new, NOW_MS + HOUR_MS // 2)


async def script_of_nothing_new(desk: Desk) -> None:
    assert (await desk.look()).own == {"BTC": Decimal(10)}


def test_positions_older_than_their_executions_are_not_believed(rig: Rig) -> None:
    """If this fails, the daemon's own cut passes for the trader's purchase while the venue's positions lag behind."""

    async def script(desk: Desk) -> None:
        await desk.look()
        await desk.send(intent(HERE, -4))
        now, rig.here.quantities = rig.here.quantities, {"BTC": Decimal(10)}
        state = await desk.look()
        assert "older" in state.unknown[INJECTIVE]
        assert not state.own
        rig.here.quantities = now
        assert (await desk.look()).own == {"BTC": Decimal(10)}

    rig.life(script)


def test_positions_that_stay_older_are_what_is_true(rig: Rig) -> None:
    """If this fails, a venue that takes an execution back is unknown for ever, and nothing trades there any more."""

    async def script(desk: Desk) -> None:
        await desk.look()
        await desk.send(intent(HERE, -4))
        rig.here.quantities = {"BTC": Decimal(10)}
        assert INJECTIVE in (await desk.look()).unknown
        assert INJECTIVE not in (await desk.accounts.refresh(NOW_MS + LAG_MS)).unknown

    rig.life(script)


def test_acknowledged_fills_are_awaited_over_a_restart(rig: Rig) -> None:
    """If this fails, what filled just before a crash and is not told yet passes for the trader's own after it."""

    async def dies_after_the_answer(desk: Desk) -> None:
        await desk.send(intent(HERE, -4))

    async def not_told_yet(desk: Desk) -> None:
        told, rig.here.trades = rig.here.trades, []
        state = await desk.look()
        assert "acknowledged" in state.unknown[INJECTIVE]
        assert not state.own
        rig.here.trades = told
        assert (await desk.look()).own == {"BTC": Decimal(10)}

    rig.life(dies_after_the_answer)
    rig.life(not_told_yet)


def test_memory_does_not_grow_with_the_number_of_fills(rig: Rig) -> None:
    """If this fails, the daemon remembers every fill it ever saw, or forgets one that can still be told again."""

    async def script(desk: Desk) -> None:
        await desk.send(intent(HERE, -4))
        order = rig.here.placed[0]
        ids: Sequence[int] = range(5_000)
        rig.here.now_ms = NOW_MS - 5 * HOUR_MS
        for _ in ids:
            rig.here.trade("BTC", "0.001", order.client_id)
        rig.here.trades.sort(key=lambda e: e.ts_ms)
        desk.accounts._executions_from_ms[INJECTIVE] = 0
        assert (await desk.look()).attributed == {HERE: Decimal(1)}
        assert (await desk.look()).attributed == {HERE: Decimal(1)}
        assert len(desk.accounts._intake.attribution._markets[HERE].rows) == 1
        desk.accounts._executions_from_ms[INJECTIVE] = 0
        assert (await desk.look()).attributed == {HERE: Decimal(1)}

    rig.life(script)


@pytest.mark.parametrize(("by_others", "left"), [("10", 0), ("3", -1), ("-3", -4)])
def test_what_an_exchange_takes_away_is_not_the_daemons_any_more(rig: Rig, by_others: str, left: int) -> None:
    """If this fails, a leg that was liquidated still counts as a hedge, now or after a restart."""

    async def script(desk: Desk) -> None:
        await desk.send(intent(THERE, -4))
        await desk.look()
        rig.there.now_ms += 1_000
        rig.there.trade("BTC", by_others)
        for _ in range(2):  # reported again each time
            state = await desk.look()
            assert state.attributed == {THERE: Decimal(left)}
            assert state.own == {"BTC": Decimal(10)}
            assert not state.fills

    rig.life(script)

    async def later(desk: Desk) -> None:
        assert (await desk.look()).attributed == {THERE: Decimal(left)}
        rig.there.now_ms += 1_000
        await desk.send(intent(THERE, 2))
        assert (await desk.look()).attributed == {THERE: Decimal(left + 2)}

    rig.life(later)


@pytest.mark.parametrize("explains", [Explains.WHOLLY, Explains.IN_PART])
def test_what_an_order_of_unknown_outcome_filled_is_not_taken_for_the_traders(
    rig: Rig, explains: Explains, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, N, by which all caps are measured, follows a cut that nobody has answered for yet."""
    monkeypatch.setattr(rig.here, "explains", explains, raising=False)

    async def script(desk: Desk) -> None:
        assert (await desk.look()).own == {"BTC": Decimal(10)}
        rig.here.place_errors, rig.here.accepts_then_fails = [OutcomeUnknown("504")], True
        rig.here.broken["lookup"] = Retryable("503")
        await desk.send(intent(HERE, -4))
        told, rig.here.trades = rig.here.trades, []  # its executions are late
        assert rig.here.quantities == {"BTC": Decimal(6)}
        assert (await desk.look()).own == {"BTC": Decimal(10)}
        rig.here.broken.clear()
        rig.here.trades = told
        await desk.executor.resolve()
        state = await desk.look()
        assert (state.own, state.attributed) == ({"BTC": Decimal(10)}, {HERE: Decimal(-4)})

    rig.life(script)


def test_what_an_order_of_unknown_outcome_filled_is_not_the_traders_after_a_restart(rig: Rig) -> None:
    """If this fails, a crash while an order is not answered for makes N what that order left, though fills are told."""

    async def dies_unanswered(desk: Desk) -> None:
        await desk.look()
        rig.here.place_errors, rig.here.accepts_then_fails = [OutcomeUnknown("504")], True
        rig.here.broken["lookup"] = Retryable("503")
        await desk.send(intent(HERE, -4))

    async def goes_on(desk: Desk) -> None:
        told, rig.here.trades = rig.here.trades, []  # its executions are late
        assert (await desk.look()).own == {"BTC": Decimal(10)}
        rig.here.trades = told
        state = await desk.look()
        assert (state.own, state.attributed) == ({"BTC": Decimal(10)}, {HERE: Decimal(-4)})
        rig.here.trade("BTC", -6)
        assert (await desk.look()).own == {"BTC": Decimal(4)}  # his own trade counts at once
        assert desk.executor.unresolved

    rig.life(dies_unanswered)
    rig.life(goes_on)


def test_the_traders_own_trades_on_injective_leave_the_cut_alone(rig: Rig) -> None:
    """If this fails, a trader who grows his position is taken to have undone the daemon's cut."""

    async def script(desk: Desk) -> None:
        await desk.send(intent(HERE, -4))
        rig.here.trade("BTC", 3)
        state = await desk.look()
        assert state.attributed == {HERE: Decimal(-4)}
        assert state.own == {"BTC": Decimal(13)}

    rig.life(script)


def test_what_may_still_fill_is_told_with_its_size(rig: Rig) -> None:
    """If this fails, the gate does not count an order of unknown outcome, and the cap is exceeded when it fills."""

    async def script(desk: Desk) -> None:
        rig.there.place_errors, rig.there.broken = [OutcomeUnknown("timeout")], {"lookup": Retryable("503")}
        await desk.send(intent(THERE, -3))
        assert desk.executor.open_orders() == (OpenOrder(THERE, Decimal(-3)),)

    async def again(desk: Desk) -> None:
        assert desk.executor.open_orders() == (OpenOrder(THERE, Decimal(-3)),), "a restart knows it too"
        rig.there.broken.clear()
        await desk.executor.resolve()
        assert desk.executor.open_orders() == ()

    rig.life(script)
    rig.life(again)


def test_the_account_is_told_with_what_backs_it(rig: Rig) -> None:
    """If this fails, the gate does not know free collateral, positions, clocks or modes, and allows too much."""

    class Telling(FakeVenue):
        clock_offset_ms = 1_234
        restriction = "post-only mode"

    async def script(desk: Desk) -> None:
        state = await desk.look()
        assert state.free_usd == dict.fromkeys(rig.venues, Decimal(10_000))
        assert state.positions[HERE].quantity == 10
        assert state.clock_offsets_ms == {"bybit": 1_234}
        assert state.restricted == {"bybit": "post-only mode"}

    rig.venues["bybit"] = Telling("bybit")
    rig.life(script)
