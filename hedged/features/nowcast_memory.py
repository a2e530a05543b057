"""The nowcast as it serves: each hour takes in what is new, instead of walking through the whole window again.

It says what one walk says over all hours since the memory began. Venues tell a print some minutes late, so that an
hour just over may still change: the last hours are taken in on a copy, and once more with the next call. A print that
comes later still, another set of series, a series that settles slowly for the first time, a step back in time: then
everything is walked through anew.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.features.nowcast import Nowcast, said_at
from hedged.features.nowcast_read import MAX_INTERVAL, read, slow_rows
from hedged.features.nowcast_state import State
from hedged.features.nowcast_walk import Walk
from hedged.features.points import Array, Points
from hedged.features.resample import HourlyGrid

OPEN_H = 2
"""Last hours of a grid that are not final: a print of theirs may still come."""
CHECKED_H = 48
"""Last hours of which it is checked that no print of theirs has come or changed since they were taken in."""


@dataclass(frozen=True, slots=True)
class _Prints:
    """What the last hours of a grid show of settlements: `told` (figures, series, hours), from `first_hour` on."""

    first_hour: int
    told: Array

    @classmethod
    def of(cls, grid: HourlyGrid) -> Self:
        end = grid.last(CHECKED_H)
        return cls(_hour(end, 0), np.stack((end.level, end.since_h, end.interval_h)))

    def stand_in(self, grid: HourlyGrid, until: int) -> bool:
        """Tell whether the grid shows the same up to the hour `until`, as far as both know."""
        theirs = _Prints.of(grid)
        first = max(self.first_hour, theirs.first_hour)
        mine, its = (
            x.told[:, :, first - x.first_hour : max(until + 1 - x.first_hour, 0)] for x in (self, theirs)
        )
        return np.array_equal(mine, its, equal_nan=True)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was taken in of a grid: its last prints, its last bars (series, OPEN_H, field), the walk up to its last
    hour, the state after the final ones.
    """

    keys: tuple[SeriesKey, ...]
    prints: _Prints
    bars: NDArray[np.float32]
    walk: Walk
    state: State

    def goes_on_in(self, grid: HourlyGrid) -> bool:
        """Tell whether the state can be walked on with: nothing final has changed, and what is new is in the grid."""
        new = _hour(grid, -1) - self.state.hour
        columns = new + MAX_INTERVAL
        return (
            grid.keys == self.keys
            and new > 0
            and columns <= len(grid.times_ms)
            and bool(np.isin(slow_rows(grid.last(columns)), self.walk.seen.rows).all())
            and self.prints.stand_in(grid, self.state.hour)
        )

    def covers(self, grid: HourlyGrid) -> bool:
        """Tell whether the grid shows nothing new."""
        last_hour = _hour(grid, -1)
        return (
            last_hour == self.walk.state.hour
            and self.prints.stand_in(grid, last_hour)
            and np.array_equal(self.bars, grid.bars[:, -OPEN_H:], equal_nan=True)
        )


class NowcastMemory:
    """Owned by a forecaster, which asks its `nowcast` instead of the function of that name."""

    def __init__(self) -> None:
        self._taken: _Taken | None = None

    def nowcast(self, grid: HourlyGrid, points: Points) -> Nowcast:
        """Nowcast the coming settlement at points; quick where they lie in hours that the last call did not know."""
        if not len(points):
            return Nowcast.nothing(0)
        taken = self._taken
        if taken is None or not taken.goes_on_in(grid):
            taken = _walked(grid)
        elif not taken.covers(grid):
            taken = _walked(grid, taken)
        cols = _cols(taken.walk, grid, points)
        if cols.min() < taken.walk.first:  # they were taken in, and what was said then is forgotten
            taken = _walked(grid)
            cols = _cols(taken.walk, grid, points)
        self._taken = taken
        return said_at(taken.walk, Points(points.rows, cols))


def _walked(grid: HourlyGrid, before: _Taken | None = None) -> _Taken:
    """Walk on, or through the whole grid."""
    if before is None:
        walk = Walk(read(grid))
    else:
        columns = _hour(grid, -1) - before.state.hour + MAX_INTERVAL
        walk = Walk(read(grid, before.walk.seen.rows, columns), before.state.copy())
    last = walk.center.shape[1] - 1
    walk.to(last - OPEN_H)
    state = walk.state.copy()
    walk.to(last)
    return _Taken(grid.keys, _Prints.of(grid), grid.bars[:, -OPEN_H:].copy(), walk, state)


def _hour(grid: HourlyGrid, col: int) -> int:
    return int(grid.times_ms[col]) // HOUR_MS


def _cols(walk: Walk, grid: HourlyGrid, points: Points) -> NDArray[np.int64]:
    """Return the walk's columns at which points of a grid lie."""
    return points.cols + _hour(grid, 0) - walk.seen.first_hour
