"""Whether the report's verdict on the forecasts is right: laws that are known, outcomes drawn from them."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import START

from hedged.backtest.report import files
from hedged.backtest.report.outcomes import Outcomes, outcomes
from hedged.backtest.report.reliability import _of, _together, coverage, intervals, pit
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS, QUANTILE_COLUMNS


def told(n: int, seed: int = 0, width: float = 1.0) -> Outcomes:
    """Return n forecasts of a uniform law on (0, 1), stretched by `width`, and outcomes drawn from (0, 1)."""
    rng = np.random.default_rng(seed)
    quantiles = np.tile(0.5 + width * (LEVELS - 0.5), (n, 1))
    chance = rng.uniform(size=n)
    real, last = rng.uniform(size=n), np.full(n, 0.5)
    real = np.where(rng.uniform(size=n) < chance, 0.5 + 0.5 * real, 0.5 * real)
    hours = np.arange(n, dtype=np.int64) * HOUR_MS
    return Outcomes(hours, np.full(n, 24.0), LEVELS, quantiles, np.full(n, 0.5), chance, real, last)


def test_a_calibrated_law_looks_calibrated() -> None:
    """If this fails, good forecasts are shown as bad ones, or chances are told of the wrong event."""
    found = _of(told(6_000))
    assert found["share"] == pytest.approx(LEVELS.tolist(), abs=0.03)
    assert found["pit"]["density"] == pytest.approx([1.0] * 10, abs=0.2)
    assert sum(found["pit"]["count"]) == found["n"] == 6_000
    for probability, share, n in found["up"]:
        assert share == pytest.approx(probability, abs=4 * np.sqrt(0.25 / n))
    for low, share, high in zip(found["low"], found["share"], found["high"], strict=True):
        assert low <= share <= high


def test_a_law_that_is_too_narrow_shows_it() -> None:
    """If this fails, bands that miss half of the time pass as honest."""
    found = _of(told(3_000, width=0.5))
    assert found["pit"]["density"][0] > 3
    assert found["share"][0] > 0.2
    assert np.mean(found["coverage"]["80"]) == pytest.approx(0.4, abs=0.05)


def test_few_days_give_no_interval() -> None:
    """If this fails, three days pretend to know how days differ."""
    few = told(72)
    low, high = intervals(few.real[:, None] <= few.quantiles, few)
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    assert few.independent() == 3


@given(st.integers(1, 400), st.floats(0.2, 3.0))
@settings(max_examples=25, deadline=None)
def test_counts_add_up_whatever_the_law(n: int, width: float) -> None:
    """If this fails, forecasts are counted twice or left out."""
    some = told(n, n, width)
    assert sum(pit(some)["count"]) == n
    assert sum(coverage(some)["n"]) == n
    chance = some.share_below(some.real)
    assert ((chance > 0) & (chance < 1)).all()
    assert np.all(np.diff(some.share_below(np.sort(some.real))) >= 0)


def test_symbols_together_are_scored_in_order_of_time() -> None:
    """If this fails, the blocks of the interval mix days, and its width means nothing."""
    joined = _together([told(50, 1), told(50, 2)])
    assert np.all(np.diff(joined.ts_ms) >= 0)
    assert len(joined.real) == 100


def test_an_outcome_is_what_settled_after_and_the_last_rate_what_settled_before() -> None:
    """If this fails, a forecast is scored against a rate that it could already see."""
    at = [START + timedelta(hours=i) for i in range(30)]
    funding = pl.DataFrame(
        [
            {"ts": ts, "venue": "injective", "symbol": "X", "rate": float(i), "interval_hours": 1.0}
            for i, ts in enumerate(at)
        ],
        schema_overrides={"ts": files.TS},
    )
    law = dict.fromkeys(QUANTILE_COLUMNS, 5.0)
    kept = pl.DataFrame(
        [
            {"ts": at[3], "venue": "injective", "symbol": "X", "horizon_h": 2.0, "mean": 5.0, "p_up": None}
            | law
        ],
        schema=files.FORECASTS,
    )
    run = files.Run({}, pl.DataFrame(schema=files.DECISIONS), pl.DataFrame(schema=files.FILLS), funding, kept)
    found = outcomes(run, "X")
    assert found is not None
    assert found.real.tolist() == [4.5]
    assert found.last.tolist() == [3.0]
