"""Markets that change while the daemon runs: delistings and funding intervals, as each exchange tells them."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from cex_rig import VENUES, Rig, StillClock, rig

from hedged.collectors.outside.status import binance_instruments, bybit_instruments, okx_instruments
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.market import SeriesKey
from hedged.domain.venue_events import Lead, VenueEvents

Script = Callable[[Rig], Coroutine[Any, Any, None]]
LEAD = Lead(maintenance_ms=30 * MINUTE_MS, delisting_ms=72 * HOUR_MS)
INSTRUMENTS = {
    "binance": "https://fapi.binance.com/fapi/v1/exchangeInfo",
    "bybit": "https://api.bybit.com/v5/market/instruments-info?category=linear&symbol=BTCUSDT",
    "okx": "https://www.okx.com/api/v5/public/instruments?instType=SWAP&instId=BTC-USDT-SWAP",
}
REDUCING = {"binance": "-4140", "bybit": "110023"}
OVER = {"binance": "-4141", "bybit": "110074", "okx": "51001"}


def on(venue: str, script: Script, **options: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), rig(venue, **{"symbols": ("BTC", "ETH"), **options}) as rigged:
            await script(rigged)

    asyncio.run(main())


def pass_by(rigged: Rig, minutes: float) -> None:
    assert isinstance(rigged.clock, StillClock)
    rigged.clock.skip(minutes * 60)


@pytest.mark.parametrize("venue", VENUES)
def test_a_market_that_is_going_to_be_delisted_is_reduced_and_not_opened(venue: str) -> None:
    """If this fails, the daemon opens where it could not get out, or cannot get out while it still may."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("-0.5"))
        rigged.engine.delist("BTC", rigged.clock.now_ms() + 20 * MINUTE_MS)
        if venue in REDUCING:
            with pytest.raises(Rejected, match=REDUCING[venue]):
                await rigged.trading.place(rigged.order("-0.5"))
        else:  # OKX trades until the end: what it says of the instrument is what closes it
            assert (await rigged.trading.place(rigged.order("-0.1"))).filled == Decimal("0.1")
            await rigged.trading.place(rigged.order("0.1", reduce_only=True))
        assert (await rigged.trading.place(rigged.order("0.2", reduce_only=True))).filled == Decimal("0.2")
        assert (await rigged.trading.positions())["BTC"].quantity == Decimal("-0.3")
        assert (await rigged.trading.place(rigged.order("-1", coin="ETH"))).filled == 1

    on(venue, script)


@pytest.mark.parametrize("relisted", [False, True])
@pytest.mark.parametrize("venue", VENUES)
def test_a_delisted_market_settles_what_is_held_and_takes_no_order(venue: str, relisted: bool) -> None:
    """If this fails, a hedge that the exchange settled is still counted on, or one bad market ends all others."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("-0.5"))
        rigged.engine.delist("BTC", rigged.clock.now_ms() + 10 * MINUTE_MS)
        pass_by(rigged, 11)
        if relisted:  # the adapter has read the markets anew, and BTC is not among them
            pass_by(rigged, 61)
            await rigged.data.snapshot()
            assert rigged.data.symbols == ("ETH",)
            with pytest.raises(Rejected, match="no such market"):
                await rigged.trading.place(rigged.order("-0.1"))
        else:
            with pytest.raises(Rejected, match=OVER[venue]):
                await rigged.trading.place(rigged.order("-0.1", reduce_only=True))
        assert await rigged.trading.positions() == {}
        ours, settled = await rigged.trading.executions(0)
        assert ours.client_id is not None
        assert (settled.client_id, settled.signed_quantity) == (None, Decimal("0.5"))
        assert (await rigged.trading.place(rigged.order("-1", coin="ETH"))).filled == 1

    on(venue, script)


@pytest.mark.parametrize("venue", VENUES)
def test_the_instruments_tell_of_a_delisting_in_time(venue: str) -> None:
    """If this fails, the daemon learns of a delisting from an order that is refused."""

    async def script(rigged: Rig) -> None:
        async def veto() -> str | None:
            async with rigged.session.get(INSTRUMENTS[venue]) as answer:
                body, now_ms = await answer.json(), rigged.clock.now_ms()
            events = {
                "binance": lambda: binance_instruments(body, {"BTC"}, now_ms),
                "bybit": lambda: bybit_instruments(body, "BTC", now_ms),
                "okx": lambda: okx_instruments(body, "BTC", now_ms),
            }[venue]()
            return VenueEvents(tuple(events)).veto(SeriesKey(venue, "BTC"), now_ms, LEAD)

        assert await veto() is None
        at_ms = rigged.clock.now_ms() + 2 * DAY_MS
        rigged.engine.delist("BTC", at_ms)
        assert str(await veto()).startswith(f"BTC on {venue} is delisted 2025-10-11")

    on(venue, script)


@pytest.mark.parametrize("venue", VENUES)
def test_an_interval_that_changes_while_it_runs_is_followed(venue: str) -> None:
    """If this fails, the rate of one hour is taken for that of eight just when funding is at its dearest."""

    async def script(rigged: Rig) -> None:
        path, estimates = rigged.engine.paths["BTC"], []
        await rigged.data.observe(rigged.clock.now_ms())
        for hours in (4, 1):
            from_ms = path.change_interval(rigged.clock.now_ms(), hours)
            pass_by(rigged, (from_ms - rigged.clock.now_ms()) / MINUTE_MS + 1)
            (seen, _) = await rigged.data.observe(rigged.clock.now_ms())
            now_ms = rigged.clock.now_ms()
            assert seen.values[Field.INTERVAL_H] == hours
            assert seen.values[Field.SETTLES_IN_S] == (path.next_settlement_ms(now_ms) - now_ms) / SECOND_MS
            true = float(path.estimate(now_ms)) / hours
            estimates.append((seen.values[Field.FUNDING_ESTIMATE], pytest.approx(true, rel=1e-6)))
        assert all(seen == true for seen, true in estimates), estimates
        pass_by(rigged, 60 * 3)
        await rigged.data.observe(rigged.clock.now_ms())
        told = await rigged.data.settlements(0, rigged.clock.now_ms())
        btc = [int(one.rate.interval_h) for one in told if one.key.symbol == "BTC"]
        assert btc[-5:] == [8, 4, 1, 1, 1]
        true_prints = path.prints(told[0].ts_ms - 1, rigged.clock.now_ms())
        assert [one.interval_h for one in true_prints][-5:] == btc[-5:]

    on(venue, script)


@pytest.mark.parametrize("venue", VENUES)
def test_fills_in_a_strange_order_are_told_by_their_time(venue: str) -> None:
    """If this fails, the ledger closes before it opens, and the average price is another one."""

    async def script(rigged: Rig) -> None:
        for signed in ("0.5", "-0.2", "0.4"):
            await rigged.trading.place(rigged.order(signed))
            pass_by(rigged, 1)
        straight = await rigged.trading.executions(0)
        rigged.faults.reordered = rigged.faults.twice = True
        assert await rigged.trading.executions(0) == straight
        assert [one.signed_quantity for one in straight] == [Decimal("0.5"), Decimal("-0.2"), Decimal("0.4")]

    on(venue, script)


@pytest.mark.parametrize("venue", VENUES)
def test_half_open_connections_are_given_up_one_by_one_and_new_ones_work(venue: str) -> None:
    """If this fails, connections that died without a word are used for ever, and the account stays unknown."""

    async def script(rigged: Rig) -> None:
        await rigged.trading.place(rigged.order("0.5"))
        rigged.faults.half_open()
        rigged.trading.reader.timeout = 300
        with pytest.raises(Retryable, match="RequestTimeout"):
            await rigged.trading.positions()
        for _ in range(8):  # each dead connection of the pool costs one deadline
            try:
                held = await rigged.trading.positions()
                break
            except Retryable:
                rigged.trading.reader.timeout = 300
        assert held["BTC"].quantity == Decimal("0.5")
        assert len(rigged.engine.account.orders) == 1

    on(venue, script)
