"""Figures of merit: what they must be where the answer is known."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.forecast import LEVELS
from hedged.evaluation.losses import context, coverage, losses, pinball
from hedged.evaluation.metrics import metrics
from hedged.evaluation.profiles import by_regime, by_series, reliability
from hedged.evaluation.truth import settle

FINITE = st.floats(-1e-3, 1e-3)


def scored(series, frame):
    truth = settle(frame, series)
    return losses(context(truth), truth.rows)


def pooled(table):
    return table.filter(pl.col("symbol").is_null())


def rows(**columns):
    """Scored rows as `losses` leaves them, of one series unless told otherwise."""
    n = max(len(c) for c in columns.values())
    plain = {
        "venue_class": "slow",
        "horizon": "s1",
        "venue": "binance",
        "symbol": "BTC",
        "s": 1e-6,
        "interval_h": 8.0,
    }
    numbers = dict.fromkeys(
        (
            "abs_error",
            "persistence_error",
            "pinball",
            "inside",
            "inside_half",
            "p_up",
            "confidence",
            "outcome",
        ),
        0.5,
    )
    filled = (
        plain | numbers | {"hit": 1.0, "half_s": True, "within_bp": True, "material": True, "largest": True}
    )
    filled |= {"bin": 5, "period": 0, "block": 0}
    origin = pl.Series("origin_ts", np.arange(n)).cast(pl.Datetime("ms", "UTC"))
    return pl.DataFrame([origin]).with_columns(
        row=pl.int_range(n),
        **{k: pl.Series(columns[k]) if k in columns else pl.lit(v) for k, v in filled.items()},
    )


def test_a_perfect_forecast_has_no_error(series, make):
    """Anything above zero here would be an error of the measure itself: units, joins or targets."""
    found = metrics(scored(series, make.forecasts(series, make.what_came)))
    assert found["relmae"].to_list() == [0.0] * len(found)
    assert found["pinball_bp"].max() < 1e-9
    assert found["half_s"].min() == found["within_3bp"].min() == found["coverage"].min() == 1.0


def test_persistence_is_exactly_one(series, make):
    """The yardstick of relMAE must measure itself as one, or all ratios are off by as much."""
    found = metrics(scored(series, make.forecasts(series, make.last_rate)))
    assert found["relmae"].to_list() == [1.0] * len(found)
    np.testing.assert_allclose(found["mae_bp"], found["persistence_mae_bp"])


@given(st.lists(FINITE, min_size=9, max_size=9), FINITE)
def test_pinball_is_never_negative_and_zero_only_when_right(quantiles, y):
    """A loss below zero would let a forecaster gain by being wrong."""
    loss = pinball(np.sort(quantiles)[None, :], np.array([y]))[0]
    assert loss >= 0
    assert (loss == 0) == (set(quantiles) == {y})


@given(st.floats(-5, 5), st.floats(0.1, 3))
def test_pinball_is_least_at_the_true_quantiles(shift, spread):
    """A loss that another forecast could beat in expectation would reward saying what one does not believe."""
    y = np.linspace(-4, 4, 801)
    true = np.quantile(y, LEVELS)
    honest = pinball(np.tile(true, (len(y), 1)), y).mean()
    other = pinball(np.tile(np.sort(true * spread + shift), (len(y), 1)), y).mean()
    assert other >= honest - 1e-9


def test_a_value_on_the_edge_of_a_band_counts_half():
    """Rates rest on the floor: counted whole they would flatter a band that ends there, left out they would damn it."""
    low, high = np.array([1.0, 1.0, 1.0, 1.0]), np.array([2.0, 2.0, 2.0, 1.0])
    whole, half = coverage(low, high, np.array([1.0, 1.5, 2.1, 1.0]))
    assert whole.tolist() == [1, 1, 0, 1]
    assert half.tolist() == [0.5, 1, 0, 0.5]


def test_a_calibrated_coin_has_no_calibration_error():
    """ECE must be near zero for honest probabilities, and the distance for dishonest ones."""
    rng = np.random.default_rng(0)
    p = rng.uniform(size=200_000)
    outcome = (rng.uniform(size=len(p)) < p).astype(float)
    bins = np.minimum((10 * p).astype(int), 9)
    assert pooled(metrics(rows(p_up=p, outcome=outcome, bin=bins)))["ece"].item() < 0.01
    sure = rows(p_up=np.full(1000, 0.9), outcome=np.full(1000, 0.5), bin=np.full(1000, 9))
    assert pooled(metrics(sure))["ece"].item() == pytest.approx(0.4)
    assert reliability(sure).select("p_up", "outcome").row(0) == pytest.approx((0.9, 0.5))


def test_an_unchanged_rate_is_half_an_outcome_and_no_call(series, make):
    """Half of all rates rest at the floor: counting these as misses or hits would drown the direction of the others."""
    found = scored(series, make.forecasts(series, make.last_rate, p_up=0.9))
    still = found.filter(pl.col("change") == 0)
    assert len(still) > 100
    assert set(still["outcome"]) == {0.5}
    assert still["hit"].null_count() == len(still)
    assert set(found.filter(pl.col("change") > 0)["hit"]) == {1.0}
    assert set(found.filter(pl.col("change") < 0)["hit"]) == {0.0}
    undecided = scored(series, make.forecasts(series, make.last_rate, p_up=0.5))
    assert set(undecided["hit"].drop_nulls()) == {0.5}


def test_the_largest_moves_are_a_quarter_of_the_changes_of_each_series(series, make):
    """Taken over all series at once the quarter would be the wildest coins' alone."""
    found = scored(series, make.forecasts(series, make.last_rate)).filter(pl.col("change") != 0)
    share = found.group_by("venue", "symbol", "horizon").agg(pl.col("largest").mean())["largest"]
    assert share.is_between(0.24, 0.28).all()
    parts = found.filter(horizon="s1", venue="binance").partition_by("largest", as_dict=True)
    assert parts[(True,)]["persistence_error"].min() >= parts[(False,)]["persistence_error"].max()


def test_short_series_stay_out_of_the_ratio():
    """Ten rows of a new listing must not weigh as much as a year of Bitcoin."""
    long = rows(abs_error=[0.5] * 100, persistence_error=[1.0] * 100)
    short = rows(abs_error=[9.0] * 99, persistence_error=[1.0] * 99).with_columns(symbol=pl.lit("NEW"))
    found = pooled(metrics(pl.concat([long, short])))
    assert (found["relmae"].item(), found["series"].item()) == (0.5, 1)


def test_ratios_are_a_geometric_mean():
    """Halving one series' error and doubling another's must cancel."""
    parts = [
        rows(abs_error=[e] * 100, persistence_error=[1.0] * 100).with_columns(symbol=pl.lit(symbol))
        for symbol, e in (("A", 0.5), ("B", 2.0))
    ]
    assert pooled(metrics(pl.concat(parts)))["relmae"].item() == pytest.approx(1.0)


def test_a_series_that_persistence_never_misses_has_no_ratio():
    """A constant rate would divide by zero and swallow the whole mean."""
    still = rows(abs_error=[0.1] * 100, persistence_error=[0.0] * 100)
    assert metrics(still)["relmae"].null_count() == 2


def test_the_worst_30_days_are_found():
    """A mean of 80 % can hide a month in which every other band failed."""
    table = rows(inside=[1.0] * 200 + [0.4] * 100 + [0.0] * 10, period=[0] * 200 + [1] * 100 + [2] * 10)
    assert pooled(metrics(table))["worst_coverage"].item() == pytest.approx(0.4)


def test_sure_calls_are_judged_by_themselves():
    """Confidence sizes nothing yet, but a reader will trust it: what it is worth must be told apart."""
    table = rows(confidence=[0.9] * 20 + [0.6] * 80, hit=[1.0] * 18 + [0.0] * 2 + [0.5] * 80)
    found = pooled(metrics(table))
    assert found["confident_share"].item() == pytest.approx(0.2)
    assert found["confident_accuracy"].item() == pytest.approx(0.9)


def test_regimes_are_terciles_of_a_series_own_volatility():
    """By absolute size the stormy third would be the same few coins on every day."""
    calm = rows(s=np.linspace(1, 3, 300) * 1e-6)
    wild = rows(s=np.linspace(100, 300, 300) * 1e-6).with_columns(symbol=pl.lit("WILD"))
    table = pl.concat([calm, wild])
    found = by_regime(table)
    assert found["rows"].to_list() == [200, 200, 200]
    assert found["series"].to_list() == [2, 2, 2]


def test_series_are_compared_on_common_rows_alone():
    """A baseline that answers the easy half only must not look better for it."""
    ours = rows(abs_error=[1.0] * 50 + [9.0] * 50)
    theirs = rows(abs_error=[2.0] * 100)[:50]
    assert by_series(ours, theirs)["mae"].item() == pytest.approx(0.5)
