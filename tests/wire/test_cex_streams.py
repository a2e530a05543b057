"""The exchanges' streams over real websockets and TLS: what they tell reaches the board."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from streams import CONTRACT, NATIVE, VENUES, quote, rig, until

from hedged.domain.bars import Field


@pytest.mark.parametrize("venue", VENUES)
def test_every_venue_tells_its_market_in_the_same_units(venue: str) -> None:
    """If this fails, one venue's rate is not per hour, its open interest not in coins, or its top not its book's."""

    async def main() -> None:
        async with rig(venue) as one:
            await until(lambda: one.live() and one.told() and "BTC" in one.tops)
            await until(lambda: one.value(Field.FUNDING_ESTIMATE) == pytest.approx(0.0001))
            assert one.value(Field.MARK) == 100.0
            assert one.value(Field.INTERVAL_H) == 8.0
            assert 0 < one.value(Field.SETTLES_IN_S) <= 8 * 3_600
            if venue != "binance":  # REST alone tells it there
                await until(lambda: one.value(Field.OPEN_INTEREST) == 5_000.0)
            if venue == "okx":
                await until(lambda: one.value(Field.PREMIUM) == 0.001)
            else:
                assert one.value(Field.INDEX) == 99.9
            top = one.tops["BTC"]
            assert (top.bid, top.ask) == (99.9, 100.1)
            assert (top.bid_quantity, top.ask_quantity) == pytest.approx((3.0, 4.0))
            assert one.tally.garbage == one.tally.refused == 0

    asyncio.run(main())


@pytest.mark.parametrize("venue", VENUES)
def test_news_replace_what_was_told(venue: str) -> None:
    """If this fails, the board keeps the first value that it ever got."""

    async def main() -> None:
        async with rig(venue) as one:
            await until(lambda: one.value(Field.MARK) == 100.0)
            one.quotes["BTC"] = quote(mark=Decimal(105), rate=Decimal("-0.0016"))
            await until(lambda: one.value(Field.MARK) == 105.0)
            await until(lambda: one.value(Field.FUNDING_ESTIMATE) == pytest.approx(-0.0002))

    asyncio.run(main())


def test_many_markets_of_binance_come_in_one_stream() -> None:
    """If this fails, a long list of markets is cut off, or their events are told of each other."""

    async def main() -> None:
        coins = [f"C{n}" for n in range(30)]
        quotes = {coin: quote(mark=Decimal(100 + n)) for n, coin in enumerate(coins)}
        quotes["ELSE"] = quote()  # the venue lists more than we follow
        async with rig("binance", coins, quotes) as one:
            await until(lambda: all(one.value(Field.MARK, f"C{n}") == 100 + n for n in range(30)))
            await until(lambda: set(one.tops) == set(coins))
            assert len(one.feed.streams) == 2

    asyncio.run(main())


def test_an_unknown_market_of_bybit_or_okx_costs_only_itself() -> None:
    """If this fails, one delisted market silences the others, which are subscribed in the same frame."""

    async def main() -> None:
        for venue in ("bybit", "okx"):
            coins = ("BTC", "GONE", "ETH", "INJ")
            async with rig(venue, coins, {coin: quote() for coin in coins if coin != "GONE"}) as one:
                await until(lambda: all(one.told(coin) for coin in ("BTC", "ETH", "INJ")))
                await until(lambda: one.tally.refused > 0)
                assert not one.told("GONE")
                assert one.polled > 0  # REST is asked for what no stream tells

    asyncio.run(main())


def test_bybit_and_okx_are_pinged_in_their_own_words() -> None:
    """If this fails, both close the connection after half a minute: they do not count the protocol's own pings."""

    async def main() -> None:
        async with rig("bybit") as one:
            await until(lambda: '{"op":"ping"}' in one.server.heard["bybit"])
        async with rig("okx") as one:
            await until(lambda: "ping" in one.server.heard["okx"])
            assert one.tally.garbage == 0

    asyncio.run(main())


def test_after_a_reconnection_a_snapshot_replaces_everything() -> None:
    """If this fails, a delta after a break is merged into the world before it."""

    async def main() -> None:
        async with rig("bybit") as one:
            await until(one.told)
            one.server.drop("bybit")
            one.quotes["BTC"] = quote(mark=Decimal(42), open_interest=Decimal(7))
            await until(lambda: one.value(Field.MARK) == 42.0 and one.value(Field.OPEN_INTEREST) == 7.0)
            frames = [json.loads(frame) for frame in one.server.heard["bybit"]]
            subscribed = [frame["args"] for frame in frames if frame["op"] == "subscribe"]
            assert subscribed == [["tickers.BTCUSDT"]] * one.tally.connections

    asyncio.run(main())


def test_a_lost_snapshot_is_asked_for_again() -> None:
    """If this fails, a market whose snapshot got lost is half known until the next reconnection."""

    async def main() -> None:
        def no_snapshot(one) -> None:
            one.faults.no_snapshot = True

        async with rig("bybit", prepare=no_snapshot) as one:
            await until(lambda: any('"unsubscribe"' in frame for frame in one.server.heard["bybit"]))
            await until(lambda: one.value(Field.MARK) == 100.0)
            await asyncio.sleep(0.2)
            begged = sum('"unsubscribe"' in frame for frame in one.server.heard["bybit"])
            assert begged == one.tally.connections

    asyncio.run(main())


def test_the_interval_of_okx_comes_with_the_rate() -> None:
    """If this fails, OKX's rate is divided by what somebody assumed."""

    async def main() -> None:
        four = replace(quote(), interval_h=4)
        async with rig("okx", quotes={"BTC": four}, hours=lambda _: None) as one:
            await until(lambda: one.value(Field.FUNDING_ESTIMATE) == pytest.approx(0.0002))
            assert one.value(Field.INTERVAL_H) == 4.0
            assert NATIVE["okx"].format("BTC") in one.server.heard["okx"][0]
            assert float(CONTRACT) == 0.01

    asyncio.run(main())
