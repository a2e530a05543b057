"""Laws that can be read as arrays: what lets a bar be looked at without putting its forecasts together."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.batch.bars import Floats, Instants
from hedged.domain.forecast import LEVELS, ForecastSet, quantile_function
from hedged.domain.market import SeriesKey


class Tells(Protocol):
    """Whatever tells the law that stands at an instant: laws made before, or a forecaster that is asked on the way."""

    def at(self, now_ms: int) -> ForecastSet:
        """Return the law that stands at an instant; instants ascend."""
        ...


@runtime_checkable
class LawArrays(Protocol):
    """Laws in arrays. `quantiles`, `coming`: (hours, series, levels), NaN where a series has no forecast, or none of
    its coming settlement; `ranks` (sets, scenarios, series) as of `joint_ranks`, `ranks_of` (hours,) which of the sets.
    """

    keys: tuple[SeriesKey, ...]
    hours_ms: Instants
    quantiles: Floats
    coming: Floats
    ranks: NDArray[np.uint8]
    ranks_of: Instants


class Drawn:
    """The laws of some series, in their order; one that the laws do not know has no forecast."""

    def __init__(self, laws: LawArrays, keys: tuple[SeriesKey, ...]) -> None:
        self._laws = laws
        column = {key: i for i, key in enumerate(laws.keys)}
        self._columns = np.array([column.get(key, -1) for key in keys])
        n = laws.ranks.shape[1]
        # quantile functions are linear in their quantiles
        self.spread: Floats = quantile_function(np.eye(len(LEVELS)), (np.arange(n) + 0.5) / n)
        self._mean = self.spread.mean(axis=1)

    def hours_of(self, times_ms: Instants) -> Instants:
        """Return the rows of the laws that stand at some instants, −1 before the first."""
        return np.searchsorted(self._laws.hours_ms, times_ms, side="right") - 1

    def means(self, hours: Instants) -> Floats:
        """Return the mean of the draws by series and hour, NaN where there is no forecast."""
        told = np.asarray(self._laws.quantiles[hours], np.float64)[:, self._columns] @ self._mean
        out: Floats = np.where(self._columns >= 0, told, np.nan).T
        return out

    def band(self, hours: Instants, low: int, high: int) -> tuple[Floats, Floats]:
        """Return two levels of the coming settlement by series and hour, NaN where it is not told."""
        told = np.asarray(self._laws.coming[hours], np.float64)[:, self._columns]
        told = np.where((self._columns >= 0)[None, :, None], told, np.nan)
        return told[:, :, low].T, told[:, :, high].T

    def draws(self, hour: int, rows: NDArray[np.intp]) -> Floats:
        """Return the joint draws of some series at an hour: (rows, scenarios)."""
        columns, laws = self._columns[rows], self._laws
        ordered = np.asarray(laws.quantiles[hour], np.float64)[columns] @ self.spread
        ranks = laws.ranks[laws.ranks_of[hour]][:, columns].T
        out: Floats = np.take_along_axis(ordered, ranks.astype(np.intp), axis=1)
        return out

    def draws_of(self, hours: Instants, rows: NDArray[np.intp]) -> Floats:
        """Return the joint draws of some series at several hours: (hours, rows, scenarios)."""
        columns, laws = self._columns[rows], self._laws
        ordered = np.asarray(laws.quantiles[hours[:, None], columns], np.float64) @ self.spread
        which, of = np.unique(laws.ranks_of[hours], return_inverse=True)
        ranks = np.swapaxes(laws.ranks[which][:, :, columns], 1, 2).astype(np.intp)[of]
        out: Floats = np.take_along_axis(ordered, ranks, axis=2)
        return out
