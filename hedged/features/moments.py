"""How much prices move, and move together, over a horizon: what the planner's variances are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.resample import HourlyGrid

WINDOW_H = 30 * 24  # hours of price moves that are looked at
MIN_SIGMA_PER_HOUR = 0.001  # a frozen price must not look riskless
MIN_BASIS_SIGMA = 0.0005


@dataclass(frozen=True, slots=True)
class Moments:
    """`sigma`: standard deviation of a symbol's log price on Injective over the horizon. `basis_sigma`: the same of
    the change of a venue's log price against Injective's. `correlation`: of hourly moves, rows as `symbols`; 1 where it
    cannot be told (the cautious value).
    """

    horizon_h: float
    symbols: tuple[str, ...]
    sigma: Mapping[str, float]
    basis_sigma: Mapping[SeriesKey, float]
    correlation: NDArray[np.float64]

    def correlation_of(self, symbols: list[str]) -> NDArray[np.float64]:
        """Return the correlation matrix of some of the symbols, in their order."""
        index = [self.symbols.index(symbol) for symbol in symbols]
        return self.correlation[np.ix_(index, index)]


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
    return Moments(horizon_h, symbols, sigma, basis, _correlation(moves))


def _sigma(moves: NDArray[np.float64]) -> float:
    known = moves[~np.isnan(moves)]
    return max(float(known.std()) if len(known) > 1 else 0.0, MIN_SIGMA_PER_HOUR)


def _basis_sigma(log_ratio: NDArray[np.float64], horizon_h: int) -> float:
    change = log_ratio[horizon_h:] - log_ratio[:-horizon_h]
    known = change[~np.isnan(change)]
    return max(float(known.std()) if len(known) > 1 else 0.0, MIN_BASIS_SIGMA)


def _correlation(moves: NDArray[np.float64]) -> NDArray[np.float64]:
    together = moves[:, ~np.isnan(moves).any(axis=0)]
    if together.shape[1] > 2 and (together.std(axis=1) > 0).all():
        return np.atleast_2d(np.corrcoef(together))
    return np.ones((len(moves), len(moves)))
