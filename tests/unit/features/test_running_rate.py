"""The venues' functions both ways, their weights, and the law of a rate that is still running."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from premium_worlds import running_mean

from hedged.domain.funding import HYPERLIQUID_RULE, PremiumRule
from hedged.domain.injective import InjectiveRule
from hedged.features.residuals import Residuals
from hedged.features.running_rate import (
    RULES,
    UNKNOWN,
    RunningRule,
    Weighting,
    combined,
    elapsed_share,
    estimate_law,
    rule_of,
)

BINANCE = RULES["binance"]
premiums = st.floats(-0.01, 0.01)
laws = st.lists(premiums, min_size=1, max_size=9).map(lambda x: np.array(sorted(x)))


def one(x: float) -> np.ndarray:
    return np.array([x])


@given(premiums, st.sampled_from([1, 4, 8]))
def test_the_rate_is_that_of_the_domains_rule(premium, interval_h):
    """The nowcast would apply another function to a premium than the one that books and proxies use."""
    exact = PremiumRule(Decimal(interval_h), Decimal("0.003"))
    rule = RunningRule.of(exact, Weighting.RISING)
    expected = float(exact.rate(Decimal(premium))) / interval_h
    assert rule.rate(one(premium))[0] == pytest.approx(expected, abs=1e-15)


@given(premiums)
def test_a_rate_tells_the_premiums_that_make_it(premium):
    """The premium behind a rate would be told beside the true one, or the dead band would be taken for one number."""
    for rule in (BINANCE, RULES["okx"], BINANCE.resting_at(0.0)):
        rate = rule.rate(one(premium))
        low, high = rule.premium(rate)
        assert low[0] - 1e-7 <= premium <= high[0] + 1e-7
        assert rule.rate(low)[0] == pytest.approx(rate[0], abs=1e-8)
        assert rule.rate(high)[0] == pytest.approx(rate[0], abs=1e-8)


@given(st.floats(0.00061, 0.01) | st.floats(-0.01, -0.00041))
def test_outside_the_dead_band_the_inverse_is_the_domains(premium):
    """History and nowcast would disagree on the premium behind the same print."""
    rate = HYPERLIQUID_RULE.rate(Decimal(premium))
    low, high = rule_of("hyperliquid").premium(one(float(rate)))
    assert low[0] == high[0] == pytest.approx(float(HYPERLIQUID_RULE.invert(rate, Decimal(0))), abs=1e-12)


@given(premiums)
def test_injectives_rate_is_the_chains(premium):
    """A premium on Injective would be paid over 8 hours, as elsewhere, and not over 24."""
    expected = float(InjectiveRule().rate_from_twap(Decimal(premium)))
    assert rule_of("injective").rate(one(premium))[0] == pytest.approx(expected, abs=1e-15)


def test_a_coin_without_interest_rests_at_nothing():
    """BNB on Binance, at rest at 0, would be inverted around 1 bp, and its premium missed by the whole dead band."""
    low, high = BINANCE.resting_at(0.0).premium(one(0.0))
    assert (low[0], high[0]) == (-0.0005, 0.0005)


@pytest.mark.parametrize("weighting", [Weighting.FLAT, Weighting.RISING])
@pytest.mark.parametrize("elapsed", [0.25, 0.5, 0.875])
def test_told_and_coming_make_the_interval(weighting, elapsed):
    """Half of an interval would count as half decided where late premiums weigh more: there it is a quarter."""
    path = np.random.default_rng(1).normal(0, 1e-3, 5_760)
    cut = int(elapsed * len(path))
    weights = np.arange(1, len(path) + 1) if weighting is Weighting.RISING else np.ones(len(path))
    so_far = running_mean(path, weighting)[cut - 1]
    coming = np.average(path[cut:], weights=weights[cut:])
    decided = weighting.decided(np.array(elapsed))
    whole = combined(weighting, one(so_far), one(coming), decided, np.nan)[0]
    assert whole == pytest.approx(running_mean(path, weighting)[-1], abs=2e-7)
    assert Weighting.RISING.decided(np.array(0.5)) == 0.25


def test_a_trailing_mean_still_holds_the_interval_before():
    """OKX's running rate of the first minutes, nearly all of the interval before, would be read as the coming one."""
    before, now, later, elapsed = 1e-3, 2e-4, -4e-4, 0.25
    told = (1 - elapsed) * before + elapsed * now
    whole = combined(Weighting.TRAILING, one(told), one(later), elapsed, before)[0]
    assert whole == pytest.approx(elapsed * now + (1 - elapsed) * later)


def test_an_eight_hour_interval_is_not_taken_for_one_hour():
    """A settlement five hours ahead within a '1 h' interval would make an elapsed share of minus four."""
    in_s, hours = np.array([5, 5, -1, 0, 8, 9]) * 3_600.0, np.array([1.0, 8, 8, 8, 8, 8])
    share = elapsed_share(in_s, hours)
    assert np.isnan(share[[0, 2, 3, 5]]).all()
    assert share[[1, 4]] == pytest.approx([3 / 8, 0.0])
    assert np.isnan(elapsed_share(np.array([np.nan, 60.0, 60.0]), np.array([8.0, np.nan, 0.0]))).all()


@given(premiums, laws, st.sampled_from(sorted(RULES)))
def test_at_the_settlement_the_running_rate_is_the_rate(premium, coming, venue):
    """In the last second the forecast would still be unsure of a rate that nothing can change any more."""
    rule = rule_of(venue)
    rate = rule.rate(one(premium))[0]
    law = estimate_law(rule, rate, 1.0, coming, before=0.0)
    assert law.rates == pytest.approx(np.full(len(coming), rate), abs=1e-8)


@given(premiums, laws, st.floats(0, 1), st.sampled_from(sorted(RULES)))
def test_a_running_rate_makes_a_law(premium, coming, elapsed, venue):
    """Unsorted rates or weights that do not sum to one would corrupt every quantile made of them."""
    rule = rule_of(venue)
    law = estimate_law(rule, rule.rate(one(premium))[0], elapsed, coming, before=0.0)
    assert (np.diff(law.rates) >= 0).all()
    assert law.weights.sum() == pytest.approx(1.0)
    assert (np.abs(law.rates) <= rule.cap_per_h).all()


@given(premiums, laws, st.floats(0, 1), st.floats(0, 1))
def test_the_law_narrows_as_the_interval_passes(premium, coming, one_share, other_share):
    """A later look at the same running rate would leave more in doubt than an earlier one."""
    early, late = sorted((one_share, other_share))
    widths = []
    for elapsed in (early, late):
        law = estimate_law(UNKNOWN, premium / 8, elapsed, coming)
        widths.append(law.rates[-1] - law.rates[0])
    assert widths[1] <= widths[0] + 1e-15


def test_in_the_dead_band_the_rate_says_little_of_the_premium():
    """A venue at rest would be expected to stay there although the market has already left the band."""
    deep = estimate_law(BINANCE, 1.25e-5, 0.5, one(-3e-4))
    leaving = estimate_law(BINANCE, 1.25e-5, 0.5, one(-2e-3))
    assert deep.mean == pytest.approx(1.25e-5)
    assert leaving.mean == pytest.approx((0.25 * -4e-4 + 0.75 * -2e-3 + 5e-4) / 8)


@pytest.mark.parametrize(
    ("rate", "elapsed", "coming", "venue"),
    [
        (np.nan, 0.5, [0.0], "binance"),
        (1e-5, np.nan, [0.0], "binance"),
        (1e-5, 0.5, [np.nan], "binance"),
        (1e-5, 0.5, [], "binance"),
        (1e-5, 0.5, [0.0], "okx"),
    ],
)
def test_unknown_is_never_zero(rate, elapsed, coming, venue):
    """A missing estimate, instant, premium or earlier mean would be forecast as if it were nothing."""
    with pytest.raises(ValueError, match="unknown"):
        estimate_law(rule_of(venue), rate, elapsed, np.array(coming))


def test_misses_hidden_in_the_dead_band_keep_their_width():
    """A venue at rest half of the time would look twice as predictable as it is."""
    rng = np.random.default_rng(2)
    misses, residuals = rng.normal(0, 1.0, 4_000), Residuals(1)
    for batch in misses.reshape(-1, 10):
        hidden = (batch > -0.5) & (batch < 1.5)
        residuals.forget(0.99)
        residuals.add(np.zeros(10, int), np.where(hidden, -0.5, batch), np.where(hidden, 1.5, batch))
    found = residuals.quantiles()[0]
    assert found[[0, -1]] == pytest.approx([-1.645, 1.645], abs=0.3)
    assert (np.diff(found) >= 0).all()


@given(st.floats(-50, 50), st.floats(0, 20))
def test_what_is_expected_in_a_range_lies_in_it(low, width):
    """The premium behind a print at the interest would be put outside the dead band."""
    mean = Residuals(2).mean_between(1, one(low), one(low + width))[0]
    assert low <= mean <= low + width
