"""The contract of the `MarketData` port: whoever tells the market tells no more than is known, and the same twice."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from benches import EXCHANGES, MARKET_DATA
from cex_rig import rig
from injective_history import half_a_day

from hedged.backtest.virtual_time import run_virtually
from hedged.domain.bars import BAR_MS, N_FIELDS, Field
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.ports import MarketData

ON_CHAIN = "injective on the sandbox"


@pytest.fixture(params=[*MARKET_DATA, ON_CHAIN, *EXCHANGES])
def told(
    request: pytest.FixtureRequest,
) -> Callable[[Callable[[MarketData, int], Coroutine[Any, Any, None]]], None]:
    """Run a script with a fresh source and its present instant."""
    if request.param == ON_CHAIN:
        return on_chain
    if request.param in EXCHANGES:
        return lambda script: on_exchange(EXCHANGES[request.param], script)
    world = MARKET_DATA[request.param]

    def run(script: Callable[[MarketData, int], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            await script(world.make(), world.now_ms)

        run_virtually(main)

    return run


def on_chain(script: Callable[[MarketData, int], Coroutine[Any, Any, None]]) -> None:
    """Run a script on what the adapter read of a sandbox, over real gRPC."""

    async def main() -> None:
        async with half_a_day() as (data, now_ms):
            await script(data, now_ms)

    asyncio.run(main())


def on_exchange(venue: str, script: Callable[[MarketData, int], Coroutine[Any, Any, None]]) -> None:
    """Run a script on what the adapter read of an exchange of the sandbox, over real TLS."""

    async def main() -> None:
        async with rig(venue, hourly=True) as on:
            await script(on.data, on.clock.now_ms())

    asyncio.run(main())


def test_nothing_is_told_before_it_is_known(told) -> None:
    """If this fails, a decision rests on a value from its own future."""

    async def script(data: MarketData, now_ms: int) -> None:
        for ago_ms in (0, 1, MINUTE_MS, BAR_MS, 5 * HOUR_MS - 1, 5 * HOUR_MS):
            for seen in await data.observe(now_ms - ago_ms):
                assert seen.ts_ms == now_ms - ago_ms
                assert seen.values.shape == seen.known_at_ms.shape == (N_FIELDS,)
                assert (seen.known_at_ms <= seen.ts_ms).all()
                unknown = np.isnan(seen.values)
                assert (seen.known_at_ms[unknown] == 0).all()
                assert (seen.known_at_ms[~unknown] > 0).all()

    told(script)


def test_every_market_is_observed_and_priced(told) -> None:
    """If this fails, a market can be traded that nothing is known of."""

    async def script(data: MarketData, now_ms: int) -> None:
        markets = await data.markets()
        seen = {o.key.symbol: o for o in await data.observe(now_ms)}
        assert set(seen) == set(markets) != set()
        for symbol, market in markets.items():
            assert market.key == (data.venue, symbol)
            values = seen[symbol].values
            assert values[Field.MARK] > 0
            assert abs(values[Field.FUNDING_SETTLED]) < 0.01
            assert 0 < values[Field.SETTLES_IN_S] <= values[Field.INTERVAL_H] * 3_600

    told(script)


def test_history_says_what_observe_said(told) -> None:
    """If this fails, the backfilled past differs from the past as it was lived: training and serving disagree."""

    async def script(data: MarketData, now_ms: int) -> None:
        times = [now_ms - n * BAR_MS for n in range(30, -1, -1)] + [now_ms + 1]
        for ts_ms, row in zip(times, await data.history(times), strict=True):
            for then, now in zip(row, await data.observe(ts_ms), strict=True):
                assert (then.key, then.ts_ms) == (now.key, now.ts_ms)
                np.testing.assert_array_equal(then.values, now.values)
                np.testing.assert_array_equal(then.known_at_ms, now.known_at_ms)

    told(script)


def test_a_window_of_settlements_is_open_below_and_closed_above(told) -> None:
    """If this fails, a settlement at the edge of two windows is paid twice or never."""

    async def script(data: MarketData, now_ms: int) -> None:
        everything = await data.settlements(now_ms - 10 * HOUR_MS, now_ms)
        times = [s.ts_ms for s in everything]
        assert times == sorted(times)
        assert len(set(times)) == 10
        for one in everything:
            assert one.key.venue == one.rate.venue == data.venue
            assert one.rate.interval_h > 0
            assert one.price > 0
        middle = times[len(times) // 2]
        at = [s for s in everything if s.ts_ms == middle]
        assert list(await data.settlements(middle - 1, middle)) == at
        assert list(await data.settlements(middle, middle)) == []
        assert at[0] not in await data.settlements(middle, now_ms)
        before, after = await data.settlements(0, middle), await data.settlements(middle, now_ms)
        assert [*before, *after] == list(await data.settlements(0, now_ms))

    told(script)


def test_a_settlement_is_what_was_observed(told) -> None:
    """If this fails, funding is paid at another rate than the one that forecasts and decisions saw."""

    async def script(data: MarketData, now_ms: int) -> None:
        for one in await data.settlements(now_ms - 3 * HOUR_MS, now_ms):
            (seen,) = [o for o in await data.observe(one.ts_ms) if o.key == one.key]
            assert seen.values[Field.FUNDING_SETTLED] == pytest.approx(float(one.rate.per_hour))
            assert seen.known_at_ms[Field.FUNDING_SETTLED] == one.ts_ms
            assert seen.values[Field.MARK] == pytest.approx(float(one.price))

    told(script)
