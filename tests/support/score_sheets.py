"""Grids, forecasts and judged sheets for the tests of the record."""

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import N_FIELDS
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast
from hedged.domain.market import SeriesKey
from hedged.features.resample import HourlyGrid
from hedged.forecast.record.sheet import Law, Sheet

START_MS = 1_756_684_800_000
INJ, ETH = SeriesKey("injective", "INJ"), SeriesKey("binance", "ETH")
KEYS = (INJ, ETH)
RATE = 2e-5


def grid_to(hours: int, keys: tuple[SeriesKey, ...] = KEYS) -> HourlyGrid:
    """Every hour so far settled, up and down around RATE."""
    shape = (len(keys), hours)
    swing = np.where(np.arange(1, hours + 1) % 2, 1e-6, -1e-6)
    paid = np.tile(RATE + swing, (len(keys), 1))
    times_ms = START_MS + np.arange(1, hours + 1) * HOUR_MS
    bars = np.full((*shape, N_FIELDS), np.nan, np.float32)
    return HourlyGrid(
        keys, times_ms, paid, paid, np.full(shape, 25.0), np.ones(shape), np.zeros(shape), bars, 1.0
    )


def told(rate: float, p_up: float = 0.9, made_by: dict[SeriesKey, str] | None = None) -> ForecastSet:
    """A forecast of the same sure rate for both markets."""
    laws = {key: RateForecast(key, 0, 24, rate, np.full(len(LEVELS), rate), p_up) for key in KEYS}
    return ForecastSet(0, 24, KEYS, laws, np.empty((1, 2)), "m", "f", made_by or {})


def drawn(
    n: int,
    rng: np.random.Generator,
    names: tuple[str, ...],
    keys: tuple[SeriesKey, ...] = KEYS,
    start_ms: int = START_MS,
) -> list[Sheet]:
    """Return judged sheets of random laws: s is a series' own, a few outcomes are the rate of the origin."""
    s = 1e-6 * (1 + np.arange(len(keys)))
    return [_drawn(start_ms + at * 8 * HOUR_MS, rng, names, keys, s) for at in range(n)]


def _drawn(
    origin_ms: int, rng: np.random.Generator, names: tuple[str, ...], keys: tuple[SeriesKey, ...],
    s: NDArray[np.float64],
) -> Sheet:  # fmt: skip
    last = RATE + s * rng.normal(size=len(keys))
    outcome = np.where(rng.random(len(keys)) < 0.1, last, last + s * rng.normal(size=len(keys)))
    laws = {
        name: Law(
            np.sort(last[:, None] + s[:, None] * rng.normal(size=(len(keys), len(LEVELS))), axis=1),
            rng.random(len(keys)),
        )
        for name in names
    }
    known_ms = np.full(len(keys), origin_ms + 24 * HOUR_MS)
    return Sheet(origin_ms, 24, keys, last, s, outcome, known_ms, laws, closed=True)
