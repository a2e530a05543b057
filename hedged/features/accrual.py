"""What other sources show of a premium while a slow venue's interval runs: channels, averaged as that venue averages.

A channel is an hourly observable that moves with the series' own premium: the rates of the same coin at venues that
settle hourly, its price against other venues', the premium that follows from another venue's price and premium, the
same of the venue's other coins. Each is read as the deviation from its own last seven days, so that a venue which joins
or leaves does not shift it. All in fractions per 8 h; > 0 means that longs will pay more. Unknown is NaN.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import Field
from hedged.features.points import Array, codes, group_mean, others_mean
from hedged.features.resample import HourlyGrid
from hedged.features.scale import fresh_level

HABIT_H = 7 * 24
LOOKBACK_H = 2 * HABIT_H
"""Hours that channels look back: a deviation from its own week, its noise in the week before."""
IMPLIED_BY = ("okx", "hyperliquid")
"""Venues whose price and premium tell where the index stands."""
CHANNELS = ("hourly", "gap", "own", *(f"by_{venue}" for venue in IMPLIED_BY), "market_gap", "market_hourly")
LIMIT = 0.003
"""A deviation is cut here: 30 bp in one hour is a price of another moment, not a premium."""
MIN_GAP_VARIANCE = 5e-10
"""(0.2 bp)²: a venue whose price follows ours more closely than that still is one voice among others."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Accrued:
    """Channels as averages over a series' intervals, (channels, rows, hours), NaN where unknown.

    `before`: mean over the interval that the last settlement ended; `since`: mean over the hours since, less `before`
    (0 in the hour of the settlement itself).
    """

    before: Array
    since: Array


def channels(grid: HourlyGrid, rows: Rows, hours: int) -> Array:
    """Return every channel of the given rows in the last hours → (channels, rows, hours).

    A grid that begins LOOKBACK_H earlier says all; what stands before is not read.
    """
    whole, grid = grid, grid.last(hours + HABIT_H)
    symbol = codes([key.symbol for key in grid.keys])
    rate_8h = fresh_level(grid) * 8.0
    hourly = np.where(grid.interval_h <= 1.0, rate_8h, np.nan)
    found = [others_mean(deviation(hourly, hours), symbol)[0][rows]]
    with np.errstate(invalid="ignore", divide="ignore"):
        log_mark = np.log(np.where(whole.mark > 0, whole.mark, np.nan))
    found.append(_gap(log_mark, symbol, rows, hours))
    log_mark = log_mark[:, -len(grid.times_ms) :]
    premium, basis = grid.field(Field.PREMIUM), grid.field(Field.BASIS)
    premium = np.where(np.isnan(premium), basis, premium)
    found.append(deviation(premium[rows], hours))
    for venue in IMPLIED_BY:
        there = _at_venue(grid, venue, symbol[rows])
        apart = log_mark[rows] - log_mark[there]
        implied = np.where(apart == 0.0, np.nan, apart + premium[there])
        implied[there < 0] = np.nan
        found.append(deviation(implied, hours))
    venues = codes([grid.keys[row].venue for row in rows])
    slow = grid.last(hours).interval_h[rows] > 1  # at that hour: what a series will be later is not known
    found += [group_mean(np.where(slow, x, np.nan), venues) for x in (found[1], found[0])]
    return np.stack(found)


def _gap(log_mark: Array, symbol: Rows, rows: Rows, hours: int) -> Array:
    """Return how far each row's price stands above the same coin's elsewhere, steady venues counting most.

    A venue without prices of its own repeats another's; an equal price is therefore no evidence.
    """
    total, weight = np.zeros((2, len(rows), min(hours, log_mark.shape[1])))
    for there in _others(symbol, rows):
        apart = log_mark[rows] - log_mark[there]
        x = deviation(np.where((apart == 0.0) | (there < 0)[:, None], np.nan, apart), hours + HABIT_H)
        noise = np.maximum(_trailing(x**2, hours), MIN_GAP_VARIANCE)
        x = x[:, -noise.shape[1] :]
        known = ~np.isnan(x)
        total += np.where(known, x / noise, 0.0)
        weight += np.where(known, 1.0 / noise, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / weight, np.nan)


def _others(symbol: Rows, rows: Rows) -> Iterator[Rows]:
    """Yield for all rows at once their coin's first other series, then the second …; −1 where there is none."""
    same = [[i for i in np.flatnonzero(symbol == symbol[row]) if i != row] for row in rows]
    for place in range(max(map(len, same), default=0)):
        yield np.array([here[place] if place < len(here) else -1 for here in same], dtype=np.int64)


def _at_venue(grid: HourlyGrid, venue: str, symbol: Rows) -> Rows:
    """Return the row of each coin at a venue, −1 where it has none (or is that row itself: its price is equal)."""
    symbols = codes([key.symbol for key in grid.keys])
    row = {int(symbols[i]): i for i, key in enumerate(grid.keys) if key.venue == venue}
    return np.array([row.get(int(code), -1) for code in symbol], dtype=np.int64)


def deviation(x: Array, hours: int) -> Array:
    """Return the last hours of x (rows, …) less the mean of the seven days up to each, cut to what a premium can do."""
    usual = _trailing(x, hours)
    out: Array = np.clip(x[:, x.shape[1] - usual.shape[1] :] - usual, -LIMIT, LIMIT)
    return out


def _trailing(x: Array, hours: int) -> Array:
    """Return at each of the last hours the mean of the seven days up to it; unknown hours do not count."""
    known = ~np.isnan(x)
    stop = np.arange(max(x.shape[1] - hours, 0), x.shape[1]) + 1
    if not known.any():
        return np.full((len(x), len(stop)), np.nan)
    total, count = _prefix(np.where(known, x, 0.0)), _prefix(known)
    first = np.maximum(stop - HABIT_H, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total[:, stop] - total[:, first]) / (count[:, stop] - count[:, first])


def accrued(x: Array, since: Rows, interval: Rows, rising: NDArray[np.bool_]) -> Accrued:
    """Average channels over the last whole interval and over the hours since it ended.

    x: (channels, rows, …), may begin two intervals before the hours that are averaged for. since, interval: (rows,
    hours) whole hours since the last settlement and between settlements (−1 unknown); rising: (rows,) whether late
    hours weigh more. The first hour after a settlement has weight 1, then 2, 3 …
    """
    sums = _WeightedSums(x)
    col = np.arange(x.shape[2] - since.shape[1], x.shape[2])[None, :]
    last = col - since
    before = sums.mean(last - interval, last, rising)
    now = sums.mean(last, np.broadcast_to(col, last.shape), rising)
    known = (since >= 0) & (interval > 0)
    gained = np.where(since == 0, np.where(np.isnan(before), np.nan, 0.0), now - before)
    return Accrued(np.where(known, before, np.nan), np.where(known, gained, np.nan))


class _WeightedSums:
    """Means over any (from, to] of hours with equal or rising weights, by prefix sums; unknown hours do not count."""

    def __init__(self, x: Array) -> None:
        known = ~np.isnan(x)
        hour = np.arange(1, x.shape[2] + 1, dtype=np.float64)
        value, mask = np.where(known, x, 0.0), known.astype(np.float64)
        self._parts = [_prefix(part) for part in (value, mask, value * hour, mask * hour)]
        self._row = np.arange(x.shape[1])[:, None]

    def mean(self, start: Rows, stop: Rows, rising: NDArray[np.bool_]) -> Array:
        """Return means over columns start + 1 … stop, (channels, rows, hours); NaN where none is known."""
        # within the array also where nothing is known (since = −1), which the caller leaves out
        lo, hi = (np.clip(edge + 1, 0, self._parts[0].shape[2] - 1) for edge in (start, stop))
        total, count, moment, weight = (p[:, self._row, hi] - p[:, self._row, lo] for p in self._parts)
        # weight of column c (1-based hour c + 1) is its distance from the start: hour − (start + 1)
        total = np.where(rising[:, None], moment - (start + 1) * total, total)
        count = np.where(rising[:, None], weight - (start + 1) * count, count)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(count > 0.5, total / count, np.nan)


def _prefix(x: Array | NDArray[np.bool_]) -> Array:
    out = np.zeros((*x.shape[:-1], x.shape[-1] + 1))
    np.cumsum(x, axis=-1, out=out[..., 1:])
    return out
