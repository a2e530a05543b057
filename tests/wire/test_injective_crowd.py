"""What the crowd trades on the sandbox reaches the daemon: as prices of the past, and as the volume of live bars."""

import asyncio
from decimal import Decimal

import numpy as np
import pytest
from injective_history import BLOCKS, START_MS, STEP_MS, HandClock, block, observer
from injective_reading import COSTS, settings

from hedged.adapters.injective import queries
from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.domain.bars import BAR_MS, Field
from hedged.domain.clock import DAY_MS, MINUTE_MS
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

MOVING = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=None)


@pytest.mark.parametrize("span_ms", [DAY_MS, 3 * STEP_MS])
def test_prices_before_the_start_are_those_at_which_the_crowd_traded(
    span_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, volatility is measured on prices at which nobody traded, or on none."""
    monkeypatch.setattr(queries, "SPAN_MS", span_ms)

    async def main() -> None:
        clock = HandClock(START_MS)
        async with InjectiveSandbox(MOVING, clock) as sandbox:
            for _ in range(BLOCKS):
                clock.ms += STEP_MS
                await sandbox.chain.next_block()
            network = InjectiveNetwork.from_config(settings(sandbox, deadline_s=5.0))
            try:
                data = InjectiveData(network, clock, COSTS, history_days=7, lag_ms=DAY_MS)
                clock.ms += 1
                times = [START_MS + n * STEP_MS for n in range(1, BLOCKS)]
                past = await data.history(times)
            finally:
                await network.close()
            trades = sandbox.chain.state.history.trades
            compared = 0
            for at_ms, bar in zip(times, past, strict=True):
                for seen in bar:
                    before = [t for t in trades if t.symbol == seen.key.symbol and t.ts_ms <= at_ms]
                    if not before:
                        assert np.isnan(seen.values[Field.MARK])
                        continue
                    newest = max(t.ts_ms for t in before)
                    assert seen.known_at_ms[Field.MARK] == newest
                    assert seen.values[Field.MARK] in {float(t.price) for t in before if t.ts_ms == newest}
                    compared += 1
            assert compared > BLOCKS

    asyncio.run(main())


def test_the_volume_of_a_live_bar_is_what_the_crowd_traded_in_it() -> None:
    """If this fails, live volume counts both sides of a trade, misses trades, or stays unknown for ever."""

    async def main() -> None:
        clock = HandClock(START_MS)
        async with InjectiveSandbox(MOVING, clock) as sandbox, observer(sandbox, clock) as (data, feed):
            for _ in range(2 * BAR_MS // MINUTE_MS + 1):
                clock.ms += MINUTE_MS
                await block(sandbox, feed)
            await data.snapshot()
            trades = sandbox.chain.state.history.trades
            for seen in await data.observe(clock.ms):
                bought = (
                    t.quantity
                    for t in trades
                    if t.symbol == seen.key.symbol and t.is_buy and clock.ms - BAR_MS < t.ts_ms <= clock.ms
                )
                traded = sum(bought, Decimal(0))
                assert seen.values[Field.VOLUME] == pytest.approx(float(traded))
            assert any(t.by_house for t in trades)
            early = await data.observe(START_MS + BAR_MS // 2)
            assert all(np.isnan(seen.values[Field.VOLUME]) for seen in early)

    asyncio.run(main())
