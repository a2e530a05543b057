"""Injective's formula against a second-by-second integration, and the nowcast against a simulation of the hour."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.injective import FundingState, InjectiveRule, nowcast

RULE = InjectiveRule()
START_S = 1_756_684_800
END_S = START_S + 3_600
INTEREST = Decimal("0.00000416666")
FRESH = FundingState(END_S, Decimal(0), START_S)

trades = st.lists(
    st.tuples(st.integers(0, 3_600), st.integers(-300, 300).map(lambda bp: Decimal(bp) / 10_000)),
    max_size=12,
).map(lambda rows: sorted(rows, key=lambda row: row[0]))
states = st.builds(
    lambda last, mean: FundingState(END_S, last * Decimal(mean) / 100_000, START_S + last),
    st.integers(0, 3_000),
    st.integers(-500, 500),
)
laws = st.lists(st.floats(-0.02, 0.02), min_size=1, max_size=9).map(np.array)


def after(rows) -> FundingState:
    state = FRESH
    for offset_s, premium in rows:
        state = state.after_trade(START_S + offset_s, premium)
    return state


def brute_force_rate(rows) -> float:
    """Write each trade's premium over every second since the trade before, average over the seconds written."""
    written: list[float] = []
    for offset_s, premium in rows:
        written += [float(premium)] * (offset_s - len(written))
    mean = sum(written) / len(written) if written else 0.0
    return min(max(mean / 24 + float(INTEREST), -0.000625), 0.000625)


def test_an_hour_without_trades_pays_exactly_the_interest():
    """A silent market would be booked as free, or as something else than the chain charges."""
    assert FRESH.rate_if_no_more_trades(RULE) == INTEREST
    assert FRESH.decided_share(RULE) == 0


@pytest.mark.parametrize(("premium", "rate"), [("0.1", "0.000625"), ("-0.1", "-0.000625")])
def test_the_hourly_cap_holds_on_both_sides(premium, rate):
    """A manipulated premium would be forecast to cost more than the chain can charge in an hour."""
    state = FRESH.after_trade(END_S, Decimal(premium))
    assert state.rate_if_no_more_trades(RULE) == Decimal(rate)


def test_forty_silent_minutes_then_one_trade():
    """A late trade would count for its own instant only: the chain applies it backwards over the whole silence."""
    state = FRESH.after_trade(START_S + 2_400, Decimal("0.0012"))
    assert state.cum_price == 2_400 * Decimal("0.0012")
    assert state.decided_share(RULE) == pytest.approx(40 / 60)
    # T runs to the last trade only, so the mean premium is the trade's own, undiluted by the 20 minutes to come
    assert state.rate_if_no_more_trades(RULE) == Decimal("0.00005") + INTEREST


def test_a_next_trade_weighs_by_the_gap_it_closes():
    """The nowcast would give a coming trade the wrong say: (t − lastTs)/(t − start), here a third."""
    state = FRESH.after_trade(START_S + 2_400, Decimal("0.0012")).after_trade(END_S, Decimal("-0.0012"))
    mean = Decimal("0.0012") * 2 / 3 - Decimal("0.0012") / 3
    assert abs(state.rate_if_no_more_trades(RULE) - (mean / 24 + INTEREST)) < Decimal("1e-24")
    assert state.decided_share(RULE) == 1


def test_trades_out_of_order_are_refused():
    """A replayed or reordered stream would subtract premium from the accumulator without a word."""
    state = FRESH.after_trade(START_S + 100, Decimal("0.001"))
    with pytest.raises(ValueError, match="time order"):
        state.after_trade(START_S + 99, Decimal("0.001"))


@given(trades)
def test_rate_equals_integration_second_by_second(rows):
    """The closed form would differ from what the chain's accumulators add up to."""
    assert float(after(rows).rate_if_no_more_trades(RULE)) == pytest.approx(brute_force_rate(rows), abs=1e-15)


@given(states, laws, st.integers(0, 600), st.floats(1e-6, 1.0))
def test_a_nowcast_is_a_law(state, premiums, waited_s, trades_per_s):
    """Weights that do not sum to one, unsorted rates or crossing quantiles would corrupt every expectation."""
    law = nowcast(state, RULE, state.last_ts_s + waited_s, trades_per_s, premiums)
    assert law.weights.sum() == pytest.approx(1.0)
    assert (law.weights >= 0).all()
    assert (np.diff(law.rates) >= 0).all()
    quantiles = [law.quantile(level) for level in np.linspace(0, 1, 21)]
    assert quantiles == sorted(quantiles)
    assert (np.abs(law.rates) <= 0.000625).all()
    assert law.rates[0] - 1e-18 <= law.mean <= law.rates[-1] + 1e-18


@given(st.floats(1e-5, 0.01), st.integers(1_200, 3_599))
def test_the_chance_of_no_further_trade(trades_per_s, now_offset_s):
    """The weight of 'the rate is already final' would not be the Poisson probability of silence till the hour."""
    state = FRESH.after_trade(START_S + 1_200, Decimal("-0.001"))
    law = nowcast(state, RULE, START_S + now_offset_s, trades_per_s, np.array([0.01]))
    final = float(state.rate_if_no_more_trades(RULE))
    silence = math.exp(-trades_per_s * (3_600 - now_offset_s))
    assert law.weights[law.rates == final].sum() == pytest.approx(silence, abs=1e-12)
    assert law.probability_above(final) == pytest.approx(1 - silence, abs=1e-12)


@given(states, laws, st.floats(1e-4, 0.1))
def test_the_nowcast_converges_to_the_rate_charged(state, premiums, trades_per_s):
    """At the settlement itself the forecast would still be unsure of a rate that is a matter of record."""
    final = float(state.rate_if_no_more_trades(RULE))
    at_end = nowcast(state, RULE, END_S, trades_per_s, premiums)
    assert at_end.mean == pytest.approx(final, abs=1e-18)
    assert at_end.quantile(0.01) == at_end.quantile(0.99) == final
    miss = [abs(nowcast(state, RULE, END_S - s, trades_per_s, premiums).mean - final) for s in (1.0, 0.01)]
    assert miss[1] <= 0.0125 * miss[0] + 1e-12  # in step with the chance of a trade in what is left


def test_a_market_that_never_trades_is_certain():
    """An intensity of zero would divide by zero instead of saying that the rate is final."""
    law = nowcast(FRESH, RULE, START_S + 60.0, 0.0, np.array([0.001]))
    assert (law.mean, law.weights.tolist()) == (float(INTEREST), [1.0])


def test_the_nowcast_agrees_with_a_simulation_of_the_hour():
    """Mean, spread or quantiles of the mixture would not be those of the process that it claims to integrate."""
    rng = np.random.default_rng(20250901)
    state = FRESH.after_trade(START_S + 1_500, Decimal("0.0008"))
    now_s, trades_per_s = START_S + 1_800.0, 1 / 900
    premiums = np.array([-0.004, -0.001, 0.0, 0.001, 0.02])
    law = nowcast(state, RULE, now_s, trades_per_s, premiums, points=64)

    drawn = []
    for premium in rng.choice(premiums, 20_000):  # one premium for the rest of the hour
        cum, last_s, at_s = float(state.cum_price), float(state.last_ts_s), now_s
        while (at_s := at_s + rng.exponential(1 / trades_per_s)) < END_S:
            cum, last_s = cum + (at_s - last_s) * premium, at_s
        drawn.append(np.clip(cum / (last_s - START_S) / 24 + float(INTEREST), -0.000625, 0.000625))
    error = np.std(drawn) / math.sqrt(len(drawn))
    assert abs(law.mean - np.mean(drawn)) < 4 * error
    spread = math.sqrt(((law.rates - law.mean) ** 2) @ law.weights)
    assert spread == pytest.approx(np.std(drawn), rel=0.02)
    for rate in (-2e-5, 0.0, 3e-5, 1e-4):
        assert law.probability_above(rate) == pytest.approx(np.mean(np.array(drawn) > rate), abs=0.015)
