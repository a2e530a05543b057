"""Half a day of Injective lived through on a clock that is moved by hand: no hour is waited for, none is shortened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
from injective_reading import COSTS, QUICK, settings, until

from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.stream import Feed
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

START_MS = 490_000 * HOUR_MS
BLOCKS = 25
STEP_MS = HOUR_MS // 2


class HandClock:
    """A clock that stands still until it is moved."""

    slice_s = 0.01

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms


@asynccontextmanager
async def half_a_day() -> AsyncIterator[tuple[InjectiveData, int]]:
    """Yield the adapter's data after twelve hours with a block every half an hour, and the instant it then is."""
    clock = HandClock(START_MS)
    config = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=None)
    async with InjectiveSandbox(config, clock) as sandbox:
        network = InjectiveNetwork.from_config(settings(sandbox, deadline_s=5.0))
        data = InjectiveData(network, clock, COSTS, history_days=7, lag_ms=DAY_MS)
        await data.snapshot()
        feed = Feed(
            data, clock, np.random.default_rng(7), replace(QUICK, poll_s=60, details_s=60, silent_s=60)
        )
        task = asyncio.create_task(feed.run())
        await until(lambda: sandbox.streams.open_streams == 1)
        for _ in range(BLOCKS):
            clock.ms += STEP_MS
            await sandbox.chain.next_block()
            height = sandbox.chain.height
            await until(lambda at=height: feed.height == at)
            await data.snapshot()
        task.cancel()
        await asyncio.wait([task])
        try:
            yield data, clock.ms
        finally:
            await network.close()


@asynccontextmanager
async def observer(sandbox: InjectiveSandbox, clock: HandClock) -> AsyncIterator[tuple[InjectiveData, Feed]]:
    """Data of a sandbox whose feed runs, with polls that come only when a test asks."""
    network = InjectiveNetwork.from_config(settings(sandbox, deadline_s=5.0))
    data = InjectiveData(network, clock, COSTS, history_days=7, lag_ms=DAY_MS)
    slow = replace(QUICK, poll_s=60, details_s=60, silent_s=60)
    feed = Feed(data, clock, np.random.default_rng(7), slow)
    await data.snapshot()
    task = asyncio.create_task(feed.run())
    try:
        await until(lambda: sandbox.streams.open_streams == 1)
        yield data, feed
    finally:
        task.cancel()
        await asyncio.wait([task])
        await network.close()


async def block(sandbox: InjectiveSandbox, feed: Feed) -> None:
    await sandbox.chain.next_block()
    height = sandbox.chain.height
    await until(lambda: feed.height == height)
