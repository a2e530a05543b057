"""Forecasts: the law of a market's mean funding rate over a coming horizon."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import SeriesKey

LEVELS = np.array([0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95])
"""Quantile levels that every forecaster gives."""
QUANTILE_COLUMNS = tuple(f"q{round(level * 100):02d}" for level in LEVELS)
"""Their columns in a forecasts file: q05 … q95."""


@dataclass(frozen=True, slots=True)
class RateForecast:
    """Quantiles of the mean rate *per hour* of one market over the next `horizon_h` hours.

    `quantiles`: (len(LEVELS),), ascending. `p_up`: probability that this mean exceeds the last settled rate per hour.
    """

    key: SeriesKey
    made_at_ms: int
    horizon_h: float
    mean: float
    quantiles: NDArray[np.float64]
    p_up: float

    @property
    def direction_confidence(self) -> float:
        """How sure the forecast is of the rate's direction: max(p_up, 1 − p_up). It sizes nothing."""
        return max(self.p_up, 1.0 - self.p_up)


@dataclass(frozen=True, slots=True)
class ForecastSet:
    """All forecasts of one cycle, with the dependence between them.

    `scenarios`: (n_scenarios, n_series) equally likely joint draws of the mean rates per hour, columns in the order
    of `keys`. `model_hash` and `feature_hash` say what made them.
    """

    made_at_ms: int
    horizon_h: float
    keys: tuple[SeriesKey, ...]
    marginals: Mapping[SeriesKey, RateForecast]
    scenarios: NDArray[np.float64]
    model_hash: str
    feature_hash: str

    def column(self, key: SeriesKey) -> NDArray[np.float64]:
        """Return the scenarios (n_scenarios,) of one market."""
        return self.scenarios[:, self.keys.index(key)]


def quantile_function(quantiles: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate the quantile function given at LEVELS at probabilities `u`: linear between, linear beyond.

    The outermost pieces continue with the slope of the last one, so tails are finite and monotone.
    """
    inside = np.interp(u, LEVELS, quantiles)
    low = (quantiles[1] - quantiles[0]) / (LEVELS[1] - LEVELS[0])
    high = (quantiles[-1] - quantiles[-2]) / (LEVELS[-1] - LEVELS[-2])
    inside = np.where(u < LEVELS[0], quantiles[0] + (u - LEVELS[0]) * low, inside)
    out: NDArray[np.float64] = np.where(u > LEVELS[-1], quantiles[-1] + (u - LEVELS[-1]) * high, inside)
    return out


def joint_scenarios(
    quantiles: NDArray[np.float64], residuals: NDArray[np.float64], n_scenarios: int
) -> NDArray[np.float64]:
    """Join marginals into joint draws by reordering them like the ranks of recent residuals (Schaake shuffle).

    quantiles: (n_series, len(LEVELS)); residuals: (n_past, n_series), rows without NaN, latest last.
    Returns (n_scenarios, n_series). With fewer than two past rows the draws are independent: two rates that moved alike
    would make exchanging one for the other look riskless.
    Source: Clark et al. 2004, "The Schaake shuffle".
    """
    n_series = quantiles.shape[0]
    if not n_series:
        return np.empty((n_scenarios, 0))
    u = (np.arange(n_scenarios) + 0.5) / n_scenarios
    if len(residuals) >= 2:
        rows = residuals[np.linspace(0, len(residuals) - 1, n_scenarios).astype(int)]
        ranks = np.argsort(np.argsort(rows, axis=0, kind="stable"), axis=0, kind="stable")
    else:
        ranks = np.stack([np.random.default_rng(i).permutation(n_scenarios) for i in range(n_series)], axis=1)
    out = np.empty((n_scenarios, n_series))
    for column in range(n_series):
        out[:, column] = quantile_function(quantiles[column], u)[ranks[:, column]]
    return out
