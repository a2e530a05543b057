"""Whether one side of the market is crowded: positions and price lean the same way, far from their habit."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hedged.domain.bars import Field
from hedged.features.points import Array, Points
from hedged.features.resample import HourlyGrid

SIDED_H = 30 * 24
SIDED_MIN_H = 7 * 24
SIDED_SHARE = 0.95


class Pressure(IntEnum):
    """What stood in for the price that the crowd pays: the first of these that is known with its own past."""

    NONE = 0
    PREMIUM = 1
    BASIS = 2
    SETTLED_RATE = 3


@dataclass(frozen=True, slots=True)
class OneSided:
    """At points (n,): `side` +1 longs crowded, −1 shorts crowded, 0 neither, NaN unknown; `pressure` says what was
    read beside the long/short ratio, a Pressure.
    """

    side: Array
    pressure: NDArray[np.int64]


def one_sided(grid: HourlyGrid, at: Points, share: float = SIDED_SHARE) -> OneSided:
    """Tell where the long/short ratio *and* the premium both lie beyond `share` of their own last 30 days, one way.

    Without a premium the basis is read, without a basis the settled rate. Unknown where either has fewer than seven
    days of past.
    """
    accounts = rank_of_past(grid.field(Field.LONG_SHORT_RATIO), at, share)
    rank, pressure = np.full(len(at), np.nan), np.zeros(len(at), np.int64)
    # without positions the price says nothing of sides: spare the work
    known = np.flatnonzero(~np.isnan(accounts))
    rank[known], pressure[known] = pressure_at(grid, Points(at.rows[known], at.cols[known]), share)
    both = np.sign(accounts) * ((accounts == rank) & (accounts != 0))
    return OneSided(np.where(np.isnan(rank) | np.isnan(accounts), np.nan, both), pressure)


def pressure_at(grid: HourlyGrid, at: Points, share: float = SIDED_SHARE) -> tuple[Array, NDArray[np.int64]]:
    """Return the rank of the price that the crowd pays, as of `rank_of_past`, and which it is (a Pressure). (n,)."""
    rank, pressure = np.full(len(at), np.nan), np.zeros(len(at), np.int64)
    sources = (
        (Pressure.PREMIUM, grid.field(Field.PREMIUM)),
        (Pressure.BASIS, grid.field(Field.BASIS)),
        (Pressure.SETTLED_RATE, grid.level),
    )
    for source, x in sources:
        open_ = np.flatnonzero(np.isnan(rank))
        rank[open_] = rank_of_past(x, Points(at.rows[open_], at.cols[open_]), share)
        pressure[open_[~np.isnan(rank[open_])]] = source
    return rank, pressure


def rank_of_past(x: Array, at: Points, share: float = SIDED_SHARE) -> Array:
    """Return +1 where x stands above `share` of its past 30 days, −1 where below it, 0 between; NaN unknown. (n,)."""
    out = np.full(len(at), np.nan)
    for row in np.unique(at.rows):
        if np.isnan(x[row]).all():
            continue
        past = sliding_window_view(np.concatenate((np.full(SIDED_H, np.nan), x[row])), SIDED_H)
        here = np.flatnonzero(at.rows == row)
        window, now = past[at.cols[here]], x[row, at.cols[here], None]  # the hours before, without this one
        count = np.count_nonzero(~np.isnan(window), axis=1)
        enough = (count >= SIDED_MIN_H) & ~np.isnan(now[:, 0])
        above = np.count_nonzero(now > window, axis=1) >= share * count
        beneath = np.count_nonzero(now < window, axis=1) >= share * count
        out[here] = np.where(enough, above.astype(float) - beneath, np.nan)
    return out
