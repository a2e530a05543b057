"""What a leg saves and costs, how sure that is, and how much of full Kelly it is worth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import BP_A_YEAR, SETTINGS, rates, symbol

from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import (
    CUT,
    OPPOSITE,
    RELOCATE,
    Leg,
    confidences,
    kelly_share,
    legs_of,
    leverage_of,
    own_funding_usd,
    pure_cut_usd,
    usable_venues,
)

KNOTS = ((0.50, 0.25), (0.80, 0.60))


def leg(saving: list[float], now: float = 0.0) -> Leg:
    """A leg that costs 10 bp to open or close."""
    array = np.array(saving)
    mean = float(array.mean())
    return Leg(CUT, INJECTIVE, now, array, 0.001, mean, 0.0, array, mean)


@pytest.mark.parametrize(
    ("sure", "share"),
    [(0.0, 0.0), (0.4999, 0.0), (0.50, 0.25), (0.65, 0.425), (0.80, 0.60), (0.95, 0.60), (1.0, 0.60)],
)
def test_kelly_share_at_the_knots(sure: float, share: float) -> None:
    """If this fails, hedges are sized by another law than requirement C5."""
    assert kelly_share(sure, KNOTS) == pytest.approx(share)


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_confidence_is_never_less_hedge(a: float, b: float) -> None:
    """If this fails, becoming surer makes the hedge smaller."""
    assert kelly_share(min(a, b), KNOTS) <= kelly_share(max(a, b), KNOTS) <= 0.60


@pytest.mark.parametrize(
    ("saving", "now", "size", "sure"),
    [
        ([0.002] * 4, 0, 100, 1.0),
        ([0.002, 0.002, 0.0005, -1], 0, 100, 0.5),  # must beat the opening cost
        ([0.001] * 4, 0, 100, 0.0),  # exactly its cost is not a saving
        ([0.0001, 0.0001, -0.0001, -0.0001], 100, 100, 0.5),  # holding costs nothing
        ([0.0001, -0.0001, -1, -1], 200, 100, 0.0),  # shrinking pays its closing cost
        ([0.0011] * 4, 200, 100, 1.0),  # ... which what is left may earn
        ([0.002, 0.002, 0.0005, -1], 0, 0, 0.5),  # of nothing, the first dollar is judged
        ([0.002, 0.002, 0.0005, -1], 100, 0, 0.5),
        ([0.0007, 0.0004, -1, -1], 100, 200, 0.25),  # half of the size is new: half of the cost
    ],
)
def test_confidence(saving: list[float], now: float, size: float, sure: float) -> None:
    """If this fails, the confidence that sizes every hedge is not the chance that it pays after its costs."""
    assert confidences([leg(saving, now)], np.array([float(size)])) == [sure]


@pytest.mark.parametrize("side", [1, -1])
def test_what_the_legs_save(side: int) -> None:
    """If this fails, a leg's gain has the wrong sign or the wrong venue's rate."""
    given_ = symbol(side=side, rates={INJECTIVE: rates(side * 4_400, 0), "binance": rates(side * 900, 0)})
    cut, opposite, relocate = legs_of(given_, SETTINGS)
    assert [one.kind for one in (cut, opposite, relocate)] == [CUT, OPPOSITE, RELOCATE]
    assert cut.mean_saving == pytest.approx(24 * 4_400 * BP_A_YEAR)
    margin = 0.05 / (365 * 24) * 24 / 3  # the charge on it, for as long as a leg is held elsewhere
    assert opposite.mean_saving == pytest.approx(24 * 900 * BP_A_YEAR - margin)
    assert relocate.mean_saving == pytest.approx(24 * 3_500 * BP_A_YEAR - margin)
    assert [one.trade_cost for one in (cut, opposite, relocate)] == pytest.approx([6e-4, 5e-4, 11e-4])


@pytest.mark.parametrize("side", [1, -1])
def test_what_is_held_is_told_apart(side: int) -> None:
    """If this fails, a relocation reads as a cut plus a naked leg, and is unwound for no reason."""
    here = symbol(side=side, cut_usd=30_000.0, legs_usd={"binance": side * 20_000.0})
    assert [one.now_usd for one in legs_of(here, SETTINGS)] == [10_000.0, 0.0, 20_000.0]
    here = symbol(side=side, cut_usd=30_000.0, legs_usd={"binance": -side * 20_000.0})
    assert [one.now_usd for one in legs_of(here, SETTINGS)] == [30_000.0, 20_000.0, 0.0]
    assert pure_cut_usd(symbol(cut_usd=5.0, legs_usd={"binance": 9.0})) == 0.0


def test_a_venue_without_a_rate_or_a_cost_is_no_leg() -> None:
    """If this fails, the planner opens a leg whose funding it does not know."""
    given_ = symbol()
    unknown = symbol(rates={**given_.rates, "okx": rates(1)}, costs=given_.costs)
    assert usable_venues(unknown) == ["binance"]
    assert [one.venue for one in legs_of(symbol(rates={INJECTIVE: rates(1)}), SETTINGS)] == [INJECTIVE]


@pytest.mark.parametrize("side", [1, -1])
def test_own_funding_is_money_received(side: int) -> None:
    """If this fails, the operator reads what he pays as what he gets."""
    ((mean, low, high),) = own_funding_usd([symbol(side=side)], 24)
    assert mean == pytest.approx(-side * 100_000 * 24 * 4_400 * BP_A_YEAR)
    assert low < mean < high


@given(
    st.sampled_from([1, -1]),
    st.floats(-60_000, 60_000),
    st.floats(-60_000, 60_000),
    st.none() | st.floats(-60_000, 60_000),
)
def test_what_a_leg_is_worth_later_is_within_its_cost(
    side: int, here: float, there: float, usual: float | None
) -> None:
    """If this fails, a hedge is opened for what others could open as well then, or kept though closing it is cheap."""
    known = {} if usual is None else {INJECTIVE: usual * BP_A_YEAR, "binance": there * BP_A_YEAR}
    given_ = symbol(side=side, rates={INJECTIVE: rates(here), "binance": rates(there, seed=2)}, usual=known)
    for one in legs_of(given_, replace(SETTINGS, tail_h=168.0)):
        later = one.value - one.saving
        assert (np.abs(later) <= one.trade_cost + 1e-15).all()
        expected = one.mean_saving / 24 if usual is None else None
        if expected is not None and abs(168 * expected) < 0.1 * one.trade_cost:
            assert later.mean() == pytest.approx(168 * expected, abs=0.5 * one.trade_cost)
    for one in legs_of(given_, SETTINGS):
        assert (one.value == one.saving).all(), "with no time after the horizon it is worth nothing then"


@pytest.mark.parametrize("side", [1, -1])
def test_a_spike_is_not_what_is_usual(side: int) -> None:
    """If this fails, a day of high funding is taken for a month of it, and every spike is paid for twice."""
    spike = {INJECTIVE: side * rates(9_000, 0.0), "binance": side * rates(100, 0.0)}
    calm = {INJECTIVE: side * 300 * BP_A_YEAR, "binance": side * 250 * BP_A_YEAR}
    settings = replace(SETTINGS, tail_h=168.0)
    *_, passing = legs_of(symbol(side=side, rates=spike, usual=calm), settings)
    *_, lasting = legs_of(symbol(side=side, rates=spike), settings)
    assert passing.mean_saving == lasting.mean_saving
    after = 168 * (50 * BP_A_YEAR - 0.05 / (365 * 24) / 3)
    assert passing.mean_value - passing.mean_saving == pytest.approx(after)
    assert lasting.mean_value - lasting.mean_saving == pytest.approx(lasting.trade_cost)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(2, 8))
def test_leverage_follows_how_sure_the_saving_is(a: float, b: float, most: float) -> None:
    """If this fails, requirement B5 is turned round: the uncertain is backed by less than the sure."""
    settings = replace(SETTINGS, min_leverage=2.0, max_leverage=5.0)
    grid = (np.arange(1, 201) - 0.5) / 200
    low, high = (
        float(leverage_of(np.where(grid < p, 1.0, -1.0)[None], [min(most, 5.0)], settings)[0])
        for p in sorted((a, b))
    )
    assert 2.0 <= low <= high <= min(most, 5.0)
    sure, toss = (float(leverage_of(np.full((1, 200), x), [5.0], settings)[0]) for x in (1.0, -1.0))
    assert (sure, toss) == (5.0, 2.0)
    assert leverage_of(np.ones((1, 200)), [1.5], settings)[0] == 1.5, "liquidation allows no more"
