"""What came, in the forecasts' own units."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.evaluation.prints import histories, yardsticks
from hedged.evaluation.truth import QUANTILES, settle
from hedged.features.history import grid_at
from hedged.features.points import Points
from hedged.features.scale import scale_of

BINANCE, HYPERLIQUID = SeriesKey("binance", "BTC"), SeriesKey("hyperliquid", "BTC")


def of(truth, key, horizon):
    return truth.rows.filter(
        (pl.col("venue") == key.venue) & (pl.col("symbol") == key.symbol) & (pl.col("horizon") == horizon)
    )


def test_steps_are_told_by_interval_and_means_by_hour(series, make):
    """A factor of eight between forecast and truth would pass for skill or the lack of it."""
    truth = settle(make.forecasts(series, make.last_rate), series)
    data = series[BINANCE]
    first = np.searchsorted(data.funding_ts, make.FROM_MS)
    rate = data.funding_rate
    assert of(truth, BINANCE, "s1")["y"][0] == pytest.approx(rate[first + 1])
    assert of(truth, BINANCE, "s3")["y"][0] == pytest.approx(rate[first + 3])
    assert of(truth, BINANCE, "m24h")["y"][0] == pytest.approx(rate[first + 1 : first + 4].sum() / 24)
    assert of(truth, BINANCE, "s1")["last"][0] == pytest.approx(rate[first])
    assert of(truth, BINANCE, "m120h")["last"][0] == pytest.approx(rate[first] / 8)
    assert set(of(truth, BINANCE, "s1")["venue_class"]) == {"slow"}
    assert set(of(truth, HYPERLIQUID, "s1")["venue_class"]) == {"hourly"}


def test_the_yardstick_is_the_one_the_models_are_trained_by(series):
    """A second definition of s would make "within half of s" mean two things."""
    for key in (BINANCE, HYPERLIQUID):
        data = series[key]
        times_ms = np.arange(data.funding_ts[0] - HOUR_MS, data.funding_ts[-1] + HOUR_MS, HOUR_MS)
        grid = grid_at(series, [key], times_ms)
        cols = np.arange(10, len(grid.times_ms), 37)
        expected = scale_of(grid, Points(np.zeros_like(cols), cols))
        found = yardsticks(data, grid.times_ms[cols])
        np.testing.assert_allclose(found.s, expected.s, rtol=1e-4)
        np.testing.assert_allclose(found.last, expected.last, rtol=1e-6)


def test_the_yardstick_reads_no_later_print(series, make):
    """A look ahead here would leak volatility into every band that is measured in s."""
    at_ms = np.array([make.FROM_MS])
    before = yardsticks(series[BINANCE], at_ms)
    after = yardsticks(make.shaken(series, make.FROM_MS)[BINANCE], at_ms)
    assert (before.s, before.last) == (after.s, after.last)


def test_what_cannot_be_judged_is_counted_by_reason(series, make):
    """Rows that vanish silently could be the ones that were hard."""
    frame = make.forecasts(series, make.last_rate)
    cut = {key: replace(data, funding_ts=data.funding_ts[:1], funding_rate=data.funding_rate[:1],
                        funding_hours=data.funding_hours[:1]) for key, data in series.items()}  # fmt: skip
    assert settle(frame, cut).dropped == {"nothing settled yet, or a gap": len(frame)}
    early = make.forecasts(series, make.last_rate, from_ms=make.START_MS)
    truth = settle(early, series)
    assert truth.dropped == {"history too short for a yardstick": 4 * 4 * 6}
    assert len(truth.rows) + sum(truth.dropped.values()) == len(early)


def test_a_changed_schedule_is_no_miss(series, make):
    """A forecast for eight hours must not be held against a settlement that came after four."""
    frame = make.forecasts(series, make.last_rate)
    moved = pl.col("horizon").is_in(["s1", "s3"]) & (pl.col("venue") == "bybit")
    later = frame.with_columns(
        pl.when(moved)
        .then(pl.col("target_ts") + pl.duration(hours=4))
        .otherwise(pl.col("target_ts"))
        .alias("target_ts")
    )
    assert settle(later, series).dropped == {"another settlement came": frame.filter(moved).height}
    unknown = frame.with_columns(target_ts=pl.lit(None, frame.schema["target_ts"]))
    assert not settle(unknown, series).dropped


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: f.drop("q40"), "q40"),
        (lambda f: f.with_columns(q40=pl.col("q95") + 1), "descend"),
        (lambda f: f.with_columns(q05=pl.lit(float("nan"))), "unknown"),
        (lambda f: f.with_columns(p_up=pl.lit(1.2)), "probability"),
        (lambda f: pl.concat([f, f[:1]]), "twice"),
        (lambda f: f.with_columns(horizon=pl.lit("s2")), "horizon"),
    ],
)
def test_a_file_that_is_none_is_refused(series, make, spoil, says):
    """A broken file must not turn into a score."""
    with pytest.raises(DataError, match=says):
        settle(spoil(make.forecasts(series, make.last_rate)), series)


def test_baselines_are_not_told_what_came(series, make):
    """A baseline that could read y, or our quantiles, would be no baseline."""
    truth = settle(make.forecasts(series, make.last_rate), series)
    assert not {"y", "target_ts", "p_up", *QUANTILES} & set(truth.origins.columns)
    past = histories(series, truth.origins)[BINANCE]
    assert (
        past.ts[-1]
        == truth.origins.filter(pl.col("venue") == "binance")["origin_ts"].dt.epoch("ms").to_numpy().max()
    )
