"""Forecasts come to a walk as they stood, per hour, under the proxy rule."""

import numpy as np
import polars as pl
import pytest
from hedge_worlds import START_MS, history, series

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS, QUANTILE_COLUMNS
from hedged.evaluation.hedging.laws import carried, standing, told_by_files

UTC = pl.Datetime("ms", "UTC")


def test_a_forecast_stands_until_the_next_and_not_when_prints_are_overdue():
    """If this fails, a walk decides on a forecast of a series that has fallen silent, or on one not yet made."""
    data = series("binance", [1e-5] * 3, 8)
    law = np.arange(3.0)[:, None] * np.ones(len(LEVELS))
    at = START_MS + np.array([-1, 0, 7, 8, 27, 28]) * HOUR_MS
    found = standing((data.funding_ts, law), data, at)[:, 0]
    assert np.array_equal(found, [np.nan, 0, 0, 1, 2, np.nan], equal_nan=True)


def test_files_are_read_per_hour(tmp_path):
    """If this fails, a single settlement's forecast counts eight times."""
    past = history([1e-5] * 48, [1e-5] * 6, 8)
    row = {"venue": "binance", "symbol": "BTC", "origin_ts": START_MS, "horizon": "s1", "p_up": 0.5}
    told = {name: 8e-5 * (1 + i) for i, name in enumerate(QUANTILE_COLUMNS)}
    frame = pl.DataFrame([row | told | {"target_ts": START_MS + 8 * HOUR_MS}])
    frame.with_columns(pl.col("origin_ts", "target_ts").cast(UTC)).write_parquet(tmp_path / "f.parquet")
    (own_ms, _), (there_ms, law) = told_by_files([tmp_path / "f.parquet"], past, "s1")
    assert not len(own_ms)
    assert there_ms.tolist() == [START_MS]
    assert law[0] == pytest.approx(1e-5 * np.arange(1, 10))


def test_carrying_over_is_monotone_unbiased_and_causal():
    """If this fails, the stand-in's forecasts are not those of the rates that the rule makes of it."""
    rng = np.random.default_rng(0)
    printed = np.where(rng.random(24 * 200) < 0.6, 1.25e-5, 1.25e-5 + np.abs(rng.normal(0, 1e-5, 24 * 200)))
    made = np.where(printed > 1.25e-5, (8 * printed + 5e-4) / 24, 3.7e-5 / 24) + 4.16666e-6
    teller, own = series("hyperliquid", printed), series("injective", made)
    at = START_MS + np.arange(60, 190) * DAY_MS
    law = np.repeat([[1.4e-5, 1.6e-5, 1.8e-5]], len(at), axis=0)
    found = carried(teller, own, "m24h", at, law)
    assert (np.diff(found, axis=1) >= 0).all()
    day = printed[: len(printed) // 24 * 24].reshape(-1, 24).mean(axis=1)
    theirs = made[: len(day) * 24].reshape(-1, 24).mean(axis=1)
    near = np.abs(day - 1.6e-5) < 5e-7
    assert found[-1, 1] == pytest.approx(theirs[near].mean(), rel=0.05)
    spoilt = made.copy()
    spoilt[24 * 100 :] *= 3
    early = at < START_MS + 99 * DAY_MS
    assert np.array_equal(carried(teller, series("injective", spoilt), "m24h", at, law)[early], found[early])
