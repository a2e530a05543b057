"""How much prices move, and move together, over a horizon: what the planner's variances are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.resample import HourlyGrid

WINDOW_H = 30 * 24  # hours of price moves that are looked at
MIN_SIGMA_PER_HOUR = 0.001  # a frozen price must not look riskless
MIN_BASIS_SIGMA = 0.0005
USUAL_H = 120
"""Half-life of what a rate's usual level is; how it was chosen: docs/adr/0011."""
MIN_USUAL_H = 24
"""Hours that must be known."""


@dataclass(frozen=True, slots=True)
class Moments:
    """`sigma`: standard deviation of a symbol's log price on Injective over the horizon. `basis_sigma`: the same of
    the change of a venue's log price against Injective's. `correlation`: of hourly moves, rows as `symbols`; NaN where
    it cannot be told. `usual`: rate per hour that a series returns to; it is not there where too few hours are known.
    """

    horizon_h: float
    symbols: tuple[str, ...]
    sigma: Mapping[str, float]
    basis_sigma: Mapping[SeriesKey, float]
    correlation: NDArray[np.float64]
    usual: Mapping[SeriesKey, float] = field(default_factory=dict)

    def correlation_of(self, sides: Mapping[str, int]) -> NDArray[np.float64]:
        """Return the correlation matrix of some symbols, in their order. `sides`: +1 long, −1 short.

        Where it cannot be told it is what makes the hedges' risks add up: the same sign for equal sides, the opposite
        one otherwise. Clipped to a valid matrix.
        """
        index = [self.symbols.index(symbol) for symbol in sides]
        side = np.array(list(sides.values()), dtype=float)
        known = self.correlation[np.ix_(index, index)]
        known = np.where(np.isnan(known), np.outer(side, side), known)
        values, vectors = np.linalg.eigh(known)
        if not len(values) or values[0] >= 0:
            return known
        out: NDArray[np.float64] = (vectors * np.clip(values, 0.0, None)) @ vectors.T
        return out


def moments(grid: HourlyGrid, horizon_h: int) -> Moments:
    """Measure the moments of every market that Injective has."""
    log_marks = np.log(grid.mark[:, -WINDOW_H:])  # (series, hours)
    row = {key: i for i, key in enumerate(grid.keys)}
    symbols = tuple(key.symbol for key in grid.keys if key.venue == INJECTIVE)
    here = np.array([row[SeriesKey(INJECTIVE, symbol)] for symbol in symbols], dtype=int)
    moves = np.diff(log_marks[here], axis=1)
    sigma = {symbol: _sigma(moves[i]) * horizon_h**0.5 for i, symbol in enumerate(symbols)}
    basis = {
        key: _basis_sigma(log_marks[i] - log_marks[row[SeriesKey(INJECTIVE, key.symbol)]], horizon_h)
        for key, i in row.items()
        if key.venue != INJECTIVE and key.symbol in sigma
    }
    return Moments(horizon_h, symbols, sigma, basis, _correlation(moves), _usual(grid))


def _usual(grid: HourlyGrid) -> dict[SeriesKey, float]:
    """Weigh the last month's hourly levels exponentially, half-life USUAL_H; unknown hours have no weight."""
    level = grid.level[:, -WINDOW_H:]
    weight = 0.5 ** (np.arange(level.shape[1])[::-1] / USUAL_H) * np.isfinite(level)
    total = weight.sum(axis=1)
    mean = (weight * np.nan_to_num(level)).sum(axis=1) / np.maximum(total, 1e-12)
    enough = total >= (1 - 0.5 ** (MIN_USUAL_H / USUAL_H)) * USUAL_H / np.log(2)
    return {key: float(mean[i]) for i, key in enumerate(grid.keys) if enough[i]}


def _sigma(moves: NDArray[np.float64]) -> float:
    known = moves[~np.isnan(moves)]
    return max(float(known.std()) if len(known) > 1 else 0.0, MIN_SIGMA_PER_HOUR)


def _basis_sigma(log_ratio: NDArray[np.float64], horizon_h: int) -> float:
    change = log_ratio[horizon_h:] - log_ratio[:-horizon_h]
    known = change[~np.isnan(change)]
    return max(float(known.std()) if len(known) > 1 else 0.0, MIN_BASIS_SIGMA)


def _correlation(moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate pair by pair over the hours in which both are known; NaN with fewer than three."""
    n = len(moves)
    out = np.full((n, n), np.nan)
    np.fill_diagonal(out, 1.0)
    for i in range(n):
        for j in range(i):
            both = moves[[i, j]][:, ~np.isnan(moves[[i, j]]).any(axis=0)]
            if both.shape[1] > 2 and (both.std(axis=1) > 0).all():
                out[i, j] = out[j, i] = np.atleast_2d(np.corrcoef(both))[0, 1]
    return out
