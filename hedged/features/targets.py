"""What a forecast is measured by: the rates that followed an origin, per hour.

s1, s3: the rate of the next and the third settlement after the origin; m24h, m120h: mean rate per hour over the
following 24 and 120 hours (sum of what settled in them, divided by the hours).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import HOUR_MS
from hedged.features.resample import Prints
from hedged.features.scale import OVERDUE

HORIZONS = ("s1", "s3", "m24h", "m120h")
STEPS = {"s1": 1, "s3": 3}
HOURS = {"m24h": 24, "m120h": 120}


@dataclass(frozen=True, slots=True)
class Targets:
    """`rate` per hour, NaN where it never came (or not by `known_until_ms`); `ts_ms` when it was settled; `interval_h`
    hours that the target settlement covered (the horizon's hours for means). All (n, horizons).
    """

    rate: NDArray[np.float64]
    ts_ms: NDArray[np.int64]
    interval_h: NDArray[np.float64]


def targets_of(data: SeriesData, origins_ms: NDArray[np.int64], known_until_ms: int) -> Targets:
    """Return the targets of one series at its origins. A target settled or received at or after `known_until_ms` is
    unknown.

    A chain of prints with a gap longer than 1.5 intervals ends there: what follows is no target.
    """
    seen = np.maximum(data.funding_ts, data.told_ms) < known_until_ms
    ts, hours = data.funding_ts[seen], data.funding_hours[seen]
    per_hour = data.funding_rate[seen] / hours
    n = len(origins_ms)
    out = Targets(np.full((n, 4), np.nan), np.zeros((n, 4), np.int64), np.full((n, 4), np.nan))
    if not len(ts):
        return out
    # chain[i]: prints i−1 and i belong together
    together = np.concatenate(([False], np.diff(ts) <= OVERDUE * hours[:-1] * HOUR_MS))
    broken = np.cumsum(~together)
    first = np.searchsorted(ts, origins_ms, side="right")
    for column, steps in enumerate(STEPS.values()):
        index = first + steps - 1
        ok = (first > 0) & (index < len(ts))
        at = np.minimum(index, len(ts) - 1)
        ok &= broken[at] == broken[np.maximum(first - 1, 0)]
        out.rate[ok, column], out.ts_ms[ok, column] = per_hour[at[ok]], ts[at[ok]]
        out.interval_h[ok, column] = hours[at[ok]]
    _means(out, Prints(ts, per_hour, hours), origins_ms, broken, known_until_ms)
    return out


def _means(
    out: Targets,
    prints: Prints,
    origins_ms: NDArray[np.int64],
    broken: NDArray[np.int64],
    known_until_ms: int,
) -> None:
    """Fill the mean-rate columns: all prints in (origin, origin + H], with the chain whole to its last and beyond."""
    ts = prints.ts_ms
    total = np.concatenate(([0.0], np.cumsum(prints.per_hour * prints.interval_h)))
    lo = np.searchsorted(ts, origins_ms, side="right")
    for column, hours in enumerate(HOURS.values(), start=len(STEPS)):
        end_ms = origins_ms + hours * HOUR_MS
        hi = np.searchsorted(ts, end_ms, side="right")
        last = np.maximum(hi - 1, 0)
        # the print after the last one may be due only after the horizon's end
        due_ms = ts[last] + (OVERDUE * prints.interval_h[last] * HOUR_MS).astype(np.int64)
        ok = (lo > 0) & (hi > lo) & (end_ms < np.minimum(due_ms, known_until_ms))
        ok &= broken[last] == broken[np.maximum(lo - 1, 0)]
        out.rate[ok, column] = (total[hi] - total[lo])[ok] / hours
        out.ts_ms[ok, column], out.interval_h[ok, column] = end_ms[ok], hours
