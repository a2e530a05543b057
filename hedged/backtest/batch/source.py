"""What a paper venue asks of its data, from what is at hand of a chunk: marks at bars, prints, candles.

It tells what a replayed venue tells, of the coins that are held or ordered alone: of the others nothing depends on it.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from hedged.adapters.paper.course import LATE_MS
from hedged.adapters.paper.expiry import OWN_WORDS, last_heard_ms
from hedged.adapters.replay.prices import prices_at
from hedged.backtest.batch.bars import Floats, Instants
from hedged.backtest.batch.due import Due, due_of, extremes
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
    """A `MarketData` of one venue that is asked about the bars of one chunk after another. `wanted`: see above.

    Of the chunk, by market in the order of `keys` and by bar: `mark`, `mark_ms`, `heard_ms` (when the venue last told
    anything of it), `low` and `high` within the bar, `flow`: Σ|rate × price| of its settlements; `due`: all of these.
    """

    mark: Floats
    mark_ms: Instants
    heard_ms: Instants
    seen_ms: Instants
    low: Floats
    high: Floats
    flow: Floats
    due: Due

    def __init__(self, venue: str, world: World, keys: Sequence[SeriesKey]) -> None:
        self.venue, self._world = venue, world
        self.markets_of = {k.symbol: m for k, m in world.markets.items() if k.venue == venue}
        self._rows = {key: row for row, key in enumerate(keys) if key.venue == venue}
        self.keys = tuple(self._rows)
        self.wanted: set[str] = set()
        self.prints: dict[SeriesKey, Prints] = {}
        self.times_ms: list[int] = []
        self._seen: Seen | None = None
        self._bar: Mapping[int, int] = {}

    def then(self, seen: Seen, since_ms: int, bar_ms: int) -> None:
        """Go on with another chunk; prints and candles are asked for from `since_ms` on."""
        self._seen, self.seen_ms, self.times_ms = seen, seen.times_ms, seen.times_ms.tolist()
        self._bar = {ms: bar for bar, ms in enumerate(self.times_ms)}
        rows = list(self._rows.values())
        self.mark, self.mark_ms = seen.mark[rows], seen.mark_ms[rows]
        self.heard_ms = np.stack([self._heard(key) for key in self._rows])
        until_ms = self.times_ms[-1] + max(LATE_MS, bar_ms)
        told = [_prints(self._world, key, since_ms, until_ms) for key in self._rows]
        self.prints = {
            key: Prints(*(x.tolist() for x in one)) for key, one in zip(self._rows, told, strict=True)
        }
        self.due = due_of(told, rows, seen)
        self.low, self.high = extremes(self._world, self._rows, seen, bar_ms)
        self.flow = np.zeros(self.mark.shape)
        at = np.searchsorted(seen.times_ms, self.due.ts_ms, side="left")
        usd = np.abs(np.array(self.due.rate) * np.array(self.due.price))
        inside = at < len(self.times_ms)
        np.add.at(self.flow, (np.array(self.due.market, dtype=np.int64)[inside], at[inside]), usd[inside])

    def bar_of(self, now_ms: int) -> int | None:
        """Return the number of the bar that ends at an instant; None between two bars."""
        return self._bar.get(now_ms)

    def doubts(self, bar: int) -> dict[SeriesKey, Decimal | None]:
        """Return the prices in doubt at a bar, and what to go by instead."""
        found: dict[SeriesKey, Decimal | None] = {}
        for key, one in self._seen.doubts_at(bar).items() if self._seen else ():
            if one.quarantine.fault.doubts_price:
                found[key] = decimal_of(one.mark) if one.mark > 0 else None
        return found

    def _heard(self, key: SeriesKey) -> Instants:
        data = self._world.series[key]
        tracks = (
            data.volume, data.open_interest, data.premium, data.basis, data.bid_depth_usd, data.ask_depth_usd,
            data.estimate,
        )  # fmt: skip
        own = [data.told_ms, *(track.known_ms for track in tracks)]
        return last_heard_ms([np.sort(told) for told in own], self.seen_ms)

    async def markets(self) -> Mapping[str, Market]:
        """Return the markets."""
        return self.markets_of

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return marks, since when they were known, and when the venue was last heard of."""
        bar = self._bar.get(now_ms)
        return [
            self._observed(key, i, now_ms, bar)
            for i, key in enumerate(self.keys)
            if key.symbol in self.wanted
        ]

    def _observed(self, key: SeriesKey, row: int, now_ms: int, bar: int | None) -> Observation:
        told = blank_observation(key, now_ms)
        if bar is not None:
            mark, known_ms = self.mark[row, bar], self.mark_ms[row, bar]
            told.known_at_ms[OWN_WORDS[0]] = self.heard_ms[row, bar]
        else:
            mark, known_ms = self._between(key, now_ms)
        told.values[Field.MARK], told.known_at_ms[Field.MARK] = mark, known_ms
        return told

    def comes_back(self, symbol: str, now_ms: int) -> bool:
        """Tell whether the recording holds anything of this venue's own about a market after `now_ms`."""
        return self._world.series[SeriesKey(self.venue, symbol)].last_word_ms > now_ms

    def _between(self, key: SeriesKey, now_ms: int) -> tuple[float, int]:
        """Return the price between two bars, and since when it is known: `prices_at` an instant, where most often the
        market's own last candle is fresh and it has printed nothing just then.
        """
        data = self._world.series[key]
        printed = data.funding_ts.searchsorted(now_ms)
        if printed == len(data.funding_ts) or data.funding_ts[printed] != now_ms:
            last = int(data.close.known_ms.searchsorted(now_ms, side="right")) - 1
            if last >= 0 and len(data.candle_ms):
                mark, known_ms = float(data.close.values[last]), int(data.close.known_ms[last])
                if mark == mark and now_ms - known_ms < data.candle_ms[last]:
                    return mark, known_ms
        found = prices_at(self._world.series, key, np.array([now_ms], dtype=np.int64))
        return float(found.price[0]), int(found.known_ms[0])

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return nothing: the past is in the chunks before."""
        return [() for _ in times_ms]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return prints with since < ts ≤ until, but for the span of those that are told late: none is."""
        found: list[Settlement] = []
        ts_ms = self.due.ts_ms
        if bisect_right(ts_ms, since_ms + LATE_MS) == bisect_right(ts_ms, until_ms):
            return found
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


def _prints(
    world: World, key: SeriesKey, since_ms: int, until_ms: int
) -> tuple[Instants, Floats, Floats, Floats]:
    """Return instants, rates, hours and prices of the settlements that can be priced."""
    data = world.series[key]
    low, high = np.searchsorted(data.funding_ts, (since_ms, until_ms), side="right").tolist()
    price = prices_at(world.series, key, data.funding_ts[low:high], settling=True).price
    known = np.flatnonzero((price > 0) & ~np.isnan(data.funding_rate[low:high]))
    ts_ms, rate, hours = data.funding_ts[low:high], data.funding_rate[low:high], data.funding_hours[low:high]
    return ts_ms[known], rate[known], hours[known], price[known]
