"""Forecasts of a whole window, made before it is played: each from what was known at its own hour, and from no more."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import ForecastSet
from hedged.domain.market import SeriesKey


class Laws(Protocol):
    """The forecasts of every hour of a window, as the daemon's forecaster would have said them one after another.

    `hours_ms` (hours,): the ends of the hourly bars that they were made from, ascending; a law stands until the next.
    `means` (hours, series): mean rate per hour over the horizon, columns as `keys`, NaN where a series has no forecast.
    """

    keys: tuple[SeriesKey, ...]
    hours_ms: NDArray[np.int64]
    means: NDArray[np.float64]

    def at(self, now_ms: int) -> ForecastSet:
        """Return the law that stands at an instant, joint scenarios included."""
        ...
