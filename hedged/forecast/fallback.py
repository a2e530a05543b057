"""Two forecasters as one: the second speaks where the history of a series is too short for the first.

The ensemble refuses a series of which it has fewer than seven prints, or whose last print is overdue; of venues that
settle once a day that is a week. Where it can speak it does, however young a series is: with five days of history its
loss is half of the EWMA's (docs/forecasting.md). Where neither can, nobody does: unknown, not guessed.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import STAND_IN, ForecastSet, Span
from hedged.features.resample import HourlyGrid
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.port import Forecaster


class WithFallback:
    """`first` for the series that it can forecast, `second` for the others.

    `model_hash` names both, as does every forecast; `made_by` of a forecast says which series are whose. Series of
    one forecaster are drawn jointly, as it draws them; nothing is known of how the two groups move together, so they
    are drawn independently of each other.
    """

    def __init__(self, first: Forecaster, second: Forecaster, names: tuple[str, str]) -> None:
        """Raises ValueError for two that read different features."""
        if first.feature_hash != second.feature_hash:
            raise ValueError("both forecasters must read the same features")
        self._first, self._second, self._names = first, second, names
        self.model_hash = f"{first.model_hash}+{second.model_hash}"
        self.feature_hash = first.feature_hash

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`."""
        told = self._first.forecast(grid, now_ms, horizon_h)
        said = set(told.keys)
        rest = [row for row, key in enumerate(grid.keys) if key not in said]
        other = self._second.forecast(grid.rows(rest), now_ms, horizon_h)
        more = _shuffled(other.scenarios, len(told.scenarios))
        by = {**dict.fromkeys(told.keys, self._names[0]), **dict.fromkeys(other.keys, self._names[1])}
        return replace(
            told,
            keys=(*told.keys, *other.keys),
            marginals={**told.marginals, **other.marginals},
            scenarios=np.concatenate((told.scenarios, more), axis=1),
            model_hash=self.model_hash,
            made_by=by,
            spans=_joined(told.spans, other.spans),
            drivers={**told.drivers, **other.drivers},
        )


class StandIn:
    """The EWMA in a model's place: it says so of every series, for the gate and for whoever reads."""

    def __init__(self) -> None:
        self._inner = EwmaForecaster()
        self.model_hash, self.feature_hash = self._inner.model_hash, self._inner.feature_hash

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`.

        Neither coming settlements nor cascades: both are unknown meanwhile.
        """
        told = self._inner.forecast(grid, now_ms, horizon_h)
        return replace(told, made_by=dict.fromkeys(told.keys, STAND_IN))


def _joined(first: Sequence[Span], second: Sequence[Span]) -> tuple[Span, ...]:
    """Put the spans of both side by side."""
    joined = []
    for one, two in zip(first, second, strict=True):
        draws = np.concatenate((one.scenarios, _shuffled(two.scenarios, len(one.scenarios))), axis=1)
        parts = ((one.rests_on, one.scenarios), (two.rests_on, two.scenarios))
        texts = [text for text, its in parts if its.shape[1]]
        joined.append(Span(one.hours, draws, "; ".join(texts)))
    return tuple(joined)


def _shuffled(scenarios: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return `n` whole rows in another order: rows of both groups run from old to new, which would tie them."""
    order = np.random.default_rng(0).permutation(n)
    drawn: NDArray[np.float64] = scenarios[order % len(scenarios)]
    return drawn
