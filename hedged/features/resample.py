"""One resampler: bars of any length (15-minute live bars, hourly or 8-hourly history) → one hourly grid.

The funding settlements behind the bars are found again from the instant of the last settled rate, so a print is
counted once, in the hour in which it settled, whatever the bar length and however late it was received. An hour in
which a print is missing is NaN, not zero.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.buffer.ring import BarWindow
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.market import SeriesKey

VERSION = 3
FEATURE_HASH = hashlib.sha256(
    ("|".join(f"{f.value}:{f.name}" for f in Field) + f"|hourly:v{VERSION}").encode()
).hexdigest()[:16]
"""Schema of what a model reads; an artefact made for another schema is refused."""


@dataclass(frozen=True, slots=True)
class HourlyGrid:
    """`times_ms`: int64 (hours,), hour ends. All others float64 (series, hours), NaN where unknown.

    `paid`: sum of the rates that settled within the hour, as fraction of notional (0 in an hour without settlement);
    `level`: the last settled rate per hour at the hour's end; `mark`: mark price at the hour's end; `interval_h`: hours
    which that rate covered; `since_h`: hours from its settlement to the hour's end.
    `bars`: float32 (series, hours, field), the last bar at or before the hour's end; a volume or liquidation there is
    that of the one bar, `bar_h` hours long.
    """

    keys: tuple[SeriesKey, ...]
    times_ms: NDArray[np.int64]
    paid: NDArray[np.float64]
    level: NDArray[np.float64]
    mark: NDArray[np.float64]
    interval_h: NDArray[np.float64]
    since_h: NDArray[np.float64]
    bars: NDArray[np.float32]
    bar_h: float

    def field(self, field: Field) -> NDArray[np.float64]:
        """Return one field of the bars as float64 (series, hours)."""
        return self.bars[:, :, field].astype(np.float64)

    def last(self, hours: int) -> "HourlyGrid":
        """Return the end of the grid: its last `hours` columns, or all where it has fewer. Nothing is copied."""
        return self._columns(slice(max(len(self.times_ms) - hours, 0), None))

    def first(self, hours: int) -> "HourlyGrid":
        """Return the beginning of the grid: what was known at the end of that hour. Nothing is copied."""
        return self._columns(slice(hours))

    def _columns(self, which: slice) -> "HourlyGrid":
        return HourlyGrid(
            self.keys, self.times_ms[which], self.paid[:, which], self.level[:, which], self.mark[:, which],
            self.interval_h[:, which], self.since_h[:, which], self.bars[:, which], self.bar_h,
        )  # fmt: skip

    def rows(self, which: Sequence[int]) -> "HourlyGrid":
        """Return some of the series, in this order."""
        at = list(which)
        return HourlyGrid(
            tuple(self.keys[i] for i in at), self.times_ms, self.paid[at], self.level[at], self.mark[at],
            self.interval_h[at], self.since_h[at], self.bars[at], self.bar_h,
        )  # fmt: skip

    @property
    def row(self) -> dict[SeriesKey, int]:
        """Rows by series."""
        return {key: i for i, key in enumerate(self.keys)}


def hourly(window: BarWindow) -> HourlyGrid:
    """Resample a window to whole hours; the last, incomplete hour is left out."""
    if len(window.times_ms):
        first = -(-int(window.times_ms[0]) // HOUR_MS)
        last = int(window.times_ms[-1]) // HOUR_MS
        times_ms = np.arange(first, last + 1, dtype=np.int64) * HOUR_MS
    else:
        times_ms = np.empty(0, np.int64)
    # last bar at or before each hour's end
    bar_of_hour = np.searchsorted(window.times_ms, times_ms, side="right") - 1
    known_to_ms = int(window.times_ms[-1]) if len(times_ms) else 0
    rows = [course_of(settlements_of(window, row), times_ms, known_to_ms) for row in range(len(window.keys))]
    paid, level, interval_h, since_h = np.array(rows).reshape(len(rows), 4, len(times_ms)).swapaxes(0, 1)
    bars = window.values[:, bar_of_hour]
    mark = bars[:, :, Field.MARK].astype(np.float64)
    return HourlyGrid(
        window.keys, times_ms, paid, level, mark, interval_h, since_h, bars, window.bar_ms / HOUR_MS
    )


@dataclass(frozen=True, slots=True)
class Prints:
    """Settlements of one series, oldest first: instants (n,), rates per hour (n,), hours covered (n,)."""

    ts_ms: NDArray[np.int64]
    per_hour: NDArray[np.float64]
    interval_h: NDArray[np.float64]


def course_of(prints: Prints, times_ms: NDArray[np.int64], known_to_ms: int) -> NDArray[np.float64]:
    """Lay one series' settlements out over hours → (4, hours): paid, level, interval_h, since_h of an `HourlyGrid`."""
    out = np.full((4, len(times_ms)), np.nan)
    if len(times_ms):
        out[0] = paid_by_hour(prints, times_ms, known_to_ms)
    # the last print at or before each hour's end
    index = np.searchsorted(prints.ts_ms, times_ms, side="right") - 1
    known = np.flatnonzero(index >= 0)
    index = index[known]
    out[1, known], out[2, known] = prints.per_hour[index], prints.interval_h[index]
    out[3, known] = (times_ms[known] - prints.ts_ms[index]) / HOUR_MS
    return out


def settlements_of(window: BarWindow, row: int) -> Prints:
    """Find the settlements that the bars of one series show."""
    return first_shown(window, row)[0]


def first_shown(window: BarWindow, row: int) -> tuple[Prints, NDArray[np.int64]]:
    """Find the settlements that the bars of one series show, and the end of the first bar that shows each."""
    rate = window.values[row, :, Field.FUNDING_SETTLED]
    interval_h = window.values[row, :, Field.SETTLED_INTERVAL_H]
    ago_s = window.values[row, :, Field.SETTLED_AGO_S].astype(np.float64)
    # without its interval and its instant a print says nothing
    seen = np.flatnonzero(~np.isnan(rate) & (interval_h > 0) & ~np.isnan(ago_s))
    # venues' jitter and float32 are far below half a minute; settlements are on whole minutes
    ts_ms = np.round((window.times_ms[seen] - ago_s[seen] * 1_000) / MINUTE_MS).astype(np.int64) * MINUTE_MS
    # sorted and once each, as first seen: a venue's lagging node may show an older print again
    ts_ms, first = np.unique(ts_ms, return_index=True)
    seen = seen[first]
    prints = Prints(ts_ms, rate[seen].astype(np.float64), interval_h[seen].astype(np.float64))
    return prints, window.times_ms[seen]


def paid_by_hour(prints: Prints, times_ms: NDArray[np.int64], known_to_ms: int) -> NDArray[np.float64]:
    """Sum prints into hours; NaN for hours not covered by the chain of prints and their intervals."""
    paid = np.full(len(times_ms), np.nan)
    if not len(prints.ts_ms) or not len(times_ms):
        return paid
    covers_from_ms = prints.ts_ms - (prints.interval_h * HOUR_MS).astype(np.int64)
    edges = np.zeros(len(times_ms) + 1, dtype=np.int64)  # +1 where an interval begins, −1 after it ends
    np.add.at(edges, np.searchsorted(times_ms, covers_from_ms, side="right"), 1)
    np.add.at(edges, np.searchsorted(times_ms, prints.ts_ms, side="right"), -1)
    paid[np.cumsum(edges[:-1]) > 0] = 0.0
    # the running interval: nothing is due yet, so nothing was paid
    due_ms = prints.ts_ms[-1] + int(prints.interval_h[-1] * HOUR_MS)
    lo, hi = np.searchsorted(times_ms, (prints.ts_ms[-1], min(due_ms - 1, known_to_ms)), side="right")
    paid[lo:hi] = 0.0
    hour = np.searchsorted(times_ms, prints.ts_ms, side="left")
    inside = (hour < len(times_ms)) & (prints.ts_ms > times_ms[0] - HOUR_MS)
    np.add.at(paid, hour[inside], (prints.per_hour * prints.interval_h)[inside])
    return paid
