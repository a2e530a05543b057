"""What several families of tabular features read: ends of the grid with their points, and arrays of these ends."""

from collections.abc import Iterator

import numpy as np

from hedged.features.points import Array, Points, Rolling, codes, ewm_lately, ewm_of_prints
from hedged.features.resample import HourlyGrid
from hedged.features.scale import MIN_SCALE, WINDOW_H, fresh_level, last_change, lately, settled_now

HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # in prints
FAR_H, NEAR_H, NOW_H = WINDOW_H + 24, 8 * 24, 8
"""Hours that features look back: a month, the week before each hour of the last day, and what stood 8 hours ago."""

Named = Iterator[tuple[str, Array]]


class Shared:
    """Ends of the grid with the points in them, and arrays (series, hours) of these ends.

    `far` holds a month, `near` a week, `now` the last eight hours: what a feature does not read is not computed.
    """

    def __init__(self, grid: HourlyGrid, points: Points) -> None:
        self.far, self.near, self.now = (lately(grid, points, hours) for hours in (FAR_H, NEAR_H, NOW_H))
        self.symbol = codes([key.symbol for key in grid.keys])
        self.venue = codes([key.venue for key in grid.keys])
        near, now = self.near[0], self.now[0]
        self.level = fresh_level(near)
        self.settled = settled_now(near)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.log_mark = np.log(np.where(near.mark > 0, near.mark, np.nan))
        hours = len(now.times_ms)
        smoothed = ewm_lately if points.in_one_hour else ewm_of_prints
        self.ewm = smoothed(grid.level, settled_now(grid), HALF_LIVES, hours)
        self.level_now = fresh_level(now)
        # the usual change of each series at each hour, for comparisons across series
        change = last_change(self.far[0])
        cols = np.arange(change.shape[1] - hours, change.shape[1])
        everywhere = Points(np.repeat(np.arange(len(grid.keys)), hours), np.tile(cols, len(grid.keys)))
        s = np.maximum(Rolling(np.abs(change)).mean(everywhere, WINDOW_H).reshape(-1, hours), MIN_SCALE)
        self.surprise = np.clip((self.level_now - self.ewm[4]) / s, -20, 20)
        self.change = np.clip(change[:, cols] / s, -20, 20)
