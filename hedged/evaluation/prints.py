"""The settled prints of a series with the yardsticks that were known at each instant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.features.scale import MIN_CHANGES, MIN_SCALE, WINDOW_H
from hedged.features.targets import targets_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TIE = 1e-11
"""Rates per hour closer than this are equal; venues print no finer than 1e-10."""
LEAD_MS = 425 * DAY_MS
"""History before the first origin that baselines may use: a year to be tuned on, and what its first errors need."""


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """What was known of a series at instants (n,): `last` settled rate per hour, `s` trailing 30-day mean |change| per
    print, per hour (NaN: history too short), `interval_h` hours that the last print covered (NaN before the first).
    """

    last: Floats
    s: Floats
    interval_h: Floats


def yardsticks(data: SeriesData, at_ms: Ints) -> Yardsticks:
    """Measure at instants what `features.scale.scale_of` measures on the hourly grid, from the prints alone."""
    ts, hours = data.funding_ts, data.funding_hours
    if not len(ts):
        unknown = np.full(len(at_ms), np.nan)
        return Yardsticks(unknown, unknown, unknown)
    per_hour = data.funding_rate / hours
    change = np.abs(np.diff(per_hour, prepend=per_hour[:1]))
    total = np.concatenate(([0.0], np.cumsum(change)))
    hi = np.searchsorted(ts, at_ms, side="right")
    lo = np.searchsorted(ts, at_ms - WINDOW_H * HOUR_MS, side="right")
    # the very first print has no change
    changes = hi - np.maximum(lo, 1)
    s = np.maximum((total[hi] - total[lo]) / np.maximum(changes, 1), MIN_SCALE)
    known = hi > 0
    at = np.maximum(hi - 1, 0)
    return Yardsticks(
        last=np.where(known, per_hour[at], np.nan),
        s=np.where(known & (hi - lo > MIN_CHANGES), s, np.nan),
        interval_h=np.where(known, hours[at], np.nan),
    )


@dataclass(frozen=True, slots=True)
class History:
    """The prints that baselines of one series may read. Rates per hour; all (n,), the targets (n, horizons).

    `target` and `target_ms` reach past the print they belong to: a value may be used only from `target_ms` on.
    """

    ts: Ints
    per_hour: Floats
    hours: Floats
    s: Floats
    target: Floats
    target_ms: Ints

    def at(self, origin_ms: Ints) -> Ints:
        """Return the place of the last print at or before each origin. (n,)."""
        return np.searchsorted(self.ts, origin_ms, side="right") - 1


def histories(series: Mapping[SeriesKey, SeriesData], origins: pl.DataFrame) -> dict[SeriesKey, History]:
    """Cut the history of every series that has origins, from LEAD_MS before all of them to its own last one."""
    ms = origins["origin_ts"].dt.epoch("ms").to_numpy()
    from_ms = int(ms.min()) - LEAD_MS if len(ms) else 0
    found = {}
    for key, rows in by_series(origins):
        data = series[key]
        kept = (data.funding_ts >= from_ms) & (data.funding_ts <= int(ms[rows].max()))
        ts, hours = data.funding_ts[kept], data.funding_hours[kept]
        target = targets_of(data, ts, int(data.funding_ts[-1]) + 1)
        found[key] = History(
            ts, data.funding_rate[kept] / hours, hours, yardsticks(data, ts).s, target.rate, target.ts_ms
        )
    return found


def by_series(frame: pl.DataFrame) -> Iterator[tuple[SeriesKey, Ints]]:
    """Walk through the series of a frame with the numbers of their rows."""
    groups = (
        frame.select("venue", "symbol")
        .with_row_index("row")
        .group_by("venue", "symbol", maintain_order=True)
        .agg("row")
    )
    for venue, symbol, rows in zip(groups["venue"], groups["symbol"], groups["row"], strict=True):
        yield SeriesKey(str(venue), str(symbol)), rows.to_numpy().astype(np.int64)
