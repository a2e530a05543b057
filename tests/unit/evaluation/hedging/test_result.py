"""Figures of a walk: what was earned, and as a share of what."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hedge_worlds import history, setting

from hedged.evaluation.bootstrap import total_interval
from hedged.evaluation.hedging.perfect import foresee
from hedged.evaluation.hedging.result import outcome, rows
from hedged.evaluation.hedging.walk import account, constant, walk


def outcomes(own, market):
    past = history(own, [0.0] * len(own))
    held = walk(past, market, constant(market))
    best = foresee(past, market, 1)
    return [
        outcome(past, market, "BTC", "chain", 1, name, account(past, market, 1, what))
        for name, what in (("constant", held), ("perfect", best))
    ]


def test_a_year_at_a_steady_rate_is_what_it_says():
    """If this fails, basis points a year, turnover or the share are of something else."""
    market = setting(per_usd=1e-4, every_h=1)
    constant_, perfect, *pooled = rows(outcomes([1e-5] * 8760, market), np.random.default_rng(0))
    assert constant_.saved_usd == pytest.approx(8759 * 1e-5 * 40_000)
    assert constant_.cost_usd == pytest.approx(4 * 40_000 * 1e-4)
    assert constant_.net_bp == pytest.approx(constant_.net_usd / 10)
    assert constant_.share == pytest.approx(1.0)
    assert constant_.changes == 2
    assert constant_.turnover_month == pytest.approx(0.8 / 12)
    assert perfect.net_usd == constant_.perfect_usd
    assert [row.symbol for row in pooled] == ["all"] * 2
    assert pooled[0].net_usd == constant_.net_usd


def test_no_share_of_next_to_nothing():
    """If this fails, a ratio of two small numbers is shown as a merit."""
    market = setting(per_usd=1e-4, every_h=1)
    constant_, perfect, *_ = rows(outcomes([1e-7] * 2000, market), np.random.default_rng(0))
    assert math.isnan(constant_.share)
    assert math.isnan(perfect.share)
    assert constant_.perfect_usd == perfect.net_usd


def test_pooling_weighs_each_hour_the_same():
    """If this fails, a coin with a short history counts as much as one of years."""
    market = setting(per_usd=0.0, every_h=1)
    one, _ = outcomes([1e-5] * 3001, market)
    other = replace(outcomes([3e-5] * 1001, market)[0], symbol="INJ")
    pooled = next(row for row in rows([one, other], np.random.default_rng(0)) if row.symbol == "all")
    assert pooled.hours == 4002
    assert pooled.net_usd == pytest.approx(one.net_usd + other.net_usd)
    assert pooled.net_bp == pytest.approx(pooled.net_usd / 100_000 * 1e4 * 8760 / 4002)


def test_the_interval_of_a_sum_holds_it_and_needs_days_enough():
    """If this fails, luck of a few days looks like a certainty."""
    rng = np.random.default_rng(0)
    daily = rng.normal(1.0, 5.0, 365)
    low, high = total_interval(daily, 14, rng)
    assert low < daily.sum() < high
    assert high - low == pytest.approx(4 * 5 * 365**0.5, rel=0.35)
    assert total_interval(np.ones(365), 14, rng) == (pytest.approx(365), pytest.approx(365))
    assert np.isnan(total_interval(daily[:20], 14, rng)).all()
