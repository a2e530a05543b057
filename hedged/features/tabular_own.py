"""Tabular features of the series' own past, and of where the hour stands in day and week."""

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.features.points import Array, Points, Rolling
from hedged.features.resample import HourlyGrid
from hedged.features.scale import PIN_TOLERANCE, PINS, Scale, last_change
from hedged.features.tabular_shared import HALF_LIVES, Named, Shared


def own(shared: Shared, scale: Scale) -> Named:
    """Return the series' own past."""
    grid, at = shared.far
    near, now = shared.near[1], shared.now[1]
    last, s = scale.last, scale.s
    interval = at.take(grid.interval_h)
    step = np.nan_to_num(np.maximum(interval, 1.0), nan=1.0).astype(np.int64)
    for k in range(1, 9):
        yield f"lag{k}", (at.take(grid.level, k * step) - last) / s
    for hours in (24, 168):
        yield f"lag{hours}h", (at.take(grid.level, hours) - last) / s
    for i, half_life in enumerate(HALF_LIVES):
        yield f"ewm{half_life:g}", (now.take(shared.ewm[i]) - last) / s
    level = Rolling(grid.level)
    for hours in (24, 72, 168, 720):
        yield f"mean{hours}h", (level.mean(at, hours) - last) / s
    yield "seasonal", (_same_hour(grid, at, step) - last) / s
    square = Rolling(grid.level**2)
    for hours in (24, 168):
        variance = square.mean(at, hours) - level.mean(at, hours) ** 2
        yield f"sd{hours}h", np.sqrt(np.maximum(variance, 0.0)) / s
    change = Rolling(np.abs(last_change(grid)))
    yield "s_log", np.log(s / 1e-6)
    yield "s_24h", np.log((change.mean(at, 24) + 1e-8) / s)
    yield "s_168h", np.log((change.mean(at, 168) + 1e-8) / s)
    yield "level", np.arcsinh(last / s)
    yield "level_abs", np.arcsinh(last / 1.25e-5)
    yield "pin_share", scale.pin_share
    yield "pin_distance", np.clip((scale.pin - last) / s, -50, 50)
    yield "at_pin", np.where(np.isnan(scale.pin), np.nan, np.abs(last - scale.pin) < PIN_TOLERANCE)
    at_rest = np.min([np.abs(shared.near[0].level - pin) for pin in PINS], axis=0) < PIN_TOLERANCE
    rolled = Rolling(np.where(shared.settled, at_rest, np.nan))
    yield "pin_24h", rolled.mean(near, 24)
    yield "pin_168h", rolled.mean(near, 168)
    yield "interval", np.log2(interval)
    yield "phase", at.take(grid.since_h) / interval
    yield "estimate", np.clip((now.take(shared.now[0].field(Field.FUNDING_ESTIMATE)) - last) / s, -50, 50)


def _same_hour(grid: HourlyGrid, at: Points, step: NDArray[np.int64]) -> Array:
    """Return the mean rate of the last seven days at the hour of day of the coming settlement. (n,)."""
    ahead = np.minimum(step, 24)
    days = np.stack([at.take(grid.level, 24 * d - ahead) for d in range(1, 8)])
    known = ~np.isnan(days)
    total: Array = np.where(known, days, 0.0).sum(axis=0) / known.sum(axis=0)
    return total


def clock(shared: Shared, scale: Scale) -> Named:
    """Return where the hour stands in the day and the week."""
    grid, at = shared.near
    hour = (grid.times_ms[at.cols] // HOUR_MS).astype(float)
    yield "hour_sin", np.sin(2 * np.pi * hour / 24)
    yield "hour_cos", np.cos(2 * np.pi * hour / 24)
    yield "hour_of_8", hour % 8
    yield "weekday", np.floor(hour / 24 + 3) % 7
