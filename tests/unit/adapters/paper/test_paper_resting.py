"""Orders that rest on paper: filled when the mark has gone through their price, as makers, wholly, or not at all."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from fakes import HASHES, approve, market

from hedged.adapters.paper import PaperVenue
from hedged.backtest.virtual_time import run_virtually
from hedged.domain.bars import Field, Observation, blank_observation
from hedged.domain.clock import LoopClock
from hedged.domain.errors import Rejected, Retryable, WouldTake
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Intent, OrderStatus, Purpose, Side

KEY = SeriesKey("binance", "BTC")
START_MS = 1_750_000_000_000


class Live:
    """Live data of one market; `mark` is set by the test."""

    venue = "binance"

    def __init__(self) -> None:
        self.mark = 100.0

    async def markets(self) -> dict[str, Any]:
        return {"BTC": market(KEY)}

    async def observe(self, now_ms: int) -> list[Observation]:
        seen = blank_observation(KEY, now_ms)
        seen.values[Field.MARK] = self.mark
        return [seen]

    async def settlements(self, since_ms: int, until_ms: int) -> list[Any]:
        return []


def order(signed: int, price: str, **changes: Any) -> Intent:
    side = Side.BUY if signed > 0 else Side.SELL
    reduce_only = changes.get("reduce_only", False)
    return Intent(
        START_MS + changes.get("n", 0), KEY, side, Decimal(abs(signed)), Decimal(price), Decimal(100),
        Purpose.HEDGE_OPEN, reduce_only, HASHES,
    )  # fmt: skip


def on_paper(
    script: Callable[[PaperVenue, Live, LoopClock], Coroutine[Any, Any, None]], *, rests: bool = True
) -> None:
    async def main() -> None:
        live, clock = Live(), LoopClock(START_MS)
        await script(PaperVenue(live, clock, Decimal(10_000), 200, rests=rests), live, clock)  # type: ignore[arg-type]

    run_virtually(main)


@pytest.mark.parametrize(
    ("signed", "price", "there", "through"), [(2, "99.9", 99.9, 99.89), (-2, "100.1", 100.1, 100.11)]
)
def test_it_fills_when_the_mark_has_gone_through(
    signed: int, price: str, there: float, through: float
) -> None:
    """If this fails, simulated makers are filled by a touch that a real queue would not have let through, or never."""

    async def script(venue: PaperVenue, live: Live, _: LoopClock) -> None:
        sent = approve(order(signed, price))
        state = await venue.rest(sent, 60)
        assert (state.status, state.remaining) == (OrderStatus.OPEN, 2)
        live.mark = there
        assert await venue.lookup(sent.client_id) == state
        assert list(await venue.open_orders()) == [state]
        live.mark = through
        (fill,) = await venue.executions(0)
        assert (fill.signed_quantity, fill.price) == (signed, Decimal(price)), "wholly, at its own price"
        assert fill.fee_usd == 2 * Decimal(price) * Decimal("0.0002"), "the maker's fee"
        assert (await venue.positions())["BTC"].quantity == signed
        done = await venue.lookup(sent.client_id)
        assert done is not None
        assert (done.status, done.filled) == (OrderStatus.FILLED, 2)
        await venue.cancel(sent.client_id)
        assert await venue.lookup(sent.client_id) == done
        assert len(await venue.executions(0)) == 1

    on_paper(script)


@pytest.mark.parametrize("how", ["cancelled", "expired", "nothing to reduce"])
def test_what_has_ended_fills_no_more(how: str) -> None:
    """If this fails, an order that the executor has given up fills later, and the same coins are taken twice."""

    async def script(venue: PaperVenue, live: Live, clock: LoopClock) -> None:
        reduces = how == "nothing to reduce"
        venue.seed("BTC", Decimal(-2), Decimal(100), START_MS)
        sent = approve(order(2, "99.9", reduce_only=reduces))
        await venue.rest(sent, 30)
        if how == "cancelled":
            await venue.cancel(sent.client_id)
        elif reduces:
            await venue.place(approve(order(2, "101", n=1, reduce_only=True)))
        else:
            await asyncio.sleep(31)
        live.mark = 99.0
        state = await venue.lookup(sent.client_id)
        assert state is not None
        assert (state.status, state.filled, state.remaining) == (OrderStatus.CANCELLED, 0, 0)
        assert len(await venue.executions(0)) == int(reduces)
        assert list(await venue.open_orders()) == []

    on_paper(script)


def test_it_never_takes_and_keeps_the_rules() -> None:
    """If this fails, post-only orders pay the taker's fee on paper, or rest where a venue would refuse them."""

    async def script(venue: PaperVenue, live: Live, _: LoopClock) -> None:
        assert await venue.touch("BTC") == (Decimal("99.9"), Decimal("100.1"))
        with pytest.raises(WouldTake):
            await venue.rest(approve(order(2, "100.1")), 60)
        for bad in (order(2, "99.95"), order(2, "99.9", reduce_only=True)):
            with pytest.raises(Rejected):
                await venue.rest(approve(bad), 60)
        await venue.rest(approve(order(2, "99.9", n=1)), 60)
        with pytest.raises(Rejected, match="used before"):
            await venue.rest(approve(order(2, "99.9", n=1)), 60)
        live.mark = float("nan")
        with pytest.raises(Retryable):
            await venue.touch("BTC")

    on_paper(script)


def test_nothing_rests_where_no_price_is_told_between_bars() -> None:
    """If this fails, a backtest rests on bars: whether an order filled within one is made up."""

    async def script(venue: PaperVenue, _: Live, clock: LoopClock) -> None:
        with pytest.raises(Retryable, match="between two bars"):
            await venue.touch("BTC")
        with pytest.raises(Rejected):
            await venue.rest(approve(order(2, "99.9")), 60)

    on_paper(script, rests=False)
