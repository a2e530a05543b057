"""A walk decides on what was known, pays for changes, and earns by what was held before the settlement."""

from dataclasses import replace

import numpy as np
import pytest
from hedge_worlds import history, setting

from hedged.evaluation.hedging.laws import foreseen, told_by_rule
from hedged.evaluation.hedging.scenarios import Scenarios
from hedged.evaluation.hedging.walk import Planned, account, constant, on_sign, walk

FULL = [40_000.0, 40_000.0]


def test_funding_goes_to_what_was_held_before_the_settlement():
    """If this fails, a decision earns the very settlement that it was taken after."""
    past, market = history([0, 1e-4, 0, 0], [0] * 4), setting(per_usd=1e-4, every_h=1)
    held = walk(past, market, lambda hour, held: np.array(FULL) if hour == 1 else np.zeros(2))
    walked = account(past, market, 1, held)
    assert held[:, 0].tolist() == [0, 0, 40_000, 0]
    assert walked.saved_usd.tolist() == [0, 0, 0, 0]
    early = account(past, market, 1, walk(past, market, lambda _hour, _held: np.array(FULL)))
    assert early.saved_usd.tolist() == [0, pytest.approx(4.0), 0, 0]


def test_each_change_costs_at_every_venue_and_the_end_is_flat():
    """If this fails, costs are counted once where two venues trade, or a walk ends with a free hedge."""
    past, market = history([0] * 5, [0] * 5), setting(per_usd=1e-4)
    walked = account(past, market, 1, walk(past, market, constant(market)))
    assert walked.cost_usd.tolist() == [0, pytest.approx(8.0), 0, 0, pytest.approx(8.0)]


def test_holding_pays_carry_and_capital():
    """If this fails, hedging looks cheaper than it is for as long as it is held."""
    past, market = history([0] * 4), setting("own", per_usd=0.0, carry_per_h=1e-5)
    walked = account(past, market, 1, walk(past, market, constant(market)))
    assert walked.cost_usd.tolist() == [0, *[pytest.approx(0.4)] * 3]
    margin = setting(per_usd=0.0).with_planner(capital_rate_per_year=0.0876, max_leverage=2.0)
    moved = account(history([0] * 4, [0] * 4), margin, 1, np.array([[0, 0], FULL, FULL, [0, 0]]))
    assert moved.cost_usd.tolist() == [0, pytest.approx(0.2), pytest.approx(0.2), 0]


def test_a_short_position_saves_where_a_long_one_loses():
    """If this fails, a sign is wrong somewhere between rate, side and saving."""
    past, market = history([1e-4] * 4, [3e-5] * 4), setting(per_usd=0.0)
    held = walk(past, market, constant(market))
    long, short = (account(past, market, side, held).net_usd.sum() for side in (1, -1))
    assert long == pytest.approx(3 * 40_000 * 7e-5)
    assert short == pytest.approx(-long)


def test_on_sign_follows_the_last_settled_rates():
    """If this fails, the simplest rule is another one than it is called."""
    past, market = history([1e-4, 1e-4, -1e-4, 1e-4, 1e-4], [0] * 5), setting(every_h=1)
    assert walk(past, market, on_sign(past, market, 1))[:, 0].tolist() == [0, 40_000, 40_000, 0, 40_000]


def long_history(own, seed=0):
    rng = np.random.default_rng(seed)
    there = rng.normal(1e-5, 2e-6, len(own) // 8)
    return history(own, there, there_hours=8)


def planned(past, market, told):
    return walk(past, market, Planned(past, market, 1, Scenarios(past, told, market.horizon)))


@pytest.mark.parametrize("forecaster", ["ewma", "persistence"])
def test_the_future_moves_no_decision_of_the_past(forecaster):
    """If this fails, the planner is shown what it could not have known, and every figure is worthless."""
    rng = np.random.default_rng(1)
    own = 4e-5 + rng.normal(0, 1e-5, 24 * 70)
    changed = own.copy()
    split = 24 * 60
    changed[split + 1 :] -= 2e-4
    market = setting(per_usd=1e-4)
    walks = []
    for rates in (own, changed):
        whole = long_history(rates)
        late = replace(whole, stretches=((24 * 45, len(whole.ts_ms)),))
        walks.append(planned(late, market, told_by_rule(forecaster, late, "m24h")))
    assert np.array_equal(walks[0][: split + 2], walks[1][: split + 2])
    assert walks[0].any()
    assert not np.array_equal(walks[0], walks[1])


def test_the_planner_takes_a_lasting_gain_and_is_given_up_on_none():
    """If this fails, the seam shows the planner the wrong side, venue or size."""
    dear, cheap = (long_history(np.full(24 * 20, rate)) for rate in (1e-4, 1e-5))
    market = setting(per_usd=1e-4)
    held = planned(dear, market, foreseen(dear, "m24h"))
    assert held[-48, 0] > 10_000
    assert held[-48, 0] == pytest.approx(held[-48, 1], rel=1e-3)  # relocated: delta is kept
    assert not planned(cheap, market, foreseen(cheap, "m24h")).any()
