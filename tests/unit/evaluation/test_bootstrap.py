"""Intervals of ratios."""

import numpy as np
import polars as pl
import pytest

from hedged.evaluation.bootstrap import ratios

CELL = ("slow", "s1")


def table(loss, weeks=20, series=3, per_week=40):
    n = weeks * series * per_week
    return pl.DataFrame(
        {
            "row": np.arange(n),
            "venue_class": ["slow"] * n,
            "horizon": ["s1"] * n,
            "venue": ["binance"] * n,
            "symbol": [f"C{i % series}" for i in range(n)],
            "block": np.arange(n) // (series * per_week),
            "abs_error": loss(n),
        }
    )


def test_a_forecaster_against_itself_is_one_for_sure():
    """An interval around one here would mean that numerator and base were drawn apart."""
    ours = table(lambda n: np.random.default_rng(0).exponential(size=n))
    found = ratios(ours, ours, "abs_error", np.random.default_rng(1))[CELL]
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert (found.series, found.rows) == (3, len(ours))


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """An interval too narrow would call luck skill."""
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ours, theirs = (table(lambda n, rng=rng: rng.exponential(size=n), weeks=12) for _ in range(2))
        found = ratios(ours, theirs, "abs_error", rng)[CELL]
        hits += found.low <= 1.0 <= found.high
    assert 50 <= hits <= 60


def test_weeks_that_differ_widen_the_interval():
    """Rows of one week are no independent draws: treated as such, the interval would be far too narrow."""
    rng = np.random.default_rng(3)
    weekly = np.repeat(rng.lognormal(0, 1, 20), 120)
    theirs = table(np.ones)
    jumpy = ratios(table(lambda n: weekly), theirs, "abs_error", np.random.default_rng(0))[CELL]
    mixed = ratios(table(lambda n: rng.permutation(weekly)), theirs, "abs_error", np.random.default_rng(0))[
        CELL
    ]
    assert jumpy.high - jumpy.low > 3 * (mixed.high - mixed.low)


def test_the_same_seed_gives_the_same_interval():
    """A figure that changes from run to run cannot be checked."""
    ours, theirs = (table(lambda n, s=s: np.random.default_rng(s).exponential(size=n)) for s in (1, 2))
    one, two = (ratios(ours, theirs, "abs_error", np.random.default_rng(5)) for _ in range(2))
    assert one == two


def test_few_weeks_give_no_interval_and_few_rows_no_series():
    """Three weeks cannot tell how weeks differ; a made-up interval would look like knowledge."""
    short = table(np.ones, weeks=3)
    found = ratios(short, short, "abs_error", np.random.default_rng(0))[CELL]
    assert found.value == 1.0
    assert np.isnan([found.low, found.high]).all()
    tiny = table(np.ones, weeks=2)
    none = ratios(tiny, tiny, "abs_error", np.random.default_rng(0))[CELL]
    assert none.series == 0
    assert np.isnan(none.value)


def test_only_common_rows_are_compared():
    """A baseline on a sample of series must be held against ours on that sample."""
    ours = table(lambda n: np.where(np.arange(n) % 3 == 0, 1.0, 50.0))
    theirs = table(np.ones).filter(pl.col("symbol") == "C0")
    assert ratios(ours, theirs, "abs_error", np.random.default_rng(0))[CELL].value == pytest.approx(1.0)
