"""What one venue tells over a chunk of bars, as arrays: prints in the order in which they are paid, and how far prices
went within each bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hedged.backtest.batch.bars import Floats, Instants
from hedged.backtest.batch.seen import Seen
from hedged.backtest.world import World
from hedged.domain.market import SeriesKey


@dataclass(frozen=True, slots=True)
class Due:
    """Settlements of a venue by instant and market. `market`: number of the market at the venue; `price`: the one to go
    by at the bar that ends next, where the told one is in doubt there.
    """

    ts_ms: list[int]
    market: list[int]
    rate: list[float]
    hours: list[float]
    price: list[float]


def due_of(told: Sequence[tuple[Instants, Floats, Floats, Floats]], rows: Sequence[int], seen: Seen) -> Due:
    """Lay the settlements of a venue's markets (instants, rates, hours, prices) together. `rows`: those in `seen`."""
    market = np.repeat(np.arange(len(told)), [len(part[0]) for part in told])
    ts_ms, rate, hours, price = (np.concatenate([part[i] for part in told]) for i in range(4))
    bar = np.searchsorted(seen.times_ms, ts_ms, side="left")
    at = np.array(rows, dtype=np.int64)[market], np.minimum(bar, len(seen.times_ms) - 1)
    doubted = seen.doubted[at] & (bar < len(seen.times_ms)) & ~np.isnan(seen.mark[at])
    price = np.where(doubted, seen.mark[at], price)
    order = np.lexsort((market, ts_ms))
    return Due(*(column[order].tolist() for column in (ts_ms, market, rate, hours, price)))


def extremes(world: World, rows: Mapping[SeriesKey, int], seen: Seen, bar_ms: int) -> tuple[Floats, Floats]:
    """Return the lowest and highest price within each bar, its mark among them: (markets, bars); ±∞ where none is."""
    marks = seen.mark[list(rows.values())]
    low, high = np.where(np.isnan(marks), np.inf, marks), np.where(np.isnan(marks), -np.inf, marks)
    since_ms, until_ms = seen.times_ms[0] - bar_ms, seen.times_ms[-1]
    for i, key in enumerate(rows):
        data = world.series[key]
        closes_ms = data.close.known_ms
        first, last = np.searchsorted(closes_ms, (since_ms, until_ms), side="right")
        least, most = data.low[first:last], data.high[first:last]
        told = np.flatnonzero(least <= most)
        at = np.searchsorted(seen.times_ms, closes_ms[first:last][told], side="left")
        np.minimum.at(low[i], at, least[told])
        np.maximum.at(high[i], at, most[told])
    return low, high
