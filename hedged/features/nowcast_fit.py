"""What a nowcast learns: straight lines from what is read to how far the premium will move, and the law of the misses.

All on u, the premium behind a rate, per 8 h (`running_rate.py`), in units of the series' usual move. One line per hour
of the interval, together for all series of a venue with that interval length: least squares with forgetting, and a
ridge towards "it will not move". What was missed is kept as a law (`residuals.py`).
"""

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.features.points import Array
from hedged.features.residuals import Residuals
from hedged.features.running_rate import Weighting, combined

HALF_LIFE_H = 10.0 * 24
RIDGE = 20.0
MOVE_LIMIT = 7.0
"""A premium that moved farther, in units, teaches the line no more than this: one liquidation is not a habit."""
LEAST_OPEN = 0.05
"""Of an interval of which less is open, misses are measured as if this much were."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """What was said of r series during one interval of n hours that began at `start` (hours since 1970).

    `u`, `s` (r,): premium and its usual move (the unit) at its beginning. `inputs` (n, r, inputs). `center` (n, r):
    expected u by the line; `told` (n, r): the same with the venue's estimate, NaN without one; `open_share` (n, r): of
    the mean, then.
    """

    rows: Rows
    start: int
    u: Array
    s: Array
    inputs: Array
    center: Array
    told: Array
    open_share: Array


@dataclass(frozen=True, slots=True)
class Estimates:
    """Running estimates during an interval, (n, r), NaN unknown: premiums [low, high] told, share `decided`."""

    low: Array
    high: Array
    decided: Array


class Lines:
    """Weights (n, inputs) and misses of one venue and interval length n.

    Law k of the misses is that of the line k hours into the interval, law n + k that of an estimate then.
    """

    def __init__(self, n: int, inputs: int, began: int) -> None:
        """Make lines that know nothing at the hour `began` (since 1970)."""
        self.n = n
        self.weights: Array = np.zeros((n, inputs))
        self.misses = Residuals(2 * n)
        self._xx: Array = np.zeros((n, inputs, inputs))
        self._xy: Array = np.zeros((n, inputs))
        self._learnt_at = began

    def copy(self) -> "Lines":
        """Return lines that go on learning apart from these."""
        other = copy(self)  # weights and sums are replaced when something is learnt, never written to
        other.misses = self.misses.copy()
        return other

    def expected(self, over: Interval, which: Rows, low: Array, high: Array) -> Array:
        """Return u of series `which` of a finished interval, of which only [low, high] is known. (len(which),)."""
        told, line = over.told[-1, which], over.center[-1, which]
        open_share = np.maximum(over.open_share[-1, which], LEAST_OPEN)
        by_estimate = ~np.isnan(told)
        center = np.where(by_estimate, told, line)
        width = over.s[which] * np.where(by_estimate, open_share, 1.0)
        below, above = (low - center) / width, (high - center) / width
        laws = (self.misses.mean_between(law, below, above) for law in (self.n - 1, 2 * self.n - 1))
        by_line, beside = laws
        u: Array = np.clip(center + width * np.where(by_estimate, beside, by_line), low, high)
        return u

    def learn(self, over: Interval, which: Rows, u: Array, low: Array, high: Array) -> None:
        """Take in how series `which` of an interval ended: at `u`, as far as known, and surely in [low, high]."""
        s, x = over.s[which], over.inputs[:, which]
        moved = np.clip((u - over.u[which]) / s, -MOVE_LIMIT, MOVE_LIMIT)
        end = over.start + self.n
        keep = 0.5 ** ((end - self._learnt_at) / HALF_LIFE_H)
        self._learnt_at = end
        self._xx = keep * self._xx + np.einsum("kri,krj->kij", x, x)
        self._xy = keep * self._xy + np.einsum("kri,r->ki", x, moved)
        ridge = RIDGE * np.eye(x.shape[2])
        self.weights = np.asarray(np.linalg.solve(self._xx + ridge, self._xy[..., None])[..., 0], np.float64)
        self.misses.forget(keep)
        line, told = over.center[:, which], over.told[:, which]
        law = np.broadcast_to(np.arange(self.n)[:, None], line.shape)
        self._miss(law, line, np.broadcast_to(s, line.shape), low, high)
        width = s * np.maximum(over.open_share[:, which], LEAST_OPEN)
        self._miss(law + self.n, told, width, low, high)

    def _miss(self, law: Rows, center: Array, width: Array, low: Array, high: Array) -> None:
        use = ~np.isnan(center)
        below, above = (low - center) / width, (high - center) / width
        self.misses.add(law[use], below[use], above[use])


def with_estimates(
    line: Array, law: Array, beside: Array, u: Array, s: Array, told: Estimates, weighting: Weighting
) -> tuple[Array, Array]:
    """Return expected u (n, r) and its quantiles (n, r, levels) where the venue tells an estimate, NaN elsewhere.

    line, law: the same without it; `beside` (n, levels): misses in units of s × open share; u, s (r,). What is to come
    is expected to be like what was so far, the more so the longer that was. An estimate in the dead band leaves the
    premium so far as unsure as the line is, within the band.
    """
    share, left = told.decided, 1.0 - told.decided
    so_far = np.clip(line, told.low, told.high)
    coming = share * so_far + left * line
    expected = combined(weighting, so_far, coming, share, u)
    so_far_law = np.clip(law, told.low[..., None], told.high[..., None])
    mean = combined(weighting, so_far_law, coming[..., None], share[..., None], u[:, None])
    return expected, mean + (left * s)[..., None] * beside[:, None, :]
