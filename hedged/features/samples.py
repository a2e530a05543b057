"""Training samples: every origin with its features, its sequence and the rates that followed it.

An origin is an hour at which a series settled, or (a share of them) an hour in between, since the daemon forecasts at
any hour. Nothing that was settled or known at or after `until_ms` enters, neither as input nor as target.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.features.history import Chunk, chunks
from hedged.features.nowcast import Nowcaster, nowcast
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid
from hedged.features.scale import OVERDUE, Scale, scale_of, settled_now
from hedged.features.sequence import sequences
from hedged.features.tabular import tabular
from hedged.features.targets import targets_of


@dataclass(frozen=True, slots=True)
class Sampling:
    """Shares of the origins that are kept, drawn at random by `seed`; 1 keeps all.

    `slow`: settlements of series with intervals above one hour; `hourly`: of hourly series; `hourly_alone`: of hourly
    series whose coin no other venue tells; `between`: hours between two settlements of a slow series.
    """

    slow: float = 1.0
    hourly: float = 0.40
    hourly_alone: float = 0.20
    between: float = 0.12
    seed: int = 0


FIRST_MS = 1_577_836_800_000
"""2020-01-01, where training begins: before it venues' rules and data were others."""
ALL_SETTLEMENTS = Sampling(1.0, 1.0, 1.0, 0.0)


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

    def pick(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Return some of the samples."""
        picked = {
            f.name: getattr(self, f.name)[which] for f in fields(self) if f.name not in ("keys", "names")
        }
        return type(self)(keys=self.keys, names=self.names, **picked)


def collect(
    series: Mapping[SeriesKey, SeriesData],
    from_ms: int,
    until_ms: int,
    sampling: Sampling,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Samples:
    """Collect the samples with from_ms < origin < until_ms. Raises DataError where there are none."""
    parts = []
    for part in collected(series, from_ms, until_ms, sampling):
        parts.append(part)
        on_progress((int(part.origin_ms[-1]) - from_ms) / (until_ms - from_ms))
    if not parts:
        raise DataError("no series has history enough in the window to learn from")
    return _joined(parts)


def collected(
    series: Mapping[SeriesKey, SeriesData],
    from_ms: int,
    until_ms: int,
    sampling: Sampling,
    targets_until_ms: int | None = None,
) -> Iterator[Samples]:
    """Walk through the samples with from_ms < origin < until_ms, chunk by chunk of time, each sorted by origin.

    Targets are those settled before `targets_until_ms` (default: `until_ms`).
    """
    targets_until_ms = until_ms if targets_until_ms is None else targets_until_ms
    keys = tuple(sorted(series))
    index = {key: i for i, key in enumerate(keys)}
    rng = np.random.default_rng(sampling.seed)
    for chunk in chunks(series, from_ms, until_ms - 1):
        at = _origins(chunk, sampling, rng)
        if len(at):
            order = np.argsort(at.cols, kind="stable")
            at = Points(at.rows[order], at.cols[order])
            yield samples_at(chunk.grid, at, series, index, targets_until_ms)


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
        sequence=sequences(grid, at, scale).astype(np.float16), origin_ms=grid.times_ms[at.cols],
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


def _origins(chunk: Chunk, sampling: Sampling, rng: np.random.Generator) -> Points:
    grid = chunk.grid
    settled = settled_now(grid)
    with np.errstate(invalid="ignore"):
        hourly = grid.interval_h <= 1.0
    symbols = [key.symbol for key in grid.keys]
    alone = np.array([symbols.count(symbol) == 1 for symbol in symbols])[:, None]
    share = np.where(hourly, np.where(alone, sampling.hourly_alone, sampling.hourly), sampling.slow)
    share = np.where(settled, share, np.where(hourly, 0.0, sampling.between))
    share[:, (grid.times_ms <= chunk.from_ms) | np.isnan(grid.level).all(axis=0)] = 0.0
    rows, cols = np.nonzero(rng.random(share.shape) < share)
    return usable(grid, Points(rows, cols))


def _joined(parts: list[Samples]) -> Samples:
    """Put the parts behind one another, array by array, letting go of what has been copied."""
    keys, names = parts[0].keys, parts[0].names
    arrays = {
        f.name: [getattr(part, f.name) for part in parts]
        for f in fields(Samples)
        if f.name not in ("keys", "names")
    }
    parts.clear()
    joined = {name: np.concatenate(arrays.pop(name)) for name in list(arrays)}
    return Samples(keys=keys, names=names, **joined)
