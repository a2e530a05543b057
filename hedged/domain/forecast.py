"""Forecasts: the law of a market's mean funding rate over a coming horizon."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import SeriesKey

LEVELS = np.array([0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95])
"""Quantile levels that every forecaster gives."""
STAND_IN = "ewma"
"""Who forecasts series whose history is too short for the forecaster that was asked for."""
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
class Drivers:
    """Why a forecast of one series says what it says: a sentence (of a learned model none), and what moved it.

    Rates per hour. `last` + `idle` + the sum of `moved` is the forecast's mean: `last` the last settled rate, `idle`
    what the model would add had nothing happened, `moved` by group of inputs what it adds because of them; a group
    that is missing says nothing.
    """

    text: str
    last: float = math.nan
    idle: float = 0.0
    moved: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """Joint draws of the mean rate per hour over the coming `hours`, and in words what they rest on.

    `scenarios`: (n_scenarios, n_series), columns as in the ForecastSet that holds it.
    """

    hours: int
    scenarios: NDArray[np.float64]
    rests_on: str


SPANS_H = (1, 8, 168)
"""Hours over which the funding of the book is shown, beside the horizon that decides."""


@dataclass(frozen=True, slots=True)
class CascadeView:
    """How near a coin is to a liquidation cascade within `horizon_h` hours.

    `probability`: of a forced move either way, calibrated; NaN where the past is too short. `down_share`: share of such
    moves that go down. `crowd`: the side on which open interest is one-sided, +1 longs, −1 shorts, 0 neither, None
    unknown; `evidence` says what showed it.
    """

    horizon_h: float
    probability: float
    down_share: float
    crowd: int | None = None
    evidence: str = ""

    def against(self, side: int) -> float:
        """Return the probability of a cascade against a side: down for a long (+1), up for a short (−1)."""
        return self.probability * (self.down_share if side > 0 else 1.0 - self.down_share)


@dataclass(frozen=True, slots=True)
class ForecastSet:
    """All forecasts of one cycle, with the dependence between them.

    `scenarios`: (n_scenarios, n_series) equally likely joint draws of the mean rates per hour, columns in the order
    of `keys`. `model_hash` and `feature_hash` say what made them; `made_by` names the forecaster of each series where
    there are several. `coming`: quantiles (len(LEVELS),) of the rate per hour of the coming settlement, of those series
    whose forecaster tells it; `cascades`: by coin, empty where no model tells them. `spans`: the same over the hours of
    SPANS_H; `drivers`: what moved the forecasts on Injective. Spans and drivers are for people: nothing is decided by
    them.
    """

    made_at_ms: int
    horizon_h: float
    keys: tuple[SeriesKey, ...]
    marginals: Mapping[SeriesKey, RateForecast]
    scenarios: NDArray[np.float64]
    model_hash: str
    feature_hash: str
    made_by: Mapping[SeriesKey, str] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    drivers: Mapping[SeriesKey, Drivers] = field(default_factory=dict)
    coming: Mapping[SeriesKey, NDArray[np.float64]] = field(default_factory=dict)
    cascades: Mapping[str, CascadeView] = field(default_factory=dict)

    def column(self, key: SeriesKey) -> NDArray[np.float64]:
        """Return the scenarios (n_scenarios,) of one market."""
        return self.scenarios[:, self.keys.index(key)]


def quantile_function(quantiles: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate quantile functions given at LEVELS at probabilities `u`: linear between, linear beyond.

    quantiles (..., levels), u (n,) → (..., n). The outermost pieces continue with the slope of the last one, so tails
    are finite and monotone.
    """
    piece = np.clip(np.searchsorted(LEVELS, u, side="right") - 1, 0, len(LEVELS) - 2)
    slope = np.diff(quantiles, axis=-1) / np.diff(LEVELS)
    out: NDArray[np.float64] = quantiles[..., piece] + (u - LEVELS[piece]) * slope[..., piece]
    return out


def mean_of(quantiles: NDArray[np.float64], n: int = 256) -> NDArray[np.float64]:
    """Return the mean of `n` draws, evenly spaced in probability, of quantile functions: (..., levels) → (...)."""
    out: NDArray[np.float64] = quantile_function(quantiles, (np.arange(n) + 0.5) / n).mean(axis=-1)
    return out


def joint_ranks(residuals: NDArray[np.float64], n_scenarios: int) -> NDArray[np.int64]:
    """Rank recent residuals: scenario k takes from each column the draw whose place in order of size is ranks[k].

    residuals: (n_past, columns), rows without NaN, latest last → (n_scenarios, columns), each column a permutation.
    With fewer than two past rows the columns are independent: two rates that moved alike would make exchanging one for
    the other look riskless. Source: Clark et al. 2004, "The Schaake shuffle".
    """
    if len(residuals) < 2:
        columns = range(residuals.shape[1])
        orders = [np.random.default_rng(i).permutation(n_scenarios) for i in columns]
        return np.array(orders, dtype=np.int64).reshape(len(columns), n_scenarios).T
    rows = residuals[np.linspace(0, len(residuals) - 1, n_scenarios).astype(int)]
    return np.argsort(np.argsort(rows, axis=0, kind="stable"), axis=0, kind="stable")


def joint_draws(quantiles: NDArray[np.float64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Draw from marginals in the order of `joint_ranks`: each column's draws are those of its own law, reordered.

    quantiles (..., columns, levels), ranks (n_scenarios, columns) → (..., columns, n_scenarios).
    """
    n = len(ranks)
    ordered = quantile_function(quantiles, (np.arange(n) + 0.5) / n)
    return np.take_along_axis(ordered, np.broadcast_to(ranks.T, ordered.shape), axis=-1)


def joint_scenarios(
    quantiles: NDArray[np.float64], residuals: NDArray[np.float64], n_scenarios: int
) -> NDArray[np.float64]:
    """Join marginals into joint draws by reordering them like the ranks of recent residuals.

    quantiles: (n_series, len(LEVELS)); residuals: (n_past, n_series), see `joint_ranks`. Returns
    (n_scenarios, n_series).
    """
    return joint_draws(quantiles, joint_ranks(residuals, n_scenarios)).T
