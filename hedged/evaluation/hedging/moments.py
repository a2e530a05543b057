"""What `features.moments` measures of a grid, at every hour of a history at once, from the hours before."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.evaluation.hedging.history import HedgeHistory
from hedged.features.moments import MIN_BASIS_SIGMA, MIN_SIGMA_PER_HOUR, MIN_USUAL_H, USUAL_H, WINDOW_H

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MomentsByHour:
    """`sigma` (hours,), `basis_sigma` (hedge venues, hours), `usual` (venues, hours) NaN where too little is known; or,
    `at` one hour, the same without the hours. See `features.moments.Moments`.
    """

    sigma: Floats
    basis_sigma: Floats
    usual: Floats

    def at(self, hour: int) -> Self:
        """Return what was known at the end of the hour of that place."""
        return type(self)(self.sigma[hour], self.basis_sigma[:, hour], self.usual[:, hour])


def moments_by_hour(history: HedgeHistory, hours: float, priced: bool) -> MomentsByHour:
    """Measure everything. Without a price nothing is risky: what is measured then is funding alone."""
    n_venues, n = len(history.keys) - 1, len(history.ts_ms)
    usual = np.stack([_usual(level) for level in history.level])
    if not priced:
        return MomentsByHour(np.zeros(n), np.zeros((n_venues, n)), usual)
    logs, step = history.log_price, max(1, round(hours))
    move = np.diff(logs[0], prepend=np.nan)
    sigma = np.maximum(_rolling_std(move, WINDOW_H), MIN_SIGMA_PER_HOUR) * hours**0.5
    basis = np.empty((n_venues, n))
    for v in range(n_venues):
        ratio = logs[1 + v] - logs[0]
        change = np.full(n, np.nan)
        change[step:] = ratio[step:] - ratio[:-step]
        basis[v] = np.maximum(_rolling_std(change, WINDOW_H - step), MIN_BASIS_SIGMA)
    return MomentsByHour(sigma, basis, usual)


def _usual(level: Floats) -> Floats:
    """Weigh the last month's levels exponentially at every hour; NaN with too few known. (hours,)."""
    weight = 0.5 ** (np.arange(WINDOW_H) / USUAL_H)
    known = np.isfinite(level)
    total = np.convolve(known.astype(float), weight)[: len(level)]
    mean = np.convolve(np.where(known, level, 0.0), weight)[: len(level)] / np.maximum(total, 1e-12)
    enough = total >= (1 - 0.5 ** (MIN_USUAL_H / USUAL_H)) * USUAL_H / np.log(2)
    out: Floats = np.where(enough, mean, np.nan)
    return out


def _rolling_std(values: Floats, window: int) -> Floats:
    """Return the standard deviation of the known values of the trailing window; 0 with fewer than two."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    sums = [np.concatenate(([0.0], np.cumsum(part))) for part in (known.astype(float), filled, filled**2)]
    hi = np.arange(1, len(values) + 1)
    lo = np.maximum(hi - window, 0)
    count, total, square = (s[hi] - s[lo] for s in sums)
    safe = np.maximum(count, 1)
    variance = np.maximum(square / safe - (total / safe) ** 2, 0.0)
    std: Floats = np.where(count > 1, np.sqrt(variance), 0.0)
    return std
