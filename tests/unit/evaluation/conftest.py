"""Made-up funding histories and forecasts files about them."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.evaluation.truth import QUANTILES, TS
from hedged.features.targets import HORIZONS, targets_of

START_MS = 1_700_006_400_000 // DAY_MS * DAY_MS
DAYS = 150
FROM_MS = START_MS + 70 * DAY_MS
FLOOR = 1.25e-5

Series = Mapping[SeriesKey, SeriesData]
Quantiles = Callable[[SeriesData, np.ndarray, int], np.ndarray]


def history(key: SeriesKey, hours: float, seed: int, days: int = DAYS) -> SeriesData:
    """A rate that returns to a mean above the floor and rests on the floor part of the time."""
    n = int(days * 24 / hours)
    noise = np.random.default_rng(seed).normal(size=n)
    per_hour = np.maximum(lfilter([1.0], [1.0, -0.7], noise) * 4e-6 + 1.4e-5, FLOOR)
    ts = START_MS + (np.arange(n) * hours * HOUR_MS).astype(np.int64)
    return SeriesData(key, ts, per_hour * hours, np.full(n, hours), np.full(n, np.nan))


def from_rates(per_hour: np.ndarray, hours: float, key: SeriesKey) -> SeriesData:
    ts = START_MS + (np.arange(len(per_hour)) * hours * HOUR_MS).astype(np.int64)
    return SeriesData(key, ts, per_hour * hours, np.full(len(ts), hours), np.full(len(ts), np.nan))


def shaken(series: Series, after_ms: int) -> dict[SeriesKey, SeriesData]:
    """The same past, another future: every print after an instant is replaced."""
    rng = np.random.default_rng(99)
    other = {}
    for key, data in series.items():
        rate = data.funding_rate.copy()
        future = data.funding_ts > after_ms
        rate[future] += rng.normal(size=future.sum()) * 5e-5
        other[key] = replace(data, funding_rate=rate)
    return other


def forecasts_of(
    series: Series, quantiles: Quantiles, p_up: float = 0.5, from_ms: int = FROM_MS
) -> pl.DataFrame:
    """A forecasts file: `quantiles(data, origins, horizon number)` per hour → (n, levels), at every settlement."""
    parts = []
    for key, data in series.items():
        origins = data.funding_ts[data.funding_ts >= from_ms]
        target = targets_of(data, origins, int(data.funding_ts[-1]) + 1)
        for h, horizon in enumerate(HORIZONS):
            known = ~np.isnan(target.rate[:, h])
            unit = target.interval_h[known, h] if h < 2 else np.ones(known.sum())
            values = quantiles(data, origins[known], h) * unit[:, None]
            parts.append(
                pl.DataFrame({name: values[:, i] for i, name in enumerate(QUANTILES)}).with_columns(
                    venue=pl.lit(key.venue),
                    symbol=pl.lit(key.symbol),
                    origin_ts=pl.Series(origins[known]).cast(TS),
                    target_ts=pl.Series(target.ts_ms[known, h]).cast(TS),
                    horizon=pl.lit(horizon),
                    p_up=pl.lit(p_up),
                )
            )
    return pl.concat(parts)


def last_rate(data: SeriesData, origins: np.ndarray, _h: int) -> np.ndarray:
    """Persistence, and a band of no width."""
    at = np.searchsorted(data.funding_ts, origins, side="right") - 1
    return np.repeat((data.funding_rate / data.funding_hours)[at][:, None], len(QUANTILES), axis=1)


def what_came(data: SeriesData, origins: np.ndarray, h: int) -> np.ndarray:
    """The perfect forecast."""
    rate = targets_of(data, origins, int(data.funding_ts[-1]) + 1).rate[:, h]
    return np.repeat(rate[:, None], len(QUANTILES), axis=1)


@pytest.fixture(scope="session")
def series() -> dict[SeriesKey, SeriesData]:
    """Two slow series of one coin and two hourly ones."""
    keys = {
        SeriesKey("binance", "BTC"): 8.0,
        SeriesKey("bybit", "BTC"): 8.0,
        SeriesKey("hyperliquid", "BTC"): 1.0,
        SeriesKey("hyperliquid", "ETH"): 1.0,
    }
    return {key: history(key, hours, seed) for seed, (key, hours) in enumerate(keys.items())}


class Make:
    """The helpers above, for tests: modules of tests are not imported by name."""

    FROM_MS, START_MS, FLOOR = FROM_MS, START_MS, FLOOR
    history = staticmethod(history)
    from_rates = staticmethod(from_rates)
    shaken = staticmethod(shaken)
    forecasts = staticmethod(forecasts_of)
    last_rate = staticmethod(last_rate)
    what_came = staticmethod(what_came)


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make
