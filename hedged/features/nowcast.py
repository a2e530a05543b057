"""The nowcast: what the coming settlement of a slow venue (2 … 8 h) will charge, from what its interval shows already.

Evidence is the venue's running estimate where it tells one, else prices and rates of the same coin elsewhere
(`accrual.py`); `nowcast_walk.py` learns what they mean. The law of the premium becomes the law of the rate through the
venue's function, so it holds a lump at the interest, where such venues rest half of the time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS
from hedged.features.nowcast_read import Rows, read, slow_rows
from hedged.features.nowcast_walk import Walk
from hedged.features.points import Array, Points
from hedged.features.resample import HourlyGrid
from hedged.features.scale import Scale

MIN_PRINTS = 12
"""Intervals of a series that must be over before other sources count as evidence."""
MEDIAN, LOW, HIGH = (int(np.flatnonzero(level == LEVELS)[0]) for level in (0.5, 0.1, 0.9))


class Evidence(IntEnum):
    """What a nowcast rests on."""

    NONE = 0  # no slow interval running, too short a history, or nothing known within the interval
    SOURCES = 1  # prices and rates of the same coin elsewhere
    ESTIMATE = 2  # the venue's own running estimate
    CHAIN = 3  # the accumulators from which the venue itself will make the rate


@dataclass(frozen=True, slots=True)
class Nowcast:
    """Laws of the coming rate at points (n,), NaN where `evidence` is NONE.

    `rate`: (n, levels) quantiles at LEVELS, per hour; `premium`: (n, levels) of the premium behind it, per 8 h.
    `center`: rate per hour at the expected premium. `p_up`: probability that the rate exceeds the last settled one, a
    tie counting half. `decided`: share of the interval's mean that is fixed (by the clock alone where no estimate is
    told). `settles_in_h`, `interval_h`: of the running interval, from the hour's end.
    """

    rate: Array
    premium: Array
    center: Array
    p_up: Array
    decided: Array
    settles_in_h: Array
    interval_h: Array
    evidence: NDArray[np.int8]

    @classmethod
    def nothing(cls, n: int) -> Self:
        """Return what is said where there is no evidence."""
        rate, premium = np.full((2, n, len(LEVELS)), np.nan)
        center, p_up, decided, settles_in_h, interval_h = np.full((5, n), np.nan)
        return cls(rate, premium, center, p_up, decided, settles_in_h, interval_h, np.zeros(n, np.int8))


def nowcast_features(law: Nowcast, scale: Scale) -> Iterator[tuple[str, Array]]:
    """Yield the features: where the coming rate is expected, how surely, and how much of it is fixed.

    Rates are differences from the last settled one in units of s, as in `tabular.py`; NaN without evidence. Which
    evidence it was is no feature: history tells no estimates, and a model would meet them first when it serves.
    """
    premium = law.premium / 8.0
    with np.errstate(invalid="ignore", divide="ignore"):
        yield "nowcast_center", np.clip((law.center - scale.last) / scale.s, -50, 50)
        yield "nowcast_low", np.clip((law.rate[:, LOW] - scale.last) / scale.s, -50, 50)
        yield "nowcast_high", np.clip((law.rate[:, HIGH] - scale.last) / scale.s, -50, 50)
        yield "nowcast_premium", np.clip((premium[:, MEDIAN] - scale.last) / scale.s, -100, 100)
        yield "nowcast_spread", np.clip((premium[:, HIGH] - premium[:, LOW]) / scale.s, 0, 100)
    yield "nowcast_up", law.p_up
    yield "nowcast_decided", law.decided


Nowcaster = Callable[[HourlyGrid, Points], Nowcast]
"""Returns the nowcast at points of a grid: `nowcast` below, or one that remembers the hours before."""


def nowcast(grid: HourlyGrid, points: Points) -> Nowcast:
    """Nowcast the coming settlement at points, from columns up to each point's own only."""
    rows = slow_rows(grid)
    if not np.isin(points.rows, rows).any():
        return Nowcast.nothing(len(points))
    walk = Walk(read(grid, rows))
    walk.to(len(grid.times_ms) - 1)
    return said_at(walk, points)


def said_at(walk: Walk, points: Points) -> Nowcast:
    """Return what a walk says at points, whose rows are those of its grid and whose columns its own."""
    out = Nowcast.nothing(len(points))
    mine = np.full(int(max(points.rows.max(initial=-1), walk.seen.rows.max(initial=-1))) + 1, -1)
    mine[walk.seen.rows] = np.arange(len(walk.seen.rows))
    use = np.flatnonzero(mine[points.rows] >= 0)
    if len(use):
        _fill(out, use, walk, mine[points.rows[use]], points.cols[use])
    return out


def _fill(out: Nowcast, use: Rows, walk: Walk, rows: Rows, cols: Rows) -> None:
    """Write what a walk says of (rows, cols) to the places `use`."""
    seen = walk.seen
    told = ~np.isnan(seen.estimate[rows, cols])
    sources = seen.known[rows, cols] & (walk.prints[rows, cols] > MIN_PRINTS)
    running = ~np.isnan(walk.center[rows, cols])
    evidence = np.where(told, Evidence.ESTIMATE, np.where(sources, Evidence.SOURCES, Evidence.NONE))
    evidence = np.where(running, evidence, Evidence.NONE)
    some = evidence != Evidence.NONE
    use, rows, cols = use[some], rows[some], cols[some]
    out.evidence[use] = evidence[some]
    premium, center = walk.law[rows, cols], walk.center[rows, cols]
    interest, band = seen.interest[rows, cols], seen.band[rows, cols]
    out.premium[use] = premium
    out.rate[use] = _rate(premium, interest[:, None], band[:, None])
    out.center[use] = _rate(center, interest, band)
    low, high = seen.premiums(rows, cols, seen.rate[rows, cols])
    out.p_up[use] = 1.0 - (share_below(premium, low) + share_below(premium, high)) / 2
    length, since = walk.length[rows, cols], seen.since[rows, cols]
    clock = np.array(
        [
            float(seen.rules[r].weighting.decided(np.array(x)))
            for r, x in zip(rows, since / length, strict=True)
        ]
    )
    decided = seen.decided[rows, cols]
    out.decided[use] = np.where(np.isnan(decided), clock, decided)
    out.settles_in_h[use], out.interval_h[use] = length - since, length


def _rate(premium: Array, interest: Array, band: Array) -> Array:
    """Apply the venue's function: premiums per 8 h → rates per hour."""
    off = premium - interest
    resting = np.abs(off) <= band  # exactly at the interest, whatever the rounding
    return np.where(resting & (band > 0), interest, premium - np.sign(off) * band) / 8.0


def share_below(law: Array, value: Array) -> Array:
    """Return P(X ≤ value) of laws given at LEVELS (n, levels): linear between, and beyond as far as the outer pieces.

    As `hedged.domain.forecast.quantile_function`, seen from the other side.
    """
    first = law[:, :1] - LEVELS[0] * (law[:, 1:2] - law[:, :1]) / (LEVELS[1] - LEVELS[0])
    last = law[:, -1:] + (1 - LEVELS[-1]) * (law[:, -1:] - law[:, -2:-1]) / (LEVELS[-1] - LEVELS[-2])
    x = np.concatenate((first, law, last), axis=1)
    y = np.concatenate(([0.0], LEVELS, [1.0]))
    piece = np.clip((x <= value[:, None]).sum(axis=1) - 1, 0, len(y) - 2)
    at = np.arange(len(law))
    left, right = x[at, piece], x[at, piece + 1]
    within = np.where(right > left, (value - left) / np.maximum(right - left, 1e-300), 1.0)
    share: Array = y[piece] + np.clip(within, 0.0, 1.0) * (y[piece + 1] - y[piece])
    return share
