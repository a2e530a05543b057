"""Baselines: causal, in the forecasts' units, and as strong as they claim."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.evaluation.arima import Model, arima
from hedged.evaluation.bands import Record, band_of
from hedged.evaluation.baselines import persistence, seasonal, seasonal_point, zero
from hedged.evaluation.losses import context, losses
from hedged.evaluation.metrics import metrics
from hedged.evaluation.prints import histories
from hedged.evaluation.smoothing import HALF_LIVES, ewma, smoothed, tuned
from hedged.evaluation.truth import KEY, QUANTILES, settle

ONE = SeriesKey("binance", "BTC")


def arima_on_all(past, origins):
    return arima(
        past, origins, list(past), fit=lambda _: Model(np.array([0.7]), np.empty(0), 0, 1.5e-5, 4e-6)
    )


RULES = {"zero": zero, "persistence": persistence, "seasonal": seasonal, "ewma": ewma, "arima": arima_on_all}
each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@pytest.fixture(scope="module")
def truth(series, make):
    return settle(make.forecasts(series, make.last_rate), series)


def answered(rule, series, truth):
    return rule(histories(series, truth.origins), truth.origins)


def pooled(truth, frame):
    return metrics(losses(context(truth), frame)).filter(pl.col("symbol").is_null())


@each_rule
def test_no_baseline_looks_ahead(rule, series, truth, make):
    """A baseline that knows the future cannot be beaten, and ours would be thrown away for it."""
    until_ms = make.FROM_MS + 30 * DAY_MS
    known = pl.col("origin_ts").dt.epoch("ms") <= until_ms
    before = answered(rule, series, truth).filter(known)
    after = answered(rule, make.shaken(series, until_ms), truth).filter(known)
    assert len(before) > 1_000
    assert before.equals(after)


@each_rule
def test_a_baseline_answers_the_same_origins_in_order(rule, series, truth):
    """Skipped or doubled rows would compare unlike with unlike."""
    frame = answered(rule, series, truth)
    assert frame.select(KEY).equals(truth.origins.select(KEY))
    values = frame.select(QUANTILES).to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()
    assert frame["p_up"].is_between(0, 1).all()


def test_persistence_is_scored_as_exactly_one(series, truth):
    """The point must come out of its band untouched, whatever the errors that make the band."""
    found = pooled(truth, answered(persistence, series, truth))
    assert found["relmae"].to_list() == [1.0] * 8


def test_bands_cover_what_they_say(series, truth):
    """A baseline with bad bands is easily beaten on pinball, which would prove nothing."""
    for rule in (persistence, seasonal, ewma):
        found = pooled(truth, answered(rule, series, truth))
        assert found["coverage"].is_between(0.74, 0.88).all()


def test_direction_is_that_of_the_point(series, truth):
    """The strong baseline must not lose its direction to a clumsy probability."""
    frame = answered(ewma, series, truth).join(truth.rows.select(*KEY, "last"), on=KEY)
    call = (frame["q50"] - frame["last"]).to_numpy()
    p_up = frame["p_up"].to_numpy()
    called = np.abs(call) > 1e-9
    assert (np.sign(call[called]) == np.sign(p_up[called] - 0.5)).all()
    found = pooled(truth, answered(ewma, series, truth)).filter(pl.col("rows") > 1_000)
    assert (found["ece"] < 0.04).all()


def test_the_ewma_beats_persistence_where_rates_return_to_a_mean(series, truth):
    """The strong baseline must be strong: left untuned it would flatter us."""
    found = pooled(truth, answered(ewma, series, truth))
    assert (found["relmae"] <= 1.0).all()
    assert (found.filter(pl.col("horizon").str.starts_with("m"))["relmae"] < 0.9).all()


def test_the_half_life_is_long_for_noise_and_short_for_a_walk(make):
    """A half-life that ignored the data would be no tuned EWMA."""
    rng = np.random.default_rng(0)
    noise = make.from_rates(1e-5 + rng.normal(size=600) * 1e-6, 8.0, ONE)
    walk = make.from_rates(np.cumsum(rng.normal(size=600)) * 1e-6, 8.0, ONE)
    chosen = {}
    for name, data in (("noise", noise), ("walk", walk)):
        truth = settle(make.forecasts({ONE: data}, make.last_rate), {ONE: data})
        past = histories({ONE: data}, truth.origins)
        smooth = {ONE: smoothed(past[ONE])}
        chosen[name] = HALF_LIVES[tuned(past, smooth, make.FROM_MS)["slow"][0]]
    assert chosen["noise"] >= 16
    assert chosen["walk"] <= 0.5


def test_the_seasonal_rule_finds_a_daily_pattern(make):
    """It must read the hour of the coming settlement, not of the origin."""
    days = 90
    pattern = np.tile(np.sin(np.arange(24)) * 1e-5, days)
    data = make.from_rates(pattern, 1.0, ONE)
    truth = settle(make.forecasts({ONE: data}, make.last_rate), {ONE: data})
    history = histories({ONE: data}, truth.origins)[ONE]
    point = seasonal_point(history)
    settled = slice(24 * 8, -130)
    np.testing.assert_allclose(point[settled], history.target[settled], atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(40, 400))
def test_a_band_reads_errors_known_before_its_day(seed, n):
    """An error of a mean over 120 hours is known five days late: read early it would be a look ahead."""
    rng = np.random.default_rng(seed)
    known_ms = np.sort(rng.integers(0, 60 * DAY_MS, n)) + 5 * DAY_MS
    record = Record(rng.normal(size=n), rng.normal(size=n), rng.integers(0, 2, n).astype(float), known_ms)
    at_ms = np.array([30 * DAY_MS + 7 * HOUR_MS])
    one = np.ones(1)
    cut = known_ms <= 30 * DAY_MS
    past = Record(record.error[cut], record.call[cut], record.outcome[cut], known_ms[cut])
    whole, known = (band_of(r, at_ms, one, one, one) for r in (record, past))
    np.testing.assert_array_equal(whole.quantiles, known.quantiles)
    np.testing.assert_array_equal(whole.p_up, known.p_up)


def test_without_errors_a_band_is_wide_and_even():
    """The first days of a series must not fall to a band of no width."""
    nothing = Record(np.empty(0), np.empty(0), np.empty(0), np.empty(0, np.int64))
    band = band_of(nothing, np.array([DAY_MS]), np.array([1.0]), np.array([1.0]), np.array([0.1]))
    assert band.p_up[0] == 0.5
    assert band.quantiles[0, 4] == 1.0
    assert band.quantiles[0, -1] - band.quantiles[0, 0] > 0.3


def test_the_seasonal_rule_waits_for_rare_settlements(make):
    """Three settlements of twelve hours reach past tomorrow's print: a day before the target is still to come."""
    data = make.history(ONE, 12.0, 0)
    truth = settle(make.forecasts({ONE: data}, make.last_rate), {ONE: data})
    until_ms = make.FROM_MS + 30 * DAY_MS
    known = pl.col("origin_ts").dt.epoch("ms") <= until_ms
    before = answered(seasonal, {ONE: data}, truth).filter(known)
    assert before.equals(answered(seasonal, make.shaken({ONE: data}, until_ms), truth).filter(known))
