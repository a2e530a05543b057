"""Causal primitives: what stood at, or over the hours up to, given points of a (series, hours) array.

A point (row, col) may read columns ≤ col only. Everything is computed at the points asked for, so serving one hour
costs little, and training reads the very same functions.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Points:
    """Places at which features are wanted: `rows`, `cols` int (n,)."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def in_one_hour(self) -> bool:
        """Whether there are points, all of the same hour."""
        return len(self.cols) > 0 and bool((self.cols == self.cols[0]).all())

    def take(self, x: Array, back: int | NDArray[np.int64] = 0) -> Array:
        """Return x (series, hours) `back` hours before the points; NaN before the first hour. (n,)."""
        cols = self.cols - back
        out = np.full(len(self.rows), np.nan)
        inside = cols >= 0
        out[inside] = x[self.rows[inside], cols[inside]]
        return out


class Rolling:
    """Means over trailing windows of one array (series, hours); unknown hours do not count.

    At points of many hours by prefix sums; where all points lie in one hour, as when serving, by the window's own sum.
    """

    def __init__(self, x: Array) -> None:
        self._x: Array = x
        self._known = ~np.isnan(x)
        self._some = bool(self._known.any())
        self._filled: Array | None = None
        self._prefixes: tuple[Array, Array] | None = None

    def mean(
        self, points: Points, hours: int | NDArray[np.int64], back: int = 0, min_share: float = 0.0
    ) -> Array:
        """Return means over the `hours` hours ending `back` before each point; NaN where none (or too few) is known.

        `hours`: one number, or one for each point.
        """
        if not self._some:
            return np.full(len(points), np.nan)
        if isinstance(hours, int) and self._prefixes is None and points.in_one_hour:
            total, count = self._sums(points, hours, back)
        else:
            hi = np.maximum(points.cols + 1 - back, 0)
            lo = np.maximum(hi - hours, 0)
            total, count = (x[points.rows, hi] - x[points.rows, lo] for x in self._summed())
        enough = (count > 0) & (count >= min_share * hours)
        return np.where(enough, total / np.maximum(count, 1.0), np.nan)

    def _sums(self, points: Points, hours: int, back: int) -> tuple[Array, Array]:
        """Return sum and number of what is known in the window before points of one hour."""
        if self._filled is None:
            self._filled = np.where(self._known, self._x, 0.0)
        stop = max(int(points.cols[0]) + 1 - back, 0)
        window = slice(max(stop - hours, 0), stop)
        total, count = (x[:, window].sum(axis=1, dtype=np.float64) for x in (self._filled, self._known))
        return total[points.rows], count[points.rows]

    def _summed(self) -> tuple[Array, Array]:
        """Return the prefix sums of what is known, and of how many hours are."""
        if self._prefixes is None:
            self._prefixes = _prefix(np.where(self._known, self._x, 0.0)), _prefix(self._known)
            # these would hold memory for nothing
            self._x, self._known = np.empty((0, 0)), np.empty((0, 0), bool)
        return self._prefixes


def counted(flag: NDArray[np.bool_], points: Points, hours: int) -> Array:
    """Return in how many of the `hours` hours up to each point the flag (series, hours) stood. (n,)."""
    if points.in_one_hour:
        stop = int(points.cols[0]) + 1
        whole: Array = flag[:, max(stop - hours, 0) : stop].sum(axis=1, dtype=np.float64)
        return whole[points.rows]
    upto = np.zeros((flag.shape[0], flag.shape[1] + 1), np.int32)
    np.cumsum(flag, axis=1, out=upto[:, 1:])
    hi = points.cols + 1
    return (upto[points.rows, hi] - upto[points.rows, np.maximum(hi - hours, 0)]).astype(np.float64)


def _prefix(x: Array | NDArray[np.bool_]) -> Array:
    out = np.zeros((x.shape[0], x.shape[1] + 1))
    np.cumsum(x, axis=1, out=out[:, 1:])
    return out


def ewm_of_prints(
    level: Array, settled: NDArray[np.bool_], half_lives: tuple[float, ...], hours: int
) -> Array:
    """Smooth prints by half-lives counted in prints, carried forward between prints; the last `hours` columns.

    level, settled: (series, hours) → (half_lives, series, hours). A print counts once, at its settlement; before the
    first it is NaN. All prints count, also those before the columns asked for.
    """
    frame = pl.DataFrame(np.where(settled, level, np.nan).T).fill_nan(None)
    smoothed = [
        pl.all().ewm_mean(half_life=h, ignore_nulls=True).forward_fill().tail(hours).name.suffix(f" {h}")
        for h in half_lives
    ]
    ewm = frame.select(smoothed).fill_null(np.nan).to_numpy()
    return ewm.T.reshape(len(half_lives), len(level), hours)


def ewm_lately(level: Array, settled: NDArray[np.bool_], half_lives: tuple[float, ...], hours: int) -> Array:
    """Return what `ewm_of_prints` does, up to rounding, quicker where few columns are asked for, as when serving."""
    keep = 0.5 ** (1.0 / np.array(half_lives))[:, None]
    told = settled & ~np.isnan(level)
    # off the last level, so that a rate which rests gives itself and not a rounding error, whose sign trees would read
    rest = np.nan_to_num(level[:, -1])
    off = level - rest[:, None]
    first = level.shape[1] - hours
    total, weight = _decayed(off[:, :first], told[:, :first], keep)
    out = np.empty((len(half_lives), len(level), hours))
    for col in range(hours):
        here, x = told[:, first + col], off[:, first + col]
        total = np.where(here, total * keep + x, total)
        weight = np.where(here, weight * keep + 1.0, weight)
        with np.errstate(invalid="ignore"):
            out[:, :, col] = rest + total / weight
    return out


def _decayed(x: Array, told: NDArray[np.bool_], keep: Array) -> tuple[Array, Array]:
    """Return the sums of what was told and of its weights, each print weighing keep (k, 1) times the next one.

    x, told: (series, hours) → both (k, series).
    """
    rows, cols = np.nonzero(told)
    count = np.bincount(rows, minlength=len(x))
    ago = np.cumsum(count)[rows] - 1 - np.arange(len(rows))  # how many prints came later
    prints = np.zeros((len(x), int(count.max(initial=0))))
    prints[rows, ago] = x[rows, cols]
    # no matrix product: its library would wake threads for this
    total: Array = np.einsum("kp,np->kn", keep ** np.arange(prints.shape[1]), prints)
    return total, (1.0 - keep**count) / (1.0 - keep)


def others_mean(x: Array, group: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return, for each series, the mean of x over the *other* known series of its group, and their number.

    x: (series, hours); group: (series,) small integers. Both results (series, hours), mean NaN where there is none.
    """
    known = ~np.isnan(x)
    if not known.any():
        return np.full(x.shape, np.nan), np.zeros(x.shape)
    filled = np.where(known, x, 0.0)
    total, count = _totals(filled, known, group)
    others = count[group] - known
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(others > 0, (total[group] - filled) / others, np.nan)
    return mean, others


def group_mean(x: Array, group: NDArray[np.int64]) -> Array:
    """Return, for each series, the mean of x over all known series of its group; (series, hours)."""
    known = ~np.isnan(x)
    total, count = _totals(np.where(known, x, 0.0), known, group)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = np.where(count > 0, total / count, np.nan)[group]
    return mean


def _totals(filled: Array, known: NDArray[np.bool_], group: NDArray[np.int64]) -> tuple[Array, Array]:
    """Add up values and counts by group; both (groups, hours)."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max(initial=-1)) + 1))
    return np.add.reduceat(filled[order], starts, axis=0), np.add.reduceat(
        known[order].astype(np.float64), starts, axis=0
    )


def codes(names: list[str]) -> NDArray[np.int64]:
    """Number names from 0 in order of first appearance."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(name, len(first)) for name in names], dtype=np.int64)
