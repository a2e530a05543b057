"""How far apart the rows of a series should be, and where some are missing. Pure.

Few venues print the interval that a rate was charged for, and it changes (8 h → 4 h → 1 h): it is read off the
timestamps, where a longer distance that stands alone is a hole and not an interval.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.download.paging import Span

INTERVALS_H = (1.0, 2.0, 4.0, 8.0)
"""Intervals that perpetuals settle at."""


class Gap(NamedTuple):
    """Rows that a series lacks. `edge`: before the first row or after the last one, where nothing may have been."""

    span: Span
    missing: int
    edge: bool


def intervals_h(ts_ms: Sequence[int], now_h: float | None) -> NDArray[np.float64]:
    """Return the hours that each print (ascending) covered. `now_h`: the venue's present interval, where it is told."""
    if len(ts_ms) < 2:
        return np.full(len(ts_ms), now_h or 8.0)
    instants: NDArray[np.int64] = np.asarray(ts_ms, np.int64)
    apart = np.round((instants[1:] - instants[:-1]) / MINUTE_MS) * MINUTE_MS / HOUR_MS
    hours = np.empty(len(ts_ms))
    last = len(apart) - 1
    for i, here in enumerate(apart):
        before = apart[i - 1] if i else None
        after = apart[i + 1] if i < last else now_h
        hours[i + 1] = _interval(float(here), before, after)
    hours[0] = hours[1]
    return hours


def _interval(here: float, before: float | None, after: float | None) -> float:
    """Tell one distance by its neighbours."""
    beside = [float(h) for h in (after, before) if h is not None]
    if here in INTERVALS_H and (here in beside or not beside or here < min(beside)):
        return here
    return next(
        (h for h in beside if h in INTERVALS_H and here % h == 0), here if here in INTERVALS_H else 8.0
    )


def gaps(ts_ms: Sequence[int], step_ms: Sequence[float], span: Span) -> list[Gap]:
    """Return where rows are missing in a stretch.

    `ts_ms`: ascending; `step_ms`: how long before each row its predecessor is due. Without any row the whole stretch
    is one gap, counted by nothing that could be known: `missing` is 0.
    """
    inside = [(int(ts), float(step)) for ts, step in zip(ts_ms, step_ms, strict=True) if span.holds(ts)]
    if not inside:
        return [] if span.empty else [Gap(span, 0, True)]
    found = []
    (first, step), (last, last_step) = inside[0], inside[-1]
    if early := int((first - span.from_ms + MINUTE_MS) // step):
        found.append(Gap(Span(span.from_ms, first), early, True))
    for (before, _), (after, step) in pairwise(inside):
        if (lacking := round((after - before) / step) - 1) > 0:
            found.append(Gap(Span(before + 1, after), lacking, False))
    if late := int((span.to_ms - 1 - last) // last_step):
        found.append(Gap(Span(last + 1, span.to_ms), late, True))
    return found
