"""The joint law across venues and horizons: marginals put in the order in which past forecasts missed together.

One memory serves the daemon and its evaluation. It holds, for forecasts of every eighth hour, realised − median; a
scenario takes its place in every marginal from one and the same past hour, so that draw k of one series and horizon
belongs to draw k of every other.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import joint_draws, joint_ranks

EVERY_H = 8
"""Hours of the day (0, 8, 16 UTC) whose forecasts are remembered: all venues have settled then."""
MEMORY_DAYS = 90
N_SCENARIOS = 256

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def remembered(times_ms: Ints) -> NDArray[np.bool_]:
    """Tell which instants are hours whose forecasts are remembered. (n,)."""
    on_hour: NDArray[np.bool_] = times_ms % (EVERY_H * HOUR_MS) == 0
    return on_hour


@dataclass(frozen=True, slots=True)
class Misses:
    """What past forecasts missed. `origin_ms` (origins,), ascending; `error` realised − median rate per hour, NaN where
    there was no forecast or nothing came; `known_ms` when the outcome had settled. Both (origins, series, horizons).
    """

    origin_ms: Ints
    error: Floats
    known_ms: Ints

    @classmethod
    def of(cls, origin_ms: Ints, series: Ints, error: Floats, known_ms: Ints, n_series: int) -> Self:
        """Lay out forecasts one by one: origin_ms, series (n,), error, known_ms (n, horizons)."""
        origins, at = np.unique(origin_ms, return_inverse=True)
        shape = (len(origins), n_series, error.shape[1])
        table, known = np.full(shape, np.nan), np.zeros(shape, np.int64)
        table[at, series], known[at, series] = error, known_ms
        return cls(origins, table, known)

    def settled(self, now_ms: int) -> Floats:
        """Return the errors of the last MEMORY_DAYS whose outcomes had settled by `now_ms`, the others NaN."""
        rows = slice(*np.searchsorted(self.origin_ms, (now_ms - MEMORY_DAYS * DAY_MS, now_ms), side="right"))
        return np.where(self.known_ms[rows] <= now_ms, self.error[rows], np.nan)


def together(errors: Floats) -> Floats:
    """Keep the hours at which, at every horizon, more than half of the series are known; draw the rest from their own.

    errors: (hours, series, horizons), NaN unknown. A draw is independent, so that a series with a short past is not
    taken to move with the others.
    """
    known = ~np.isnan(errors)
    rows: Floats = errors[(2 * known.sum(axis=1) > errors.shape[1]).all(axis=1)]
    rng = np.random.default_rng(0)
    out = rows.copy()
    for place in np.ndindex(rows.shape[1:]):
        column = (slice(None), *place)
        unknown = np.isnan(rows[column])
        own = rows[column][~unknown]
        missing = int(unknown.sum())
        out[column][unknown] = rng.choice(own, missing) if len(own) else rng.normal(size=missing)
    return out


def ranks_of(errors: Floats) -> Ints:
    """Rank what `together` kept: (hours, series, horizons) → (N_SCENARIOS, series, horizons), see `joint_ranks`."""
    rows, series, horizons = errors.shape
    flat = joint_ranks(errors.reshape(rows, series * horizons), N_SCENARIOS)
    return flat.reshape(N_SCENARIOS, series, horizons)


def draws_of(quantiles: Floats, ranks: Ints) -> Floats:
    """Draw jointly: quantiles (..., series, horizons, levels), ranks of `ranks_of` → (..., series, horizons, draws).

    The draws of one series and horizon are its marginal, evenly spaced in probability, whatever the ranks.
    """
    *lead, series, horizons, levels = quantiles.shape
    flat = joint_draws(
        quantiles.reshape(*lead, series * horizons, levels), ranks.reshape(len(ranks), series * horizons)
    )
    return flat.reshape(*lead, series, horizons, len(ranks))
