"""Histories hold what settled in each hour, and leave out what is not known."""

from dataclasses import replace

import numpy as np
import pytest
from hedge_worlds import START_MS, history, series

from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.evaluation.hedging.history import history_of, load_history, paid_by_hour

HOURS = START_MS // HOUR_MS + np.arange(48)


def without(data, gone):
    kept = np.array([i not in gone for i in range(len(data.funding_ts))])
    return replace(
        data, **{n: getattr(data, n)[kept] for n in ("funding_ts", "funding_rate", "funding_hours")}
    )


def test_slow_prints_count_in_the_hour_of_their_settlement():
    """If this fails, eight-hour funding is spread over hours, and a hedge held for one of them earns a share of it."""
    paid, level = paid_by_hour(series("binance", [1e-5] * 6, 8), HOURS)
    assert np.flatnonzero(paid[:41]).tolist() == [0, 8, 16, 24, 32, 40]
    assert paid[8] == pytest.approx(8e-5)
    assert np.isnan(
        paid[41:]
    ).all()  # the next print never came: no settlement is not known there, but unknown
    assert level[9] == pytest.approx(1e-5)


def test_a_print_some_ms_late_is_that_of_its_hour():
    """If this fails, venues that print late lose an hour, and a hedge closed on time earns what it had not held."""
    data = series("hyperliquid", [1e-5] * 48)
    late = replace(data, funding_ts=data.funding_ts + 70)
    assert paid_by_hour(late, HOURS)[0].tolist() == paid_by_hour(data, HOURS)[0].tolist()


def test_a_missing_print_is_unknown_not_zero():
    """If this fails, holes in the recording count as hours without funding."""
    paid, _ = paid_by_hour(without(series("binance", [1e-5] * 6, 8), {2}), HOURS)
    assert np.isnan(paid[9:17]).all()
    assert not np.isnan(paid[17:41]).any()


def test_hours_of_one_venue_alone_are_left_out_and_long_holes_part_the_walk():
    """If this fails, a position would be held across months of which nothing is known."""
    keys = (SeriesKey("injective", "BTC"), SeriesKey("binance", "BTC"))
    there = without(series("binance", [1e-5] * 12, 8), {4, 5, 6, 7})
    found = history_of(
        {keys[0]: series("injective", [1e-5] * 96), keys[1]: there},
        keys,
        keys,
        START_MS,
        START_MS + 96 * HOUR_MS,
    )
    assert found.stretches == ((0, 25), (25, 57))
    assert found.left_out_h == 96 - 57
    assert not np.isnan(found.paid).any()


def test_nothing_known_is_said():
    """If this fails, an empty history ends in an index error."""
    with pytest.raises(DataError, match="no hour of the window"):
        history([1e-5] * 10, [np.nan] * 0)


def test_real_rates_sum_to_the_published_level(shared_data):
    """If this fails, the history misses settlements or counts them twice: a long BTC at Binance paid 853 bp a year."""
    year = 1_704_067_200_000  # 2024-01-01
    found = load_history(
        shared_data, "BTC", "injective", ["binance"], "chain", year, year + 731 * 24 * HOUR_MS
    )
    own, there = found.paid[:, found.walked].sum(axis=1) / (found.walked.sum() / 8760) * 1e4
    assert there == pytest.approx(853, abs=3)
    assert own == pytest.approx(957, rel=0.05)
    assert found.left_out_h < 24
