"""Markets whose premium is known second by second, so that what a venue will charge can be told exactly."""

from dataclasses import dataclass, replace

import numpy as np

from hedged.domain.bars import N_FIELDS, Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.features.resample import HourlyGrid
from hedged.features.running_rate import Weighting, rule_of

START_MS = 1_756_684_800_000  # midnight UTC
PER_HOUR = 12  # premiums per hour
GRID_ARRAYS = ("paid", "level", "mark", "interval_h", "since_h", "bars")


@dataclass(frozen=True)
class World:
    """`venue` settles every `interval_h` hours on a mean-reverting premium (AR(1), hourly `phi`, stationary `sd`)."""

    venue: str = "binance"
    interval_h: int = 8
    days: int = 70
    coins: int = 1
    phi: float = 0.9
    mean: float = -6e-4
    sd: float = 3e-4
    tells_estimate: bool = False
    twin: str | None = None  # a venue that settles hourly on the same premium, without a dead band
    rest_8h: float = 1e-4  # the interest


def premium_path(world: World, coin: int, seed: int) -> np.ndarray:
    """Premiums (hours × PER_HOUR,): entry i holds during the i-th twelfth of an hour."""
    rng = np.random.default_rng((seed, coin))
    phi = world.phi ** (1 / PER_HOUR)
    shocks = rng.normal(0, world.sd * np.sqrt(1 - phi**2), world.days * 24 * PER_HOUR)
    path = np.empty_like(shocks)
    path[0] = 0.0
    for i in range(1, len(path)):
        path[i] = phi * path[i - 1] + shocks[i]
    return path + world.mean


def premium_grid(world: World, seed: int = 0) -> HourlyGrid:
    """What the venue (and its twin) settled and told, hour by hour; column c ends hour c after START_MS."""
    hours = world.days * 24
    keys = [SeriesKey(world.venue, f"COIN{i}") for i in range(world.coins)]
    keys += [SeriesKey(world.twin, f"COIN{i}") for i in range(world.coins)] if world.twin else []
    parts = [_slow(world, premium_path(world, i, seed)) for i in range(world.coins)]
    parts += [_hourly(premium_path(world, i, seed)) for i in range(world.coins)] if world.twin else []
    level, paid, interval_h, since_h, bars = (np.stack(x) for x in zip(*parts, strict=True))
    times_ms = START_MS + np.arange(hours) * HOUR_MS
    unknown = np.full((len(keys), hours), np.nan)
    return HourlyGrid(tuple(keys), times_ms, paid, level, unknown, interval_h, since_h, bars, 1.0)


def _slow(world: World, path: np.ndarray) -> tuple[np.ndarray, ...]:
    n, hours = world.interval_h, world.days * 24
    rule = rule_of(world.venue).resting_at(world.rest_8h / 8)
    bars = np.full((hours, N_FIELDS), np.nan, np.float32)
    level, paid = np.full(hours, np.nan), np.zeros(hours)
    for end in range(n, hours + 1, n):
        inside = path[(end - n) * PER_HOUR : end * PER_HOUR]
        if end < hours:
            level[end : end + n] = rule.rate(running_mean(inside, rule.weighting)[-1:])[0]
            paid[end] = n * level[end]
        for hour in range(end - n + 1, end):
            told = told_mean(path, hour, end - n, n, rule.weighting)
            if world.tells_estimate and not np.isnan(told):
                bars[hour, Field.FUNDING_ESTIMATE] = rule.rate(np.array([told]))[0]
    since = np.arange(hours) % n
    bars[:, Field.SETTLES_IN_S] = 3_600 * (n - since)
    bars[:, Field.INTERVAL_H] = n
    return level, paid, np.full(hours, float(n)), since.astype(float), bars


def _hourly(path: np.ndarray) -> tuple[np.ndarray, ...]:
    level = np.concatenate(([np.nan], path.reshape(-1, PER_HOUR).mean(axis=1)[:-1])) / 8
    bars = np.full((len(level), N_FIELDS), np.nan, np.float32)
    return level, level.copy(), np.ones(len(level)), np.zeros(len(level)), bars


def running_mean(inside: np.ndarray, weighting: Weighting) -> np.ndarray:
    """Mean of an interval's premiums up to each of them, as the venue weighs them."""
    weights = np.arange(1.0, len(inside) + 1) if weighting is Weighting.RISING else np.ones(len(inside))
    return np.cumsum(weights * inside) / np.cumsum(weights)


def told_mean(path: np.ndarray, hour: int, start: int, n: int, weighting: Weighting) -> float:
    """The mean premium behind the rate that a venue tells at an hour of the interval that began at `start`."""
    if weighting is Weighting.TRAILING:
        return path[(hour - n) * PER_HOUR : hour * PER_HOUR].mean() if hour >= n else np.nan
    return running_mean(path[start * PER_HOUR : hour * PER_HOUR], weighting)[-1]


def until(grid: HourlyGrid, hours: int) -> HourlyGrid:
    """The first `hours` columns."""
    cut = {name: getattr(grid, name)[:, :hours].copy() for name in GRID_ARRAYS}
    return replace(grid, times_ms=grid.times_ms[:hours], **cut)


def without(grid: HourlyGrid, field: Field, columns: slice = slice(None)) -> HourlyGrid:
    """The same with a field unknown in some columns."""
    bars = grid.bars.copy()
    bars[:, columns, field] = np.nan
    return replace(grid, bars=bars)
