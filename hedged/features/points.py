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

    def take(self, x: Array, back: int | NDArray[np.int64] = 0) -> Array:
        """Return x (series, hours) `back` hours before the points; NaN before the first hour. (n,)."""
        cols = self.cols - back
        out = np.full(len(self.rows), np.nan)
        inside = cols >= 0
        out[inside] = x[self.rows[inside], cols[inside]]
        return out


class Rolling:
    """Means over trailing windows of one array (series, hours), by prefix sums; unknown hours do not count."""

    def __init__(self, x: Array) -> None:
        known = ~np.isnan(x)
        self._sum = _prefix(np.where(known, x, 0.0))
        self._count = _prefix(known.astype(np.float64))

    def mean(
        self, points: Points, hours: int | NDArray[np.int64], back: int = 0, min_share: float = 0.0
    ) -> Array:
        """Return means over the `hours` hours ending `back` before each point; NaN where none (or too few) is known.

        `hours`: one number, or one for each point.
        """
        hi = np.maximum(points.cols + 1 - back, 0)
        lo = np.maximum(hi - hours, 0)
        count = self._count[points.rows, hi] - self._count[points.rows, lo]
        total = self._sum[points.rows, hi] - self._sum[points.rows, lo]
        enough = (count > 0) & (count >= min_share * hours)
        return np.where(enough, total / np.maximum(count, 1.0), np.nan)


def _prefix(x: Array) -> Array:
    out = np.zeros((x.shape[0], x.shape[1] + 1))
    np.cumsum(x, axis=1, out=out[:, 1:])
    return out


def ewm_of_prints(level: Array, settled: NDArray[np.bool_], half_lives: tuple[float, ...]) -> Array:
    """Smooth prints by half-lives counted in prints → (half_lives, series, hours), carried forward between prints.

    A print counts once, at its settlement; before the first it is NaN.
    """
    frame = pl.DataFrame(np.where(settled, level, np.nan).T).fill_nan(None)
    ewm = [pl.all().ewm_mean(half_life=h, ignore_nulls=True).forward_fill() for h in half_lives]
    return np.stack([frame.select(e).fill_null(np.nan).to_numpy().T for e in ewm])


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
