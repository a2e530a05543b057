"""Forecasts of a whole window, made before it is played: each from what was known at its own hour, and from no more."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import ForecastSet
from hedged.domain.market import SeriesKey


class Laws(Protocol):
    """The forecasts of every hour of a window, as the daemon's forecaster would have said them one after another."""

    @property
    def keys(self) -> tuple[SeriesKey, ...]:
        """The series, in the order of the columns."""
        ...

    @property
    def hours_ms(self) -> NDArray[np.int64]:
        """The ends of the hours that the laws were made from, ascending; a law stands until the next. (hours,)."""
        ...

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean rate per hour over the horizon, NaN where a series has no forecast. (hours, series)."""
        ...

    def at(self, now_ms: int) -> ForecastSet:
        """Return the law that stands at an instant, joint scenarios included. Raises DataError before the first."""
        ...
