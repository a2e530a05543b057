"""The sequence that the networks read: the last steps of a series, one step per interval, newest last.

Rates are differences from the last settled rate in units of s; every channel is squeezed by signed log1p, unknown is 0
with its own flag.
"""

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.features.points import Array, Points, Rolling, codes, group_mean, others_mean
from hedged.features.resample import HourlyGrid
from hedged.features.scale import Scale, fresh_level, lately

STEPS = 32
USUAL_H = 168
"""Hours whose mean is the usual volume and gap."""
BLOCK = 1_024
"""Sequences made at once: more need memory, fewer time."""
CHANNELS = (
    "rate", "rate_known", "others", "others_known", "hourly", "at_pin", "pin_distance", "venue", "return",
    "price_known", "volume", "gap", "open_interest", "hour_sin", "hour_cos",
)  # fmt: skip


def sequences(grid: HourlyGrid, at: Points, scale: Scale) -> NDArray[np.float16]:
    """Return float16 (n, STEPS, channels)."""
    step = np.nan_to_num(np.maximum(at.take(grid.interval_h), 1.0), nan=1.0).astype(np.int64)
    grid, at = lately(grid, at, max((STEPS + 1) * int(step.max(initial=1)), USUAL_H))
    level = fresh_level(grid)
    symbol, venue = (codes([getattr(key, part) for key in grid.keys]) for part in ("symbol", "venue"))
    with np.errstate(invalid="ignore", divide="ignore"):
        others = others_mean(level, symbol)[0]
        hourly = Rolling(others_mean(np.where(grid.interval_h <= 1.0, level, np.nan), symbol)[0])
        venue_mean = group_mean(np.clip(level, -5e-4, 5e-4), venue)
        log_mark = np.log(np.where(grid.mark > 0, grid.mark, np.nan))
        interest = grid.field(Field.OPEN_INTEREST)
        log_interest = np.log(np.where(interest > 0, interest, np.nan))
    gap = log_mark - others_mean(log_mark, symbol)[0]
    gap[gap == 0.0] = np.nan
    gap_mean, volume = Rolling(gap), Rolling(grid.field(Field.VOLUME))
    usual_volume, usual_gap = volume.mean(at, USUAL_H), gap_mean.mean(at, USUAL_H)
    out = np.zeros((len(at), STEPS, len(CHANNELS)), np.float16)
    for begin in range(0, len(at), BLOCK):
        # all steps of some sequences at once, the oldest first
        which = np.repeat(np.arange(begin, min(begin + BLOCK, len(at))), STEPS)
        back = np.tile(np.arange(STEPS - 1, -1, -1), len(which) // STEPS)
        then = Points(at.rows[which], at.cols[which] - back * step[which])
        yardstick = Scale(scale.last[which], scale.s[which], scale.pin[which], scale.pin_share[which])
        out[begin : begin + BLOCK] = _steps(
            then, step[which], grid, yardstick, level, others, hourly, venue_mean, log_mark, log_interest,
            gap_mean, usual_gap[which], volume, usual_volume[which],
        ).reshape(-1, STEPS, len(CHANNELS))  # fmt: skip
    return out


def _steps(
    then: Points, step: NDArray[np.int64], grid: HourlyGrid, scale: Scale, level: Array, others: Array,
    hourly: Rolling, venue_mean: Array, log_mark: Array, log_interest: Array, gap: Rolling, usual_gap: Array,
    volume: Rolling, usual_volume: Array,
) -> NDArray[np.float32]:  # fmt: skip
    """Return what single steps show, (n, channels)."""
    last, s = scale.last, scale.s
    rate, other = then.take(level), then.take(others)
    move = then.take(log_mark) - then.take(log_mark, step)
    hour = (grid.times_ms[np.maximum(then.cols, 0)] // HOUR_MS).astype(float)
    pin_gap = (rate - scale.pin) / s
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [
            (rate - last) / s,
            ~np.isnan(rate),
            (other - last) / s,
            ~np.isnan(other),
            (hourly.mean(then, step) - last) / s,
            np.abs(pin_gap) < 5e-9 / s,
            pin_gap,
            (then.take(venue_mean) - last) / s,
            move * 100,
            ~np.isnan(move),
            np.log(volume.mean(then, step) / usual_volume),
            (gap.mean(then, step) - usual_gap) / 8 / s,
            (then.take(log_interest) - then.take(log_interest, step)) * 100,
            np.sin(2 * np.pi * hour / 24),
            np.cos(2 * np.pi * hour / 24),
        ]
    raw = np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)
    raw = np.where(np.isfinite(raw), raw, 0.0)
    squeezed: NDArray[np.float32] = (np.sign(raw) * np.log1p(np.abs(raw))).astype(np.float32)
    return squeezed
