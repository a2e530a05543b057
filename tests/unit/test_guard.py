"""The fast loop: what it sees it does at once, through one desk, and a stop that has begun is carried through."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import HERE, OTHER, THERE, funding_payment, settlement
from guarded import DIVERGENCE, MIXED, OPPOSITE, RELOCATION, Life, Rig

from hedged.domain.book import Balance
from hedged.domain.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.market import INJECTIVE
from hedged.domain.orders import Purpose
from hedged.execution.journal.store import JournalStore
from hedged.risk.gate import KillLevel
from hedged.strategy.divergence_episode import DivergenceEpisode
from hedged.strategy.memory import STATE, StrategyMemory
from hedged.strategy.snapshot import DesiredPosition

FEES = 0.05  # of every fill


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "journal.sqlite")


class Killed(BaseException):
    """The process ends here."""


def test_a_basis_that_blows_out_is_unwound_at_the_next_look(rig: Rig, logs: list[dict[str, Any]]) -> None:
    """If this fails, a hedge goes on losing until the next cycle, or is stopped by other figures than the rule's."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        rig.prices.marks |= {HERE: 130.0, THERE: 128.8}  # 4 coins lose 1.2 each, whatever the price did
        await life.look()
        assert life.held() == {HERE: -4, THERE: 4}, "4.80 and two fees are less than 5 USD"
        rig.prices.marks[THERE] = 128.75
        await life.look()
        assert life.held() == {}
        assert life.stopped() == ["binance", INJECTIVE]
        (decision,) = await life.desk.journal(JournalStore.decisions)
        assert (decision["action"], decision["current"]) == ("stop", "{}")
        assert decision["reason"].startswith("stop: the hedge has lost 5.10 USD, more than the 5.00 USD")
        stopped = life.desk.stops.episodes["BTC"]
        assert stopped.stopped_until_ms == life.guard.last_ms + 24 * HOUR_MS
        assert not stopped.unwinding

    rig.life(script)
    assert [line["event"] for line in logs if "hedge" in line["event"]] == [
        "hedge_stopped",
        "hedge_unwound",
    ]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("move", [0.5, 2.0])
def test_a_price_move_alone_stops_nothing(tmp_path: Path, move: float, side: int) -> None:
    """If this fails, a hedge is given up in every rally."""
    rig = Rig(tmp_path / "journal.sqlite")
    rig.venues[INJECTIVE].quantities["BTC"] = Decimal(10 * side)
    hedges = [{key: (q * side, why) for key, (q, why) in hedge.items()} for hedge in (RELOCATION, MIXED)]

    async def script(life: Life) -> None:
        await life.open(hedges[0])
        rig.prices.marks = {key: mark * move for key, mark in rig.prices.marks.items()}
        await life.look(3)
        assert life.stopped() == []

    rig.life(script)


def test_the_guard_stands_back_while_a_cycle_trades(rig: Rig) -> None:
    """If this fails, two hands trade one account at a time, each on what it knew, or a stop waits for a model."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        rig.prices.marks[THERE] = 90.0
        async with life.desk.busy:
            await life.look(3)
            assert life.stopped() == []
            async with life.desk.busy.lent():  # the cycle waits for a model
                await life.look()
                assert life.held() == {}

    rig.life(script)


def test_a_cycle_waits_while_the_guard_trades(rig: Rig) -> None:
    """If this fails, a cycle plans on a book that the guard is just unwinding."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        rig.prices.marks[THERE] = 90.0
        place, during = rig.venues["binance"].place, []

        async def slowly(approved: Any) -> Any:
            await asyncio.sleep(3)
            return await place(approved)

        rig.venues["binance"].place = slowly  # type: ignore[method-assign]

        async def cycle() -> None:
            await asyncio.sleep(6)
            assert life.desk.busy.locked(), "the guard must be in the middle of it"
            async with life.desk.busy:
                during.append(life.held())

        await asyncio.gather(life.look(), cycle())
        assert during == [{}]

    rig.life(script)


def test_an_instant_at_which_a_cycle_is_due_belongs_to_it(rig: Rig) -> None:
    """If this fails, guard and cycle may send one order under one client id, which ends the daemon."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        rig.prices.marks[THERE] = 90.0
        due_ms = (life.clock.now_ms() // (15 * MINUTE_MS) + 1) * 15 * MINUTE_MS
        assert not await life.guard.look(due_ms)
        assert await life.guard.look(due_ms + 1)
        assert not await life.guard.look(due_ms + 1)

    rig.life(script)


def test_a_price_that_is_not_believed_stops_nothing_and_is_told(rig: Rig, logs: list[dict[str, Any]]) -> None:
    """If this fails, a wrong unit costs the fees of a hedge, or a hedge goes without a stop and nobody knows."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        await life.look()
        rig.prices.doubted[THERE] = 100.0
        rig.prices.marks |= {HERE: 70.0, THERE: 100_000.0}
        await life.look(60)
        assert life.stopped() == []
        assert life.guard.blind_s("BTC", life.clock.now_ms()) == pytest.approx(300, abs=0.01)
        assert life.desk.stops.unvalued["BTC"].why == "the price of binance:BTC is not believed: a unit"
        del rig.prices.doubted[THERE]
        rig.prices.marks |= {HERE: 70.0, THERE: 68.0}
        await life.look()
        assert life.stopped() == ["binance", INJECTIVE], "the loss is what it is once it can be seen"

    rig.life(script)
    told = [
        line["event"]
        for line in logs
        if line["event"].startswith("hedge_") and line["event"] != "hedge_unwound"
    ]
    assert told == ["hedge_not_valued", "hedge_without_stop", "hedge_valued_again", "hedge_stopped"]


def test_prices_of_different_times_are_no_basis(rig: Rig) -> None:
    """If this fails, a stream that is half a minute behind in a rally stops a hedge."""

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        rig.prices.marks |= {HERE: 80.0, THERE: 100.0}
        rig.prices.ages_ms[THERE] = 31 * SECOND_MS
        await life.look(3)
        assert life.stopped() == []
        assert "31 s older" in life.desk.stops.unvalued["BTC"].why

    rig.life(script)


def test_a_relocation_stays_whole_while_its_far_venue_is_unreachable(rig: Rig) -> None:
    """If this fails, a stop gives the cut back while the far leg stays: the trader holds twice what he wanted."""

    async def script(life: Life) -> None:
        await life.open(MIXED)
        rig.venues["binance"].broken["positions"] = Retryable("503")
        rig.prices.marks[THERE] = 90.0
        await life.look(4)
        assert life.held() == {HERE: -2, THERE: 2}, (
            "the leg at the venue that answers is closed, the pair waits"
        )
        assert life.stopped() == ["bybit"]
        rig.venues["binance"].broken.clear()
        await life.look(12)
        assert life.held() == {}

    rig.life(script)


def test_a_relocation_stays_whole_while_injective_is_unreachable(rig: Rig) -> None:
    """If this fails, a stop closes the far leg and leaves the trader with less than he wanted to hold."""

    async def script(life: Life) -> None:
        await life.open(MIXED)
        rig.venues[INJECTIVE].broken["positions"] = Retryable("503")
        rig.prices.marks[THERE] = 90.0
        await life.look(4)
        assert life.held() == {HERE: -2, THERE: 2}
        rig.venues[INJECTIVE].broken.clear()
        await life.look(12)
        assert life.held() == {}

    rig.life(script)


def test_a_stop_goes_on_until_it_is_flat(rig: Rig, logs: list[dict[str, Any]]) -> None:
    """If this fails, a rejected order ends the unwinding, or is repeated under the id that was refused."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        rig.venues["binance"].place_errors = [Rejected("maintenance")] * 3
        rig.prices.marks[THERE] = 90.0
        await life.look()
        assert life.held() == {HERE: -4, THERE: 4}
        assert life.stopped() == ["binance"], "the cut waits for its far side"
        rig.prices.marks[THERE] = 100.0  # whatever prices do now
        await life.look(12)
        assert life.held() == {}
        assert life.stopped() == ["binance"] * 4 + [INJECTIVE]

    rig.life(script)
    assert len([line for line in logs if line["event"] == "hedge_not_flat_yet"]) == 1, (
        "once, not every five seconds"
    )


def test_an_unknown_outcome_is_looked_up_and_never_sent_again(rig: Rig) -> None:
    """If this fails, a stop closes a leg twice and opens the other side."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        rig.venues["binance"].place_errors = [OutcomeUnknown("timeout")]
        rig.venues["binance"].accepts_then_fails = True
        rig.venues["binance"].broken["lookup"] = Retryable("503")
        executions = rig.venues["binance"].executions

        async def nothing_yet(_: int) -> list[Any]:
            return []

        rig.venues["binance"].executions = nothing_yet  # type: ignore[method-assign,assignment]
        rig.prices.marks[THERE] = 90.0
        await life.look(4)
        assert life.stopped() == ["binance"]
        assert HERE in life.held(), "the cut is not given back before it is known that its far side is gone"
        rig.venues["binance"].broken.clear()
        rig.venues["binance"].executions = executions  # type: ignore[method-assign]
        await life.look(12)
        assert life.held() == {}
        assert life.stopped() == ["binance", INJECTIVE]

    rig.life(script)


def test_a_stop_survives_a_death_before_its_first_order(rig: Rig) -> None:
    """If this fails, a crash between decision and order forgets the stop, and the hedge is held on."""

    async def first(life: Life) -> None:
        await life.open(RELOCATION)

        async def execute(_: Any) -> int:
            raise Killed

        life.desk.executor.execute = execute  # type: ignore[method-assign]
        rig.prices.marks[THERE] = 90.0
        with pytest.raises(Killed):
            await life.look()
        assert life.stopped() == []

    async def second(life: Life) -> None:
        assert life.desk.stops.episodes["BTC"].unwinding
        rig.prices.marks[THERE] = 100.0  # nothing would stop it now
        await life.look()
        assert life.held() == {}

    rig.life(first)
    rig.life(second)


def test_a_stop_survives_a_death_between_its_orders(rig: Rig) -> None:
    """If this fails, a crash in the middle leaves half a relocation behind."""

    async def first(life: Life) -> None:
        await life.open(RELOCATION)

        def die(_: Any) -> None:
            raise Killed

        rig.venues[INJECTIVE].watch = die
        rig.prices.marks[THERE] = 90.0
        with pytest.raises(Killed):
            await life.look()
        assert life.stopped() == ["binance"]

    async def second(life: Life) -> None:
        rig.venues[INJECTIVE].watch = lambda _: None
        await life.look(3)
        assert life.held() == {}
        assert life.stopped() == ["binance", INJECTIVE]

    rig.life(first)
    rig.life(second)


def test_the_pause_after_a_stop_survives_a_restart(rig: Rig) -> None:
    """If this fails, a restart opens the hedge anew that has just been stopped."""

    async def first(life: Life) -> None:
        await life.open(RELOCATION)
        rig.prices.marks[THERE] = 90.0
        await life.look()
        assert life.held() == {}

    async def second(life: Life) -> None:
        now_ms = life.clock.now_ms()
        stopped, begun = life.desk.stops.decide(now_ms, {}, {})
        assert stopped == {"BTC": "stopped earlier: no new hedge within the horizon of a stop"}
        assert begun == []
        assert life.desk.stops.decide(now_ms + 24 * HOUR_MS, {}, {}) == ({}, [])

    rig.life(first)
    rig.life(second)


def test_what_a_hedge_has_lost_survives_a_restart(rig: Rig) -> None:
    """If this fails, every restart allows a hedge to lose its allowance once more."""

    async def first(life: Life) -> None:
        await life.open(RELOCATION)
        rig.prices.marks[THERE] = 98.9  # 4.40 lost, and two fees
        await life.look(13)

    async def second(life: Life) -> None:
        rig.prices.marks[THERE] = 98.7  # 0.80 more while it was down
        await life.look()
        assert life.held() == {}

    rig.life(first)
    rig.life(second)


def test_a_leg_that_is_liquidated_takes_its_cut_along(rig: Rig) -> None:
    """If this fails, what others take of a hedge is worth nothing, its other half stays, and it is opened anew."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        await life.look()
        rig.venues["binance"].now_ms = life.clock.now_ms()
        rig.venues["binance"].trade("BTC", -4, price="98.7")  # 5.20 below Injective, and back at once
        await life.look(12)
        assert life.held() == {}
        assert life.stopped() == [INJECTIVE]
        assert life.desk.stops.episodes["BTC"].stopped_until_ms > life.clock.now_ms()
        assert f"lost {5.2 + 3 * FEES:.2f} USD" in life.desk.stops.episodes["BTC"].why

    rig.life(script)


def test_a_leg_near_its_liquidation_is_unwound(rig: Rig) -> None:
    """If this fails, a leg is liquidated at the venue's price although it could still be closed at the market's."""

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)

        async def balance() -> Balance:  # 4 coins are short
            return Balance("binance", Decimal("430.6") - 4 * Decimal(rig.prices.marks[THERE]), Decimal(0))

        rig.venues["binance"].balance = balance  # type: ignore[method-assign]
        await life.look(12)  # the account is asked once a minute
        assert life.stopped() == []
        assert life.guard.distances[THERE] == pytest.approx((30.6 - 10) / 410)
        rig.prices.marks |= {HERE: 100.1, THERE: 100.1}  # 0.40 less, and a little more to maintain
        await life.look(2)
        assert life.held() == {}
        assert "binance would liquidate the leg after a move of 4." in life.desk.stops.episodes["BTC"].why

    rig.life(script)


def test_the_leg_stop_is_off_until_it_is_asked_for(tmp_path: Path) -> None:
    """If this fails, `risk.leg_stop` does nothing, or hedges are stopped by what only one half of them loses."""
    for leg_stop in (False, True):
        rig = Rig(tmp_path / f"{leg_stop}.sqlite", leg_stop=leg_stop)

        async def script(life: Life, rig: Rig = rig, leg_stop: bool = leg_stop) -> None:
            await life.open(OPPOSITE)
            rig.prices.marks |= {HERE: 101.3, THERE: 101.3}  # the short loses 5.20, the position gains it
            await life.look()
            assert bool(life.held()) is not leg_stop

        rig.life(script)


def test_venues_are_asked_for_the_account_once_a_minute(rig: Rig) -> None:
    """If this fails, the fast loop uses up the rate limits that orders need."""

    async def script(life: Life) -> None:
        await life.look(24)
        asked = len(rig.venues["binance"].asked_since)
        assert asked == 0, "nothing is held, nothing is asked"
        await life.open(OPPOSITE)
        asked = len(rig.venues["binance"].asked_since)
        await life.look(36)
        assert len(rig.venues["binance"].asked_since) - asked == 3

    rig.life(script)


def test_pause_is_obeyed_and_reduce_only_lets_a_stop_reduce(rig: Rig) -> None:
    """If this fails, the kill switch stops a stop that takes off risk, or does not stop one at all."""

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        life.desk.kill = KillLevel.PAUSE
        rig.prices.marks[THERE] = 110.0
        await life.look(2)
        assert life.stopped() == []
        life.desk.kill = KillLevel.REDUCE_ONLY
        await life.look(12)
        assert life.held() == {}

    rig.life(script)


def test_what_is_less_than_any_order_is_as_flat_as_it_gets(rig: Rig) -> None:
    """If this fails, dust keeps a coin from being hedged for ever after a stop."""

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        rig.venues["binance"].now_ms = life.clock.now_ms()
        rig.venues["binance"].trade("BTC", "3.96")  # by hand; what is left is worth 4 USD, the least order 5
        rig.prices.marks[THERE] = 102.0
        await life.look(13)
        assert life.held() == {THERE: Decimal("-0.04")}
        assert not life.desk.stops.episodes["BTC"].unwinding
        assert life.desk.stops.decide(life.clock.now_ms() + 25 * HOUR_MS, life.held(), {}) == ({}, [])

    rig.life(script)


def test_what_happens_between_cycles_is_in_the_next_report(rig: Rig) -> None:
    """If this fails, fills and funding between two cycles are missing from the metrics."""

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        rig.prices.marks[THERE] = 110.0
        await life.look()
        (between,) = life.desk.between
        assert [fill.purpose for state in between.seen for fill in state.fills] == [Purpose.STOP]
        assert [one.intent.key for one in between.review.approved] == [THERE]

    rig.life(script)


async def diverging(life: Life, **episode: Any) -> None:
    """Open a divergence trade as a cycle would: 4 coins long at one exchange and short at another, at 100."""
    await life.open(DIVERGENCE)
    marks = {"binance": 100.0, "bybit": 100.0}
    trade = DivergenceEpisode(**({"opened_ms": 1, "floor_usd": 5.0, "marks": marks} | episode))
    life.strategies.memory = StrategyMemory({"BTC": trade})


def closings(life: Life) -> list[str]:
    return [one.intent.key.venue for one in life.sent() if one.intent.purpose is Purpose.DIVERGENCE_CLOSE]


@pytest.mark.parametrize(
    ("episode", "allowed"),
    [
        ({}, 5.0),  # the floor
        ({"expected_usd": 20.0, "all_costs_usd": 10.0}, 12.0),  # break-even plus 20 %
        ({"expected_usd": 20.0, "received_usd": 30.0, "costs_usd": 12.0}, 21.6),  # ... of what really came
    ],
)
def test_a_divergence_trade_is_closed_at_its_stop(
    rig: Rig, episode: dict[str, float], allowed: float
) -> None:
    """If this fails, a trade that protects nothing loses for up to fifteen minutes more than requirement E7 allows."""

    async def script(life: Life) -> None:
        await diverging(life, **episode)
        rig.prices.marks |= {HERE: 150.0, THERE: 150.0 - (allowed - 0.1) / 4, OTHER: 150.0}
        await life.look()
        assert closings(life) == [], "price moves alike on both sides cancel, and the rest is allowed"
        rig.prices.marks[THERE] = 150.0 - (allowed + 0.1) / 4
        await life.look()
        assert sorted(closings(life)) == ["binance", "bybit"]
        assert life.held() == {}
        (decision,) = await life.desk.journal(JournalStore.decisions)
        assert (decision["action"], decision["strategy"], decision["rule"]) == ("stop", "divergence", "stop")
        assert decision["reason"].startswith(f"stop: price took {allowed + 0.1:.2f} USD, more than the")
        assert decision["current"] == "{}"
        cooldown_h = life.desk.config.strategies.divergence.cooldown_h
        waits_ms = life.guard.last_ms + cooldown_h * HOUR_MS
        assert life.strategies.memory.divergence["BTC"].waits_until_ms == waits_ms
        kept = StrategyMemory.from_json(await life.desk.journal(JournalStore.load_state, STATE))
        assert kept == life.strategies.memory, "a restart must not open it again at once"
        await life.look(3)
        assert len(closings(life)) == 2

    rig.life(script)


@pytest.mark.parametrize("what", ["doubted", "old"])
def test_a_divergence_trade_is_not_stopped_by_a_price_that_is_not_believed(rig: Rig, what: str) -> None:
    """If this fails, a wrong unit or a price of ten minutes ago closes a trade that has lost nothing."""

    async def script(life: Life) -> None:
        await diverging(life)
        rig.prices.marks[THERE] = 50.0
        if what == "doubted":
            rig.prices.doubted[THERE] = 100.0
        else:
            rig.prices.ages_ms[THERE] = 10 * MINUTE_MS
        await life.look(3)
        assert closings(life) == []

    rig.life(script)


def test_what_the_trade_was_paid_since_the_cycle_counts(rig: Rig) -> None:
    """If this fails, funding that came between two cycles does not widen the stop that it pays for."""

    async def script(life: Life) -> None:
        await diverging(life, expected_usd=6.0)
        rig.prices.marks[THERE] = 100.0 - 8.0 / 4
        due = settlement(OTHER, life.clock.now_ms() + SECOND_MS)
        rig.venues["bybit"].paid.append(replace(funding_payment(Decimal(-4), due), payment_usd=Decimal(8)))
        await life.look(3)
        assert closings(life) == []
        assert life.strategies.memory.divergence["BTC"].received_usd == 0.0, "the cycle books it"

    rig.life(script)


def test_a_leg_that_cannot_be_closed_is_tried_again_ever_more_slowly(rig: Rig) -> None:
    """If this fails, half a trade stands naked till the next cycle, or an exchange that is down gets no rest."""

    async def script(life: Life) -> None:
        await diverging(life)
        rig.prices.marks[THERE] = 90.0
        bybit = rig.venues["bybit"]
        bybit.place_errors = [Rejected("maintenance")] * 50
        await life.look()
        assert life.held() == {OTHER: -4}
        assert life.desk.kill is KillLevel.REDUCE_ONLY, "alone for a minute, whatever the desk tried"
        tried = len(closings(life))
        assert tried <= 15
        await life.look(12)
        assert 3 <= len(closings(life)) - tried <= 5, "5, 10, 20, 40 seconds apart"
        bybit.place_errors.clear()
        await life.look(36)
        assert life.held() == {}
        decisions = await life.desk.journal(JournalStore.decisions)
        assert len(decisions) == 1, "a stop is told once"

    rig.life(script)


def test_a_stop_that_a_crash_cut_off_goes_on_in_the_next_life(rig: Rig) -> None:
    """If this fails, a daemon that dies between two legs leaves a naked one, and opens the trade again."""

    async def script(life: Life) -> None:
        await diverging(life)
        rig.prices.marks[THERE] = 90.0
        rig.venues["bybit"].place_errors = [Rejected("maintenance")] * 50
        await life.look()
        assert life.held() == {OTHER: -4}

    async def after(life: Life) -> None:
        rig.venues["bybit"].place_errors.clear()
        await life.look()
        assert life.held() == {}

    rig.life(script)
    rig.life(after)


def test_hedge_and_divergence_stop_by_their_own_rules(rig: Rig) -> None:
    """If this fails, a divergence trade that is at its stop takes the funding hedge of the coin with it."""

    async def script(life: Life) -> None:
        await diverging(life)
        rig.prices.marks[THERE] = 90.0
        await life.look()
        assert life.stopped() == []
        assert "BTC" not in life.desk.stops.unwinding(life.desk.stops.part(life.desk.accounts))

    rig.life(script)


def test_a_clock_that_is_set_back_blinds_no_stop(rig: Rig) -> None:
    """If this fails, a clock that ran ahead and is set right leaves hedges without a stop until it is there again."""

    async def script(life: Life) -> None:
        await life.open(RELOCATION)
        await life.look()
        ahead_ms = life.guard.last_ms + 20 * MINUTE_MS
        assert await life.guard.look(ahead_ms)
        rig.prices.marks |= {HERE: 130.0, THERE: 128.0}
        assert await life.guard.look(life.clock.now_ms() + 1)
        assert life.held() == {}

    rig.life(script)


def test_a_divergence_leg_near_its_liquidation_takes_its_trade_along(rig: Rig) -> None:
    """If this fails, a leg of a trade is liquidated, and the other one stands alone, although both could be closed."""

    async def script(life: Life) -> None:
        await diverging(life, expected_usd=1_000.0)

        async def balance() -> Balance:  # 4 coins are short there
            return Balance("bybit", Decimal("430.6") - 4 * Decimal(rig.prices.marks[OTHER]), Decimal(0))

        rig.venues["bybit"].balance = balance  # type: ignore[method-assign]
        await life.look(12)
        assert closings(life) == []
        rig.prices.marks |= dict.fromkeys((HERE, THERE, OTHER), 100.1)
        await life.look(2)
        assert life.held() == {}
        assert sorted(closings(life)) == ["binance", "bybit"]
        (decision,) = await life.desk.journal(JournalStore.decisions)
        assert decision["strategy"] == "divergence"
        assert "bybit would liquidate the leg after a move of 4." in decision["reason"]

    rig.life(script)


async def flatten_one_side(life: Life) -> None:
    """Close one leg of a divergence trade as `flatten` does where the other exchange cannot be traded on."""
    async with life.desk.busy:
        now_ms = life.clock.now_ms()
        account = await life.desk.accounts.refresh(now_ms)
        desired = [DesiredPosition(THERE, Decimal(0), Purpose.DIVERGENCE_CLOSE, "flatten")]
        facts = life.desk.gate_facts.reductions(
            now_ms, account, life.prices.fresh_marks(now_ms, 0), life.desk.markets, life.desk.executor,
            KillLevel.FLATTEN,
        )  # fmt: skip
        await life.desk.trade(now_ms, desired, account, facts, life.desk.hashes)
    life.desk.kill = KillLevel.FLATTEN


def test_a_leg_that_a_flatten_left_alone_halts_once_the_latch_is_cleared(rig: Rig) -> None:
    """If this fails, an exchange without prices leaves a naked leg for hours after `resume`, and trading goes on."""

    async def script(life: Life) -> None:
        await diverging(life)
        await flatten_one_side(life)
        del rig.prices.marks[OTHER]
        await life.look(30)
        assert await life.desk.journal(JournalStore.decisions) == [], "the latch's own hand closes it"
        life.desk.kill = KillLevel.NONE
        await life.look(11)
        assert life.desk.kill is KillLevel.NONE, "its minute begins with the resumption"
        await life.look(3)
        assert life.held() == {OTHER: -4}
        assert life.desk.kill is KillLevel.REDUCE_ONLY
        latch = await life.desk.journal(JournalStore.latch)
        assert latch.reason == "a leg of 4 BTC on bybit stands alone, and was not closed within 60 s"
        life.desk.kill = await cleared(life)
        await life.look(14)
        assert life.desk.kill is KillLevel.REDUCE_ONLY, "what it found is still so"
        rig.prices.marks[OTHER] = 100.0
        await life.look(14)
        assert life.held() == {}

    rig.life(script)


async def cleared(life: Life) -> KillLevel:
    """Clear the latch as `resume` does."""
    await life.desk.journal(JournalStore.set_kill, life.clock.now_ms(), 0, "resumed", "test", "test")
    return KillLevel.NONE


@pytest.mark.parametrize("other_venue", ["known", "unknown"])
def test_a_leg_that_stands_alone_is_closed_at_the_next_look(rig: Rig, other_venue: str) -> None:
    """If this fails, a leg that could be closed carries its price risk until the next cycle, or for nothing halts."""

    async def script(life: Life) -> None:
        await diverging(life)
        await flatten_one_side(life)
        life.desk.kill = KillLevel.NONE
        if other_venue == "unknown":
            rig.venues["binance"].broken["positions"] = Retryable("down")
        await life.look()
        assert life.held() == {}
        assert life.desk.kill is KillLevel.NONE
        (decision,) = await life.desk.journal(JournalStore.decisions)
        assert decision["reason"] == "one leg stands alone: it is closed"
        assert life.strategies.memory.divergence["BTC"].waits_until_ms > life.guard.last_ms

    rig.life(script)


@pytest.mark.parametrize("why", ["unresolved", "awaited"])
def test_a_leg_whose_other_one_is_not_known_is_not_alone(rig: Rig, why: str) -> None:
    """If this fails, a pair is torn apart while an exchange has only not said yet what the second leg filled."""

    async def script(life: Life) -> None:
        binance = rig.venues["binance"]
        await diverging(life)
        if why == "unresolved":
            binance.place_errors, binance.accepts_then_fails = [OutcomeUnknown("down")], True
            binance.broken["lookup"] = Retryable("down")
        await flatten_one_side(life)
        life.desk.kill = KillLevel.NONE
        if why == "awaited":
            life.desk.accounts.expect("late", "binance", Decimal(4))
        await life.look(20)
        assert life.held() == {OTHER: -4}
        assert life.desk.kill is KillLevel.NONE

    rig.life(script)


def test_dust_of_a_trade_halts_nothing(rig: Rig) -> None:
    """If this fails, a remainder that no order can close latches the daemon, again after every resumption."""

    async def script(life: Life) -> None:
        await diverging(life)
        await flatten_one_side(life)
        life.desk.markets[OTHER] = replace(life.desk.markets[OTHER], min_notional_usd=Decimal(500))  # type: ignore[index]
        life.desk.kill = KillLevel.NONE
        del rig.prices.marks[OTHER]
        await life.look(20)
        assert life.desk.kill is KillLevel.NONE

    rig.life(script)
