"""The hand of the kill switch on venues that a test scripts: what it closes, what it leaves, and what it says."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import HERE, NOW_MS, OTHER, THERE, FakeVenue, approve, intent
from guarded import MIXED, OPPOSITE, RELOCATION, Hedge, Life, Placed, Rig

from hedged.control.hand import Hand
from hedged.domain.book import Balance
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import OrderState, OrderStatus, Purpose, tag
from hedged.execution.journal.store import JournalStore
from hedged.risk.gate import KillLevel


class RestingVenue(FakeVenue):
    """One at which orders rest, until they are cancelled; `stuck`: the cancellation of these fails."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.resting: dict[str, OrderState] = {}
        self.stuck: set[str] = set()

    def leave(self, client_id: str) -> None:
        key = SeriesKey(self.venue, "BTC")
        self.resting[client_id] = OrderState(client_id, key, OrderStatus.OPEN, Decimal(0), Decimal(1))

    async def open_orders(self) -> Sequence[OrderState]:
        self._maybe_fail("open_orders")
        return list(self.resting.values())

    async def cancel(self, client_id: str) -> None:
        if client_id in self.stuck:
            raise OutcomeUnknown("no answer")
        self.resting.pop(client_id, None)


@dataclass
class Killed:
    """A life with a hand in it, latched."""

    life: Life
    hand: Hand
    said: list[str] = field(default_factory=list)

    async def latch(self, level: KillLevel) -> None:
        await self.life.desk.journal(JournalStore.set_kill, self.life.clock.now_ms(), int(level), "drill")
        self.life.desk.kill = level
        self.hand.rest()

    async def act(self, level: KillLevel, rounds: int = 1) -> bool:
        await self.latch(level)
        return await self.again(level, rounds)

    async def again(self, level: KillLevel, rounds: int = 1) -> bool:
        done = False
        for _ in range(rounds):
            await asyncio.sleep(2)
            for venue in self.life.venues.values():
                venue.now_ms = self.life.clock.now_ms()
            done = await self.hand.act(level)
        return done


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path / "journal.sqlite")
    made.venues = {
        v.venue: v for v in (RestingVenue(INJECTIVE, 10), RestingVenue("binance"), RestingVenue("bybit"))
    }
    for venue in made.venues.values():
        venue.placed = Placed(made._numbers)  # type: ignore[assignment]
    return made


def run(rig: Rig, hedge: Hedge, script: Callable[[Killed], Coroutine[Any, Any, None]]) -> Killed:
    """Open a hedge, then play."""
    made: list[Killed] = []

    async def main(life: Life) -> None:
        if hedge:
            await life.open(hedge)
        said: list[str] = []
        hand = Hand(lambda: life.desk, rig.prices, life.venues, said.append)  # type: ignore[arg-type]
        made.append(Killed(life, hand, said))
        await script(made[0])

    rig.life(main)
    return made[0]


def sent_after(killed: Killed, count: int) -> list[tuple[str, bool, Purpose]]:
    return [(o.intent.key.venue, o.intent.reduce_only, o.intent.purpose) for o in killed.life.sent()[count:]]


@pytest.mark.parametrize("hedge", [RELOCATION, MIXED, OPPOSITE], ids=["relocation", "mixed", "opposite"])
def test_flatten_closes_the_legs_and_touches_nothing_else(rig: Rig, hedge: Hedge) -> None:
    """If this fails, a flatten leaves a leg, gives a cut back, or trades what is the trader's own."""
    rig.venues["bybit"].quantities["BTC"] = Decimal(3)  # the operator's own there
    venue = rig.venues["bybit"]

    async def script(killed: Killed) -> None:
        assert await killed.act(KillLevel.FLATTEN)
        assert killed.life.held() == {key: q for key, (q, _) in hedge.items() if key == HERE}
        assert all(reduces and venue != INJECTIVE for venue, reduces, _ in sent_after(killed, len(hedge)))
        assert not await killed.life.guard.look(0)

    killed = run(rig, hedge, script)
    assert venue.quantities["BTC"] == 3
    assert any("are not the daemon's, and stay" in text for text in killed.said) or hedge is not MIXED


def test_cancel_takes_what_is_ours_and_leaves_what_is_not(rig: Rig) -> None:
    """If this fails, an order of ours survives the kill, or the operator's own is cancelled."""
    binance = rig.venues["binance"]
    assert isinstance(binance, RestingVenue)
    lost, by_hand, others = f"{tag('test')}{'0' * 26}", "my-own-order", f"{tag('another')}{'0' * 26}"

    async def script(killed: Killed) -> None:
        ours = "of-an-account-that-had-another-name"
        order = replace(approve(intent(THERE, 1)), client_id=ours)
        await killed.life.desk.journal(JournalStore.record_attempt, order, NOW_MS)
        for client_id in (lost, ours, by_hand, others):
            binance.leave(client_id)
        assert not await killed.act(KillLevel.CANCEL), "a round that cancelled is looked at once more"
        assert await killed.again(KillLevel.CANCEL)
        assert set(binance.resting) == {by_hand, others}
        assert killed.life.held(), "cancel closes nothing"

    hedge: Hedge = {OTHER: (-2, Purpose.HEDGE_OPEN)}
    killed = run(rig, hedge, script)
    assert sum("cancelled binance:BTC" in text for text in killed.said) == 2


def test_a_venue_that_is_silent_keeps_no_other_from_being_closed(rig: Rig) -> None:
    """If this fails, one venue's outage leaves the whole book open, or a leg that is held passes for closed."""

    async def script(killed: Killed) -> None:
        for method in ("positions", "executions", "open_orders"):
            rig.venues["binance"].broken[method] = Retryable("maintenance")
        assert not await killed.act(KillLevel.FLATTEN)
        assert killed.life.held() == {HERE: -2, THERE: 2}
        left = " | ".join(killed.hand.left)
        assert "binance does not tell its resting orders: maintenance" in left
        assert "binance:BTC: +2 coins: binance does not answer" in left
        rig.venues["binance"].broken.clear()
        assert await killed.again(KillLevel.FLATTEN, 2)
        assert killed.life.held() == {HERE: -2}

    run(rig, MIXED, script)


def test_a_divergence_leg_does_not_wait_for_a_silent_venue_either(rig: Rig) -> None:
    """If this fails, flatten means the hedges alone."""

    async def script(killed: Killed) -> None:
        rig.venues[INJECTIVE].broken["positions"] = Retryable("no block")
        await killed.act(KillLevel.FLATTEN)
        assert killed.life.held() == {}
        assert [purpose for *_, purpose in sent_after(killed, 2)] == [Purpose.DIVERGENCE_CLOSE] * 2

    hedge: Hedge = {THERE: (2, Purpose.DIVERGENCE_OPEN), OTHER: (-2, Purpose.DIVERGENCE_OPEN)}
    run(rig, hedge, script)


def test_margin_and_loss_limits_keep_nothing_from_being_closed(rig: Rig) -> None:
    """If this fails, the account that most needs to be closed cannot be."""

    async def script(killed: Killed) -> None:
        async def nothing() -> Balance:
            return Balance("binance", Decimal(-5), Decimal(0))

        rig.venues["binance"].balance = nothing  # type: ignore[method-assign]
        rig.prices.marks = dict.fromkeys(rig.prices.marks, 3_000.0)
        killed.life.desk.gate_facts.equity_usd = Decimal("0.01")
        assert await killed.act(KillLevel.FLATTEN)
        assert killed.life.held() == {}

    run(rig, OPPOSITE, script)


def test_an_order_of_unknown_outcome_is_looked_up_and_never_sent_again_beside(rig: Rig) -> None:
    """If this fails, a flatten closes a leg twice."""
    binance = rig.venues["binance"]

    async def script(killed: Killed) -> None:
        binance.place_errors, binance.accepts_then_fails = [OutcomeUnknown("no answer")], True
        binance.broken["lookup"] = Retryable("no answer")
        assert not await killed.act(KillLevel.FLATTEN)
        assert any("outcome" in text for text in killed.hand.left)
        assert not await killed.again(KillLevel.FLATTEN, 2)
        assert len(sent_after(killed, 1)) == 1
        binance.broken.clear()
        assert await killed.again(KillLevel.FLATTEN)
        assert killed.life.held() == {}

    run(rig, OPPOSITE, script)


def test_it_goes_on_where_it_gets_nowhere_ever_more_slowly_and_says_so_once(
    rig: Rig, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a venue that refuses is asked in a tight loop, or given up."""

    async def script(killed: Killed) -> None:
        rig.venues["binance"].place_errors = [Rejected("the market is halted")] * 8
        waits = []
        await killed.latch(KillLevel.FLATTEN)
        for _ in range(8):
            assert not await killed.again(KillLevel.FLATTEN)
            waits.append(killed.hand.wait_s)
        assert waits == sorted(waits)
        assert (waits[0], waits[-1]) == (1.0, 60.0)
        assert await killed.again(KillLevel.FLATTEN)

    killed = run(rig, OPPOSITE, script)
    assert [text for text in killed.said if text.startswith("left: ")] == [
        "left: binance:BTC: -4 coins: the order was rejected: the market is halted"
    ]
    assert sum(line["event"] == "kill_not_done_yet" for line in logs) == 1


def test_what_no_order_can_close_is_said_and_counts_as_closed(rig: Rig) -> None:
    """If this fails, a flatten never ends for a leg of three dollars."""

    async def script(killed: Killed) -> None:
        rig.prices.marks[THERE] = 1.0  # 4 coins are less than the smallest order of 5 USD
        assert await killed.act(KillLevel.FLATTEN)
        assert "binance:BTC: -4 coins stay, less than any order there may be" in killed.said

    run(rig, OPPOSITE, script)


def test_a_level_that_is_turned_meanwhile_is_not_taken_for_done(rig: Rig) -> None:
    """If this fails, a flatten that follows a cancel closely is never carried out."""

    async def script(killed: Killed) -> None:
        await killed.latch(KillLevel.CANCEL)
        venue = rig.venues["binance"]
        ask = venue.open_orders

        async def turned() -> Sequence[OrderState]:
            killed.hand.rest()
            return await ask()

        venue.open_orders = turned  # type: ignore[method-assign]
        assert not await killed.hand.act(KillLevel.CANCEL)
        venue.open_orders = ask  # type: ignore[method-assign]
        assert await killed.act(KillLevel.FLATTEN)
        assert killed.life.held() == {}

    run(rig, OPPOSITE, script)


@pytest.mark.parametrize("level", [KillLevel.NONE, KillLevel.REDUCE_ONLY, KillLevel.PAUSE])
def test_other_levels_ask_nothing_of_the_hand(rig: Rig, level: KillLevel) -> None:
    """If this fails, a pause sends orders."""

    async def script(killed: Killed) -> None:
        await killed.act(level)
        assert sent_after(killed, 1) == []
        assert killed.life.held() == {THERE: -4}

    run(rig, OPPOSITE, script)
