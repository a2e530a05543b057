"""The joint law across venues and horizons: what past forecasts missed together, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS, quantile_function
from hedged.forecast.joint import (
    EVERY_H,
    MEMORY_DAYS,
    N_SCENARIOS,
    Misses,
    draws_of,
    ranks_of,
    remembered,
    together,
)

STEP_MS = EVERY_H * HOUR_MS
AHEAD_H = (8, 24, 24, 120)
EVEN = (np.arange(N_SCENARIOS) + 0.5) / N_SCENARIOS


def past(days: int, series: int = 3, seed: int = 0) -> Misses:
    """Misses of every eighth hour: a shock that all series and horizons share, and one of their own."""
    rng = np.random.default_rng(seed)
    origin_ms = np.arange(days * DAY_MS // STEP_MS) * STEP_MS
    error = rng.normal(size=(len(origin_ms), 1, 1)) + rng.normal(size=(len(origin_ms), series, 4)) / 3
    known_ms = origin_ms[:, None, None] + np.array(AHEAD_H) * HOUR_MS + np.zeros((1, series, 1), np.int64)
    return Misses(origin_ms, error, known_ms)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 4))
def test_every_marginal_is_kept(seed: int, rows: int, series: int) -> None:
    """If this fails, joining the venues changes what is said of each alone."""
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.normal(size=(5, series, 4, len(LEVELS))), axis=-1)
    draws = draws_of(quantiles, ranks_of(together(rng.normal(size=(rows, series, 4)))))
    assert draws.shape == (5, series, 4, N_SCENARIOS)
    assert np.array_equal(np.sort(draws, axis=-1), np.sort(quantile_function(quantiles, EVEN), axis=-1))


@given(st.integers(0, 2**32 - 1), st.integers(20, 110))
def test_the_future_changes_nothing(seed: int, day: int) -> None:
    """If this fails, the joint law is made from outcomes that had not settled."""
    told, now_ms = past(120), day * DAY_MS
    rng = np.random.default_rng(seed)
    later = told.known_ms > now_ms
    changed = Misses(told.origin_ms, np.where(later, rng.normal(size=later.shape), told.error), told.known_ms)
    assert np.array_equal(together(told.settled(now_ms)), together(changed.settled(now_ms)))


def test_the_memory_is_ninety_days_and_whole_hours() -> None:
    """If this fails, the law follows dependence of another regime, or venues' draws come from different hours."""
    kept = past(200).settled(200 * DAY_MS)
    assert MEMORY_DAYS == 90
    assert len(kept) == MEMORY_DAYS * 24 // EVERY_H - 1  # the first lies on the edge
    assert np.isnan(kept[-1, :, 3]).all()
    # the last five days have no five-day mean yet
    assert len(together(kept)) == (MEMORY_DAYS - 5) * 24 // EVERY_H


def test_draws_belong_together_across_venues_and_horizons() -> None:
    """If this fails, a spread between venues, or of a day against five, is as wide as if they had nothing in common."""
    told = past(150)
    quantiles = np.broadcast_to(LEVELS, (3, 4, len(LEVELS)))
    draws = draws_of(quantiles, ranks_of(together(told.settled(150 * DAY_MS))))
    assert spearmanr(draws[0, 2], draws[1, 2]).statistic == pytest.approx(0.9, abs=0.05)
    assert spearmanr(draws[0, 2], draws[1, 3]).statistic == pytest.approx(0.9, abs=0.05)


def test_a_short_past_does_not_look_riskless() -> None:
    """If this fails, a venue listed yesterday is planned as if it moved with the others."""
    errors = past(90, series=5).settled(90 * DAY_MS)
    errors[:-20, 4] = np.nan
    kept = together(errors)
    assert not np.isnan(kept).any()
    assert abs(spearmanr(kept[:, 4, 2], kept[:, 0, 2]).statistic) < 0.3
    assert spearmanr(kept[:, 1, 2], kept[:, 0, 2]).statistic > 0.8


def test_forecasts_are_laid_out_by_hour_and_series() -> None:
    """If this fails, one venue's miss stands in another's column."""
    origin_ms = np.array([STEP_MS, 0, STEP_MS])
    error = np.arange(12.0).reshape(3, 4)
    told = Misses.of(origin_ms, np.array([0, 1, 1]), error, np.full((3, 4), 7), n_series=2)
    assert told.origin_ms.tolist() == [0, STEP_MS]
    assert np.array_equal(told.error[1], error[[0, 2]])
    assert np.isnan(told.error[0, 0]).all()
    assert np.array_equal(told.error[0, 1], error[1])


def test_all_venues_have_settled_at_remembered_hours() -> None:
    """If this fails, hours are remembered at which an eight-hourly venue has nothing to say."""
    assert remembered(np.array([0, 1, 8, 12, 16, 24]) * HOUR_MS).tolist() == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
