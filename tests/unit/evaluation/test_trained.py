"""Trained baselines: linear regression and LightGBM."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.evaluation.lightgbm_baseline import Params, Vocabulary, fit_predict, tune
from hedged.evaluation.ridge import ridge
from hedged.evaluation.trained import time_split, told
from hedged.features.samples import Samples
from hedged.forecast.probability import share_above

KEYS = (SeriesKey("binance", "BTC"), SeriesKey("hyperliquid", "ETH"))
LEADS_H = np.array([8, 24, 24, 120])


def made_up(n, seed, from_ms=0):
    """Samples whose change is twice the first feature plus noise, in s; the second is unknown half the time."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[rng.uniform(size=n) < 0.5, 1] = np.nan
    origin_ms = from_ms + np.sort(rng.integers(0, 2000, n)) * HOUR_MS
    s = np.full(n, 1e-6)
    change = 2 * x[:, :1] + rng.normal(size=(n, 4)) * 0.5
    last = np.full(n, 1e-5)
    return Samples(
        keys=KEYS, names=("a", "b", "c", "d"), tabular=x, sequence=np.zeros((n, 0, 0), np.float16),
        origin_ms=origin_ms, series=rng.integers(0, 2, n), last=last, s=s, pin=np.full(n, np.nan),
        interval_h=np.full(n, 8.0), target=last[:, None] + s[:, None] * change,
        target_ms=origin_ms[:, None] + LEADS_H * HOUR_MS, target_interval_h=np.tile([8.0, 8.0, 24.0, 120.0], (n, 1)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def train():
    return made_up(3_000, 0)


@pytest.fixture(scope="module")
def held_out():
    return made_up(1_500, 1, from_ms=2100 * HOUR_MS)


def test_nothing_trained_on_settles_after_the_split(train):
    """Without the purge the last five days of training would hold part of the answer of the first days after."""
    early, late = time_split(train, 0.8)
    assert train.target_ms[early].max() <= train.origin_ms[late].min()
    assert len(early) > 2_000
    assert len(late) > 400
    unknown = replace(train, target=np.where(np.arange(3_000)[:, None] == early[0], np.nan, train.target))
    assert early[0] not in time_split(unknown, 0.8)[0]


def test_the_regression_finds_a_linear_law(train, held_out):
    """B2 asks to beat linear regression: it must be one that works."""
    quantiles, p_up = ridge(train, held_out)
    error = np.abs(quantiles[:, 0, 4] - held_out.target[:, 0]).mean()
    assert error < 0.45e-6
    hit = (p_up[:, 0] > 0.5) == (held_out.target[:, 0] > held_out.last)
    assert hit.mean() > 0.85
    inside = (quantiles[:, 0, 1] <= held_out.target[:, 0]) & (held_out.target[:, 0] <= quantiles[:, 0, -2])
    assert 0.7 < inside.mean() < 0.9
    assert (np.diff(quantiles, axis=2) >= 0).all()


def test_the_regression_does_not_look_ahead(train, held_out):
    """Its bands learn from errors in the test period: only from those that had settled."""
    at_ms = 2600 * HOUR_MS
    later = held_out.target_ms > at_ms
    shaken = replace(held_out, target=np.where(later, held_out.target + 3e-6, held_out.target))
    before, after = (ridge(train, part) for part in (held_out, shaken))
    known = held_out.origin_ms <= at_ms
    assert known.sum() > 200
    np.testing.assert_array_equal(before[0][known], after[0][known])
    np.testing.assert_array_equal(before[1][known], after[1][known])
    day_after = held_out.origin_ms > at_ms + 10 * DAY_MS
    assert not np.array_equal(before[0][day_after], after[0][day_after])


def test_trees_never_read_the_targets_they_are_asked_for(train, held_out):
    """The strongest baseline must be honest, or the goal set against it is out of reach."""
    params = replace(Params(), rounds=(5,) * 4, min_data_in_leaf=20)
    whole = fit_predict(train, held_out, params)
    blind = fit_predict(train, replace(held_out, target=np.full_like(held_out.target, np.nan)), params)
    for seen, unseen in zip(whole, blind, strict=True):
        np.testing.assert_array_equal(seen, unseen)
    assert (np.diff(whole[0], axis=2) >= 0).all()


def test_trees_learn_and_repeat(train, held_out):
    """The same seed must give the same baseline, and one that beats standing still."""
    params = replace(Params(), rounds=(30,) * 4, min_data_in_leaf=20)
    (one, p_up), (two, _) = (fit_predict(train, held_out, params, row_cap=2_000) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    error = np.abs(one[:, :, 4] - held_out.target).mean()
    assert ((p_up > 0.5) == (held_out.target > held_out.last[:, None])).mean() > 0.85
    assert error < 0.5 * np.abs(held_out.target - held_out.last[:, None]).mean()


def test_the_search_keeps_the_best_and_repeats(train):
    """A search that forgot its best trial, or differed from run to run, could not be trusted or checked."""
    tried = []
    best = tune(
        train, 3, np.random.default_rng(0), row_cap=1_500, on_trial=lambda _n, params: tried.append(params)
    )
    assert len(tried) == 4  # and the winner made slower
    assert best.score == min(params.score for params in tried) < 0.6
    assert best == tune(train, 3, np.random.default_rng(0), row_cap=1_500)


def test_a_coin_never_trained_on_is_unknown(train, held_out):
    """Another coin's number for an unseen one would lend it that coin's habits."""
    words = Vocabulary.of(train)
    other = replace(held_out, keys=(SeriesKey("binance", "NEW"), KEYS[1]))
    codes = words.matrix(other)[:, -2:]
    assert np.isnan(codes[held_out.series == 0, 1]).all()
    assert not np.isnan(codes[held_out.series == 0, 0]).any()
    assert np.isfinite(fit_predict(train, other, replace(Params(), rounds=(2,) * 4))[0]).all()


@given(st.floats(-3, 3), st.floats(0.1, 3))
def test_the_probability_of_a_rise_follows_from_the_quantiles(centre, spread):
    """Direction is judged by it: it must agree with the median and with the law that the quantiles tell of."""
    quantiles = centre + spread * (LEVELS - 0.5)[None, None, :]
    share = share_above(quantiles)[0, 0]
    assert share == pytest.approx(np.clip(0.5 + centre / spread, 0, 1), abs=0.02 / spread + 1e-9)


def test_a_rate_that_most_likely_stays_is_no_call():
    """Half of all rates rest: their mass at no change counts half for either side."""
    resting = np.array([-1.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.0])
    assert share_above(resting[None, None, :])[0, 0] == pytest.approx(0.5, abs=0.05)


def test_answers_come_in_the_units_of_the_file(held_out):
    """s1 and s3 are told per interval, means per hour: a slip would be a factor of eight."""
    quantiles = np.tile(np.arange(1.0, 10.0), (len(held_out), 4, 1))
    frame = told(held_out, "trees", quantiles, np.full((len(held_out), 4), 0.5))
    assert set(frame.filter(pl.col("horizon") == "s1")["q05"]) == {8.0}
    assert set(frame.filter(pl.col("horizon") == "m24h")["q95"]) == {9.0}
    assert set(frame["forecaster"]) == {"trees"}
    gaps = replace(held_out, target=np.where(np.arange(4) == 3, np.nan, held_out.target))
    assert set(told(gaps, "x", quantiles, np.full((len(gaps), 4), 0.5))["horizon"]) == {
        "s1",
        "s3",
        "m24h",
    }
