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
        self._prefixes: tuple[Array, Array] | None = None

    def mean(
        self, points: Points, hours: int | NDArray[np.int64], back: int = 0, min_share: float = 0.0
    ) -> Array:
        """Return means over the `hours` hours ending `back` before each point; NaN where none (or too few) is known.

        `hours`: one number, or one for each point.
        """
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
        stop = max(int(points.cols[0]) + 1 - back, 0)
        x = self._x[points.rows, max(stop - hours, 0) : stop]
        known = ~np.isnan(x)
        return np.where(known, x, 0.0).sum(axis=1), np.count_nonzero(known, axis=1).astype(np.float64)

    def _summed(self) -> tuple[Array, Array]:
        """Return the prefix sums of what is known, and of how many hours are."""
        if self._prefixes is None:
            known = ~np.isnan(self._x)
            self._prefixes = _prefix(np.where(known, self._x, 0.0)), _prefix(known)
            self._x = np.empty((0, 0))  # twice the memory would be held for nothing
        return self._prefixes


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


def others_mean(x: Array, group: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return, for each series, the mean of x over the *other* known series of its group, and their number.

    x: (series, hours); group: (series,) small integers. Both results (series, hours), mean NaN where there is none.
    """
    known = ~np.isnan(x)
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
