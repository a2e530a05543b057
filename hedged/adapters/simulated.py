"""Venues played by the market simulator in real time: one history per seed, the same after every restart."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

import polars as pl

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.venue import ReplayVenue
from hedged.domain.bars import Observation
from hedged.domain.errors import ConfigError
from hedged.domain.funding import Settlement
from hedged.domain.market import Market
from hedged.sandbox.market_simulator import MarketSimulator
from hedged.sandbox.markets import VENUES, simulated_markets

EPOCH_MS = 1_735_689_600_000
"""2025-01-01: every simulated history starts here, so that a restart continues the same market."""


class SimulatedMarkets:
    """Generates day after day as time reaches it, and keeps the last `history_days`."""

    def __init__(self, seed: int, history_days: int) -> None:
        self._simulator = MarketSimulator(seed, EPOCH_MS)
        self._days: deque[dict[str, pl.DataFrame]] = deque(maxlen=history_days + 3)
        self._lock = asyncio.Lock()
        self._replay: dict[str, ReplayVenue] = {}

    def venues(self) -> dict[str, "SimulatedVenue"]:
        """Return a data source for each simulated venue."""
        return {name: SimulatedVenue(name, self) for name in VENUES}

    async def replay(self, venue: str, now_ms: int) -> ReplayVenue:
        """Return the venue with everything generated up to and including today."""
        async with self._lock:
            if not self._replay or self._simulator.now_ms <= now_ms:
                await asyncio.get_running_loop().run_in_executor(None, self._advance, now_ms)
        return self._replay[venue]

    def _advance(self, now_ms: int) -> None:
        if now_ms < EPOCH_MS:
            raise ConfigError("the simulated markets begin in 2025: the clock is wrong")
        while self._simulator.now_ms <= now_ms:
            self._days.append(self._simulator.advance(1))
        tables = {name: pl.concat([day[name] for day in self._days]) for name in self._days[0]}
        series = series_of(tables)
        markets = simulated_markets()
        self._replay = {venue: ReplayVenue(venue, series, markets) for venue in VENUES}


class SimulatedVenue:
    """A `MarketData` port on the simulator."""

    def __init__(self, venue: str, world: SimulatedMarkets) -> None:
        self.venue = venue
        self._world = world

    async def markets(self) -> Mapping[str, Market]:
        """Return the markets."""
        return {key.symbol: market for key, market in simulated_markets().items() if key.venue == self.venue}

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return what is known now."""
        return await (await self._world.replay(self.venue, now_ms)).observe(now_ms)

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return what was known at past bar ends."""
        return await (await self._world.replay(self.venue, times_ms[-1])).history(times_ms)

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return prints with since < ts ≤ until."""
        return await (await self._world.replay(self.venue, until_ms)).settlements(since_ms, until_ms)
