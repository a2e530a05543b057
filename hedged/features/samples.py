"""Samples: points of a grid with their features, their sequences and the rates that followed them.

The daemon asks its members about them, training learns from them: both through `samples_at`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.market import SeriesKey
from hedged.features.nowcast import Nowcaster, nowcast
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid
from hedged.features.scale import OVERDUE, Scale, scale_of
from hedged.features.sequence import sequences
from hedged.features.tabular import tabular
from hedged.features.targets import targets_of


@dataclass(frozen=True, slots=True)
class Samples:
    """Arrays of n origins. Rates per hour.

    `tabular` float32 (n, features); `sequence` float16 (n, steps, channels); `origin_ms` (n,); `series` (n,) index into
    `keys`; `last`, `s`, `pin`: the yardsticks (n,); `interval_h` (n,); `target` (n, horizons) rate per hour, NaN
    unknown; `target_ms` when it settled; `target_interval_h` hours that it covered.
    """

    keys: tuple[SeriesKey, ...]
    names: tuple[str, ...]
    tabular: NDArray[np.float32]
    sequence: NDArray[np.float16]
    origin_ms: NDArray[np.int64]
    series: NDArray[np.int64]
    last: NDArray[np.float64]
    s: NDArray[np.float64]
    pin: NDArray[np.float64]
    interval_h: NDArray[np.float64]
    target: NDArray[np.float64]
    target_ms: NDArray[np.int64]
    target_interval_h: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.origin_ms)

    @property
    def scaled_target(self) -> NDArray[np.float32]:
        """Return (y − last) / s, (n, horizons), NaN where unknown; exactly 0 where the rate stayed.

        `last` comes through float32 bars, so an unchanged rate differs from it in the eighth digit.
        """
        change = self.target - self.last[:, None]
        with np.errstate(invalid="ignore"):
            stayed = np.abs(change) < 2e-7 * np.abs(self.target) + 1e-12
        scaled: NDArray[np.float32] = np.where(stayed, 0.0, change / self.s[:, None]).astype(np.float32)
        return scaled

    @property
    def rest(self) -> NDArray[np.float64]:
        """Return (resting − last rate) / s, NaN for a series that rests nowhere. (n,)."""
        out: NDArray[np.float64] = (self.pin - self.last) / self.s
        return out

    def pick(self, which: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Self:
        """Return some of the samples; nothing is copied for a slice."""
        return replace(self, **{name: getattr(self, name)[which] for name in ARRAYS})


ARRAYS = tuple(f.name for f in fields(Samples) if f.name not in ("keys", "names"))
"""Fields of which every sample has a row."""


def joined(parts: Sequence[Samples]) -> Samples:
    """Put samples of the same series behind one another."""
    together: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS
    }
    return replace(parts[0], **together)


class Pile:
    """Samples put behind one another in arrays that grow where they are: there are never two copies of what there is.

    What `samples` returns is a view of it; nothing may be added afterwards.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._arrays: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._arrays["origin_ms"]) if self._arrays else 0

    def add(self, part: Samples) -> None:
        """Put samples on top."""
        n, self._names = len(self), part.names
        for name in ARRAYS:
            new: NDArray[Any] = getattr(part, name)
            held = self._arrays.setdefault(name, np.empty((0, *new.shape[1:]), new.dtype))
            # the kernel moves the pages of an array this large, so that growing it copies nothing
            held.resize((n + len(part), *new.shape[1:]), refcheck=False)
            held[n:] = new

    def samples(self, keys: tuple[SeriesKey, ...], rows: slice = slice(None)) -> Samples:
        """Return a run of rows, whose `series` are indices into `keys`."""
        return Samples(keys, self._names, **{name: array[rows] for name, array in self._arrays.items()})


def samples_at(
    grid: HourlyGrid,
    at: Points,
    series: Mapping[SeriesKey, SeriesData],
    index: Mapping[SeriesKey, int],
    until_ms: int,
    scale: Scale | None = None,
    nowcaster: Nowcaster = nowcast,
) -> Samples:
    """Return the samples of these points, all of which have a yardstick; targets known before `until_ms`.

    `scale`: the yardsticks there, where they have been measured already.
    """
    scale = scale_of(grid, at) if scale is None else scale
    names, features = tabular(grid, at, scale, nowcaster)
    target = np.full((len(at), 4), np.nan)
    target_ms, target_h = np.zeros((len(at), 4), np.int64), target.copy()
    for row in np.unique(at.rows):
        mine = at.rows == row
        if grid.keys[row] not in series:
            continue  # when serving, what will come is not known yet
        found = targets_of(series[grid.keys[row]], grid.times_ms[at.cols[mine]], until_ms)
        target[mine], target_ms[mine], target_h[mine] = found.rate, found.ts_ms, found.interval_h
    of_row = np.array([index[key] for key in grid.keys])
    return Samples(
        keys=tuple(index), names=tuple(names), tabular=features,
        sequence=sequences(grid, at, scale), origin_ms=grid.times_ms[at.cols],
        series=of_row[at.rows], last=scale.last, s=scale.s, pin=scale.pin, interval_h=at.take(grid.interval_h),
        target=target, target_ms=target_ms, target_interval_h=target_h,
    )  # fmt: skip


def usable(grid: HourlyGrid, at: Points) -> Points:
    """Keep the points at which a series can be forecast: enough history, and no print overdue."""
    return measured(grid, at)[0]


def measured(grid: HourlyGrid, at: Points) -> tuple[Points, Scale]:
    """Keep the usable points, with their yardsticks."""
    scale = scale_of(grid, at)
    with np.errstate(invalid="ignore"):
        ok = ~np.isnan(scale.s) & (at.take(grid.since_h) <= OVERDUE * at.take(grid.interval_h))
    kept = Scale(scale.last[ok], scale.s[ok], scale.pin[ok], scale.pin_share[ok])
    return Points(at.rows[ok], at.cols[ok]), kept
