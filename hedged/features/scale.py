"""The yardsticks of a series: how much its rate usually changes, and the rate at which it rests.

Targets and features are measured in units of `s`, so that one pooled model serves every venue, interval and coin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.features.points import Array, Points, Rolling, counted
from hedged.features.resample import HourlyGrid

WINDOW_H = 30 * 24
MIN_SCALE = 1e-7
"""Least s, per hour (0.008 bp in eight hours): a constant series must not divide by nothing."""
MIN_CHANGES = 6
"""Prints needed in the window before s means anything."""
PINS = (0.0000125, 0.000012, 0.00000416666, 0.0)
"""Rates per hour at which venues rest: 1 bp per 8 h (Binance, Bybit, Hyperliquid), Lighter's rounding of it,
Injective's interest, and nothing (BNB at Binance, the dead band of Deribit)."""
PIN_TOLERANCE = 5e-9
MIN_PIN_SHARE = 0.1
OVERDUE = 1.5
"""A print later than this many intervals is missing, and the series' rate unknown."""


@dataclass(frozen=True, slots=True)
class Scale:
    """At points (n,): `last` settled rate per hour, `s` trailing 30-day mean |change| per print, per hour, `pin` the
    resting rate (NaN for a series without one), `pin_share` its share of recent prints; NaN in `s`: history too short.
    """

    last: Array
    s: Array
    pin: Array
    pin_share: Array


def fresh_level(grid: HourlyGrid) -> Array:
    """Return the last settled rate per hour, NaN where the next print is overdue. (series, hours)."""
    with np.errstate(invalid="ignore"):
        return np.where(grid.since_h <= OVERDUE * grid.interval_h, grid.level, np.nan)


def settled_now(grid: HourlyGrid) -> NDArray[np.bool_]:
    """Tell in which hours a series settled."""
    with np.errstate(invalid="ignore"):
        return grid.since_h < 1.0


def last_change(grid: HourlyGrid) -> Array:
    """Return the change of the rate per hour where a print settled, NaN elsewhere. (series, hours)."""
    before = np.concatenate((np.full((len(grid.keys), 1), np.nan), grid.level[:, :-1]), axis=1)
    return np.where(settled_now(grid), grid.level - before, np.nan)


def lately(grid: HourlyGrid, points: Points, hours: int) -> tuple[HourlyGrid, Points]:
    """Leave out what points that look back so many hours do not read → the end of the grid, the points in it."""
    first = max(int(points.cols.min(initial=len(grid.times_ms))) - hours, 0)
    return grid.last(len(grid.times_ms) - first), Points(points.rows, points.cols - first)


def scale_of(grid: HourlyGrid, points: Points) -> Scale:
    """Measure the yardsticks at points."""
    hours = np.minimum(points.cols + 1, WINDOW_H)
    grid, points = lately(grid, points, WINDOW_H)
    settled = settled_now(grid)
    change = Rolling(np.abs(last_change(grid)))
    s = np.maximum(change.mean(points, WINDOW_H), MIN_SCALE)
    share = counted(settled, points, WINDOW_H) / hours
    # by way of the share, as models were trained: where it is rounded up, six are enough
    s = np.where(share * hours > MIN_CHANGES, s, np.nan)
    prints = settled & ~np.isnan(grid.level)
    count = counted(prints, points, WINDOW_H)
    pin = np.full(len(points), np.nan)
    best = np.full(len(points), MIN_PIN_SHARE)
    for candidate in PINS:
        at_pin = prints & (np.abs(grid.level - candidate) < PIN_TOLERANCE)
        share = counted(at_pin, points, WINDOW_H) / np.maximum(count, 1.0)
        better = share > best
        pin[better], best[better] = candidate, share[better]
    return Scale(points.take(grid.level), s, pin, np.where(np.isnan(pin), 0.0, best))
