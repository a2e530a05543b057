"""Two forecasters as one: the ensemble where a series has history enough, the EWMA where it is short.

The ensemble answers as soon as its yardstick can be measured, after a handful of prints; but of a series' first week it
remembers nothing to calibrate by, and its lookback is nearly empty. Until then, and where it refuses, the EWMA speaks,
which knows its own errors. Where that has too little too, nobody does: unknown, not guessed.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.forecast.port import Forecaster

LEAST_H = 7 * 24
"""Hours of known rates from which on a series is the first forecaster's."""


class WithFallback:
    """`first` for series with `least_h` hours of history that it can forecast, `second` for the others.

    `model_hash` names both, as does every forecast; `made_by` of a forecast says which series are whose. Series of
    one forecaster are drawn jointly, as it draws them; nothing is known of how the two groups move together, so they
    are drawn independently of each other.
    """

    def __init__(
        self, first: Forecaster, second: Forecaster, names: tuple[str, str], least_h: int = LEAST_H
    ) -> None:
        """Raises ValueError for two that read different features."""
        if first.feature_hash != second.feature_hash:
            raise ValueError("both forecasters must read the same features")
        self._first, self._second, self._names, self._least_h = first, second, names, least_h
        self.model_hash = f"{first.model_hash}+{second.model_hash}"
        self.feature_hash = first.feature_hash

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`."""
        told = self._first.forecast(
            grid, now_ms, horizon_h
        )  # of all: it learns from every hour that it is shown
        long = {key for key, hours in zip(grid.keys, _known_h(grid), strict=True) if hours >= self._least_h}
        main = [key for key in told.keys if key in long]
        rest = [row for row, key in enumerate(grid.keys) if key not in main]
        other = self._second.forecast(grid.rows(rest), now_ms, horizon_h)
        left = told.scenarios[:, [told.keys.index(key) for key in main]]
        right = _shuffled(other.scenarios, len(left))
        by = {**dict.fromkeys(main, self._names[0]), **dict.fromkeys(other.keys, self._names[1])}
        return replace(
            told,
            keys=(*main, *other.keys),
            marginals={key: told.marginals[key] for key in main} | dict(other.marginals),
            scenarios=np.concatenate((left, right), axis=1),
            model_hash=self.model_hash,
            made_by=by,
        )


def _known_h(grid: HourlyGrid) -> NDArray[np.int64]:
    """Return how many hours ago each series' rate became known first, 0 where it never was. (series,)."""
    known = ~np.isnan(grid.level)
    if not known.size:
        return np.zeros(len(known), np.int64)
    since: NDArray[np.int64] = np.where(known.any(axis=1), known.shape[1] - known.argmax(axis=1), 0)
    return since


def _shuffled(scenarios: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return `n` whole rows in another order: rows of both groups run from old to new, which would tie them."""
    order = np.random.default_rng(0).permutation(n)
    drawn: NDArray[np.float64] = scenarios[order % len(scenarios)]
    return drawn
