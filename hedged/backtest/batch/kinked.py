"""Convex quadratic programmes with kinks, many of one shape at once: a least value that proves itself.

minimise ½·xᵀ·p·x + q·x + Σⱼ φⱼ(aⱼ·x), where φⱼ has slope `low` below `at` and `high` above. A bound or a limit is a
kink with an infinite slope, the cost of a change one with ±cost. Where it is known on which side of every kink the
answer lies, or that it lies on it, the answer is that of linear equations. The sides are those of a like programme,
mended a few times (primal-dual active sets, Hintermüller, Ito & Kunisch 2003). An answer whose slopes and sides agree
is the least value, however it was found; the others are marked as not found.
"""

from dataclasses import dataclass, field

import numpy as np
import piqp
from numpy.typing import NDArray

from hedged.backtest.batch.bars import Floats
from hedged.backtest.batch.legs import Flags, Ints

Sides = NDArray[np.int8]
STIFF = 1e8
"""What holds a value on its kink, per unit: it lies off by its slope over this."""
SIDE_TOL, SLOPE_TOL = 1e-6, 1e-6
ON = 2e-5
"""How near its kink an interior-point method leaves what lies on it."""
ROUNDS, AT_ONCE, ANCHORS = 14, 4, 3


@dataclass(frozen=True, slots=True)
class Kinks:
    """`names` (kinks,): numbers that stay from one programme to the next; `of` (kinks, variables): what is summed; by
    programme, (programmes, kinks): where, and the slopes around it.
    """

    names: Ints
    of: Floats
    at: Floats
    low: Floats
    high: Floats


@dataclass(slots=True)
class Minimiser:
    """Remembers on which side of each kink the last answer lay."""

    _sides: dict[int, int] = field(default_factory=dict)

    def minimise(self, p: Floats, q: Floats, kinks: Kinks) -> tuple[Floats, Flags]:
        """Return the answers (programmes, variables) and which of them are proven; p (programmes, variables,
        variables).
        """
        names = kinks.names.tolist()
        x, side = np.zeros_like(q), np.zeros(kinks.at.shape, dtype=np.int8)
        side[:] = [self._sides.get(name, 0) for name in names]
        left, found = np.arange(len(q)), np.zeros(len(q), dtype=bool)
        first = -1
        for anchor in range(ANCHORS + 1):
            if anchor:
                if left[0] == first:
                    break  # what comes after it is not asked for
                first = left[0]
                at_once = _solved(p[left[0]], q[left[0]], kinks, int(left[0]))
                if at_once is None:
                    break
                side[left] = at_once
            x[left], side[left], found[left] = _mended(p, q, kinks, side, left)
            left = np.flatnonzero(~found)
            if not len(left):
                break
        if found.any():
            last = side[np.flatnonzero(found)[-1]]
            self._sides.update(zip(names, last.tolist(), strict=True))
        return x, found


def _mended(p: Floats, q: Floats, kinks: Kinks, sides: Sides, bars: Ints) -> tuple[Floats, Sides, Flags]:
    """Return answers, sides and whether they agree, of some of the programmes."""
    x, side = np.zeros((len(bars), q.shape[1])), sides[bars]
    sums, diagonal = np.count_nonzero(kinks.of, axis=1) > 1, np.arange(q.shape[1])
    of_sums, of_one = kinks.of[sums], kinks.of[~sums]
    done, left = np.zeros(len(bars), dtype=bool), np.arange(len(bars))
    for turn in range(ROUNDS):
        of, mine = bars[left], side[left]
        at, low, high = kinks.at[of], kinks.low[of], kinks.high[of]
        mine[np.isposinf(at)] = -1
        # a side with an infinite slope is none to be on
        mine[(mine < 0) & np.isneginf(low) | (mine > 0) & np.isposinf(high)] = 0
        on = mine == 0
        pull = np.where(on, STIFF * at, np.where(mine < 0, -low, -high))
        stiff = np.where(on, STIFF, 0.0)
        matrix = p[of] + (of_sums.T * stiff[:, None, sums]) @ of_sums
        matrix[:, diagonal, diagonal] += stiff[:, ~sums] @ of_one
        now = np.linalg.solve(matrix, (pull @ kinks.of - q[of])[:, :, None])[:, :, 0]
        off = now @ kinks.of.T - at
        slope = STIFF * off
        then = np.where(on, 1 * (slope > high + SLOPE_TOL) - 1 * (slope < low - SLOPE_TOL), mine)
        then[(mine < 0) & (off > SIDE_TOL) | (mine > 0) & (off < -SIDE_TOL)] = 0
        agree = (then == mine).all(axis=1)
        if turn >= AT_ONCE:
            then = _one_by_one(mine, then, np.maximum(slope - high, low - slope))
        x[left], side[left], done[left] = now, then, agree
        left = left[~agree]
        if not len(left):
            break
    return x, side, done


def _one_by_one(mine: Sides, then: Sides, beyond: Floats) -> Sides:
    """Leave kinks one after another, the steepest first, and only where none is run across: where more kinks meet than
    there are values, those that share a slope all seem too steep, and leaving all of them leads back.
    """
    leaves, crosses = (mine == 0) & (then != 0), (mine != 0) & (then == 0)
    steepest = np.where(leaves, beyond, -np.inf)
    first = leaves & (np.arange(mine.shape[1]) == steepest.argmax(axis=1)[:, None])
    leaves_now = first & ~crosses.any(axis=1)[:, None]
    return np.where(crosses | leaves_now, then, mine)


def _solved(p: Floats, q: Floats, kinks: Kinks, bar: int) -> Sides | None:
    """Return the sides of one programme's answer, by PIQP; None where it gives up."""
    of, at, low, high = kinks.of, kinks.at[bar], kinks.low[bar], kinks.high[bar]
    bent = np.flatnonzero(np.isfinite(low) & np.isfinite(high) & (low < high))
    above, below = np.isposinf(high) & np.isfinite(at), np.isneginf(low)
    n, k = len(q), len(bent)
    quadratic, rows = np.zeros((n + k, n + k)), np.zeros((k + above.sum() + below.sum(), n + k))
    quadratic[:n, :n] = p
    rows[:k, :n], rows[:k, n:] = of[bent], -np.eye(k)
    rows[k:, :n] = np.concatenate((of[above], -of[below]))
    linear = np.concatenate((q + low[bent] @ of[bent], high[bent] - low[bent]))
    lows = np.concatenate((np.full(n, -np.inf), np.zeros(k)))
    solver = piqp.DenseSolver()
    solver.settings.verbose = False
    solver.settings.preconditioner_scale_cost = True
    solver.setup(
        quadratic, linear, None, None, rows, None, np.concatenate((at[bent], at[above], -at[below])), lows,
        np.full(n + k, np.inf),
    )  # fmt: skip
    if solver.solve() != piqp.PIQP_SOLVED:
        return None
    off = of @ solver.result.x[:n] - at
    out: Sides = np.where(np.abs(off) < ON, 0, np.sign(off)).astype(np.int8)
    return out
