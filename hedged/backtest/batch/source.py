"""What a paper venue asks of its data, from what is at hand of a chunk: marks at bars, prints, candles.

It tells what a replayed venue tells, of the coins that are held or ordered alone: of the others nothing depends on it.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hedged.adapters.paper.course import LATE_MS
from hedged.adapters.paper.expiry import OWN_WORDS, last_heard_ms
from hedged.adapters.replay.prices import prices_at
from hedged.backtest.batch.bars import Instants
from hedged.backtest.batch.seen import Seen
from hedged.backtest.world import World
from hedged.domain.bars import Field, Observation, Swing, blank_observation
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.market import Market, SeriesKey, decimal_of


class Prints(NamedTuple):
    """Settlements of one market that can be priced, oldest first."""

    ts_ms: list[int]
    rate: list[float]
    hours: list[float]
    price: list[float]


class Source:
    """A `MarketData` of one venue that is asked about the bars of one chunk after another. `wanted`: see above."""

    def __init__(self, venue: str, world: World, keys: Sequence[SeriesKey]) -> None:
        self.venue, self._world = venue, world
        self._markets = {k.symbol: m for k, m in world.markets.items() if k.venue == venue}
        self._rows = {key: row for row, key in enumerate(keys) if key.venue == venue}
        self.wanted: set[str] = set()
        self.prints: dict[SeriesKey, Prints] = {}
        self._seen: Seen | None = None
        self._heard: dict[SeriesKey, Instants] = {}
        self._bar: Mapping[int, int] = {}

    def then(self, seen: Seen, since_ms: int) -> None:
        """Go on with another chunk; prints and candles are asked for from `since_ms` on."""
        self._seen, self._bar = seen, {ms: bar for bar, ms in enumerate(seen.times_ms.tolist())}
        until_ms = int(seen.times_ms[-1]) + LATE_MS
        self.prints = {key: _prints(self._world, key, since_ms, until_ms) for key in self._rows}
        for key in self._rows:
            data = self._world.series[key]
            tracks = (
                data.volume, data.open_interest, data.premium, data.basis, data.bid_depth_usd, data.ask_depth_usd,
                data.estimate,
            )  # fmt: skip
            own = [data.told_ms, *(track.known_ms for track in tracks)]
            self._heard[key] = last_heard_ms([np.sort(told) for told in own], seen.times_ms)

    async def markets(self) -> Mapping[str, Market]:
        """Return the markets."""
        return self._markets

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return marks, since when they were known, and when the venue was last heard of."""
        bar = self._bar.get(now_ms)
        return [self._observed(key, now_ms, bar) for key in self._rows if key.symbol in self.wanted]

    def _observed(self, key: SeriesKey, now_ms: int, bar: int | None) -> Observation:
        seen, told = self._seen, blank_observation(key, now_ms)
        if seen is not None and bar is not None:
            mark, known_ms = seen.mark[self._rows[key], bar], seen.mark_ms[self._rows[key], bar]
            told.known_at_ms[OWN_WORDS[0]] = self._heard[key][bar]
        else:
            found = prices_at(self._world.series, key, np.array([now_ms], dtype=np.int64))
            mark, known_ms = found.price[0], found.known_ms[0]
        told.values[Field.MARK], told.known_at_ms[Field.MARK] = mark, known_ms
        return told

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return nothing: the past is in the chunks before."""
        return [() for _ in times_ms]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return prints with since < ts ≤ until, but for the span of those that are told late: none is."""
        found = []
        for key, prints in self.prints.items():
            if key.symbol in self.wanted:
                first = bisect_right(prints.ts_ms, since_ms + LATE_MS)
                for i in range(first, bisect_right(prints.ts_ms, until_ms)):
                    rate = FundingRate(self.venue, decimal_of(prints.rate[i]), decimal_of(prints.hours[i]))
                    found.append(Settlement(key, prints.ts_ms[i], rate, decimal_of(prints.price[i])))
        return sorted(found, key=lambda s: (s.ts_ms, s.key))

    def swings(self, since_ms: int, until_ms: int) -> list[Swing]:
        """Return how far prices went in the candles that closed with since < close ≤ until."""
        found = []
        for key in self._rows:
            data = self._world.series[key]
            low, high = np.searchsorted(data.close.known_ms, (since_ms, until_ms), side="right").tolist()
            for i in range(low, high) if key.symbol in self.wanted else ():
                least, most, to_ms = float(data.low[i]), float(data.high[i]), int(data.close.known_ms[i])
                if least <= most:
                    from_ms = to_ms - int(data.candle_ms[i])
                    found.append(Swing(key.symbol, from_ms, to_ms, decimal_of(least), decimal_of(most)))
        return sorted(found, key=lambda s: (s.to_ms, s.symbol))


def _prints(world: World, key: SeriesKey, since_ms: int, until_ms: int) -> Prints:
    data = world.series[key]
    low, high = np.searchsorted(data.funding_ts, (since_ms, until_ms), side="right").tolist()
    price = prices_at(world.series, key, data.funding_ts[low:high], settling=True).price
    known = np.flatnonzero((price > 0) & ~np.isnan(data.funding_rate[low:high]))
    parts = (data.funding_ts, data.funding_rate, data.funding_hours)
    ts_ms, rate, hours = (part[low:high][known].tolist() for part in parts)
    return Prints(ts_ms, rate, hours, price[known].tolist())
