"""Bands around a point forecast from its own past errors, and what its calls of direction were worth, renewed daily.

The point stays the median, so that a baseline is scored by its own rule; quantiles below lie at or below it, those
above at or above. Errors are in units of s at their origin, and count from the instant at which their target settled.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtri

from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import LEVELS
from hedged.evaluation.prints import TIE, Floats, Ints

WINDOW_MS = 60 * DAY_MS
CALLS_WINDOW_MS = 180 * DAY_MS
MIN_ERRORS = 30
MAX_ERRORS = 300
STRIDES = (1, 5, 7, 11, 13, 17, 19, 23)
"""Every so manieth error is kept of a long window; none of these always meets the same hours of the day."""
CLIP = 100.0
NORMAL_SD = float(np.sqrt(np.pi / 2))
"""Standard deviation of a normal variable whose mean magnitude is 1; used while there are too few errors."""
CALL_SIZES = (0.25, 1.0)
"""Calls, (point − last) / s, are judged by past calls of the same side and about the same size."""
NO_CALL = 1e-9
PRIOR = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
PRIOR_WEIGHT = 20.0
LEAST_LEAN = 0.001
"""A call stays on its side of ½, however bad its record: a rule's direction is that of its point."""


@dataclass(frozen=True, slots=True)
class Band:
    """`quantiles` (n, levels) in the unit of the point, `p_up` (n,)."""

    quantiles: Floats
    p_up: Floats


@dataclass(frozen=True, slots=True)
class Record:
    """How a rule fared on one series and horizon, oldest first (m,): `error` and `call` (point − last), both in s;
    `outcome` 1 up, ½ unchanged, 0 down; `known_ms` when that was known.
    """

    error: Floats
    call: Floats
    outcome: Floats
    known_ms: Ints

    @classmethod
    def of(cls, point: Floats, target: Floats, last: Floats, s: Floats, known_ms: Ints) -> Self:
        """Take the forecasts (n,) whose target exists."""
        with np.errstate(invalid="ignore"):
            error = np.clip((target - point) / s, -CLIP, CLIP)
            change = np.where(np.abs(target - last) <= TIE, 0.0, target - last)
        kept = np.flatnonzero(~np.isnan(error))
        kept = kept[np.argsort(known_ms[kept], kind="stable")]
        call = (point - last)[kept] / s[kept]
        return cls(error[kept], call, (np.sign(change[kept]) + 1) / 2, known_ms[kept])


def band_of(record: Record, origin_ms: Ints, point: Floats, last: Floats, s: Floats) -> Band:
    """Return the bands at origins (n,), from what was known when the origin's day (UTC) began."""
    days, of_day = np.unique(origin_ms // DAY_MS * DAY_MS, return_inverse=True)
    past, count = _trailing(record, days)
    scaled = _quantiles(past, count)[of_day]
    middle = len(LEVELS) // 2
    scaled[:, :middle] = np.minimum(scaled[:, :middle], 0.0)
    scaled[:, middle + 1 :] = np.maximum(scaled[:, middle + 1 :], 0.0)
    scaled[:, middle] = 0.0
    scaled[count[of_day] < MIN_ERRORS] = NORMAL_SD * ndtri(LEVELS)
    p_up = _worth_of_calls(record, days)[of_day, _size_of((point - last) / s)]
    return Band(point[:, None] + s[:, None] * scaled, p_up)


def _trailing(record: Record, days: Ints) -> tuple[Floats, Ints]:
    """Return the sorted errors of the window before each day, NaN behind them, and their number. (days, MAX_ERRORS)."""
    hi = np.searchsorted(record.known_ms, days, side="right")
    lo = np.searchsorted(record.known_ms, days - WINDOW_MS, side="right")
    strides = np.array(STRIDES)
    stride = strides[np.minimum(np.searchsorted(strides, (hi - lo) / MAX_ERRORS), len(strides) - 1)]
    index = hi[:, None] - 1 - stride[:, None] * np.arange(MAX_ERRORS)
    inside = index >= lo[:, None]
    padded = np.append(record.error, np.nan)
    past = np.sort(np.where(inside, padded[np.where(inside, index, -1)], np.nan), axis=1)
    return past, inside.sum(axis=1)


def _quantiles(past: Floats, count: Ints) -> Floats:
    """Return the empirical quantiles at LEVELS, linear between neighbours. (days, levels)."""
    place = LEVELS * np.maximum(count - 1, 0)[:, None]
    low = place.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0)[:, None])
    below = np.take_along_axis(past, low, axis=1)
    out: Floats = below + (place - low) * (np.take_along_axis(past, high, axis=1) - below)
    return out


def _size_of(call: Floats) -> Ints:
    """Number a call's side and size: 0 far down … 3 none … 6 far up. (n,)."""
    size = np.searchsorted(CALL_SIZES, np.abs(call), side="right") + 1
    return len(PRIOR) // 2 + np.where(np.abs(call) <= NO_CALL, 0, np.sign(call) * size).astype(np.int64)


def _worth_of_calls(record: Record, days: Ints) -> Floats:
    """Return, for each day and size of call, how often the rate then rose, drawn to PRIOR. (days, sizes)."""
    of_size = np.eye(len(PRIOR))[_size_of(record.call)]
    empty = np.zeros((1, len(PRIOR)))
    number = np.concatenate((empty, np.cumsum(of_size, axis=0)))
    rose = np.concatenate((empty, np.cumsum(of_size * record.outcome[:, None], axis=0)))
    hi = np.searchsorted(record.known_ms, days, side="right")
    lo = np.searchsorted(record.known_ms, days - CALLS_WINDOW_MS, side="right")
    prior = np.array(PRIOR)
    worth = (rose[hi] - rose[lo] + PRIOR_WEIGHT * prior) / (number[hi] - number[lo] + PRIOR_WEIGHT)
    side = np.sign(prior - 0.5)
    leaned: Floats = np.where(
        side > 0, np.maximum(worth, 0.5 + LEAST_LEAN), np.minimum(worth, 0.5 - LEAST_LEAN)
    )
    leaned[:, side == 0] = worth[:, side == 0]
    return leaned
