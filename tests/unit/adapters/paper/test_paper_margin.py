"""When a venue liquidates, and what it takes. Properties of the pure rules."""

from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from hedged.adapters.paper.margin import (
    Leg,
    cross_due,
    cross_loss,
    cross_price,
    crossed,
    isolated_loss,
    isolated_price,
    margin_call_usd,
)

coins = st.integers(-50, 50).filter(bool).map(Decimal)
prices = st.integers(20, 500).map(Decimal)
ratios = st.sampled_from([Decimal("0.005"), Decimal("0.025"), Decimal("0.05")])
legs = st.builds(Leg, coins, prices, prices, ratios)
TINY = Decimal("1e-15")


@given(legs, st.integers(1, 5_000).map(Decimal))
def test_an_isolated_position_is_at_its_maintenance_at_its_liquidation_price(
    leg: Leg, margin: Decimal
) -> None:
    """If this fails, positions are liquidated earlier or later than Injective's formula says."""
    price = isolated_price(leg, margin)
    assume(price > 0)
    left = margin + leg.profit_usd(price)
    assert abs(left - abs(leg.quantity) * price * leg.maintenance) < TINY
    loss = isolated_loss(leg, margin, price)
    assert loss.penalty_usd == max(0, left), "the trader keeps nothing"
    assert margin + leg.profit_usd(price) - loss.fee_usd == 0


@given(legs, legs, st.integers(-2_000, 20_000).map(Decimal))
def test_a_cross_account_is_at_its_maintenance_at_the_price_of_a_leg(
    one: Leg, two: Leg, cash: Decimal
) -> None:
    """If this fails, an exchange's account is liquidated at another price than its collateral says."""
    price = cross_price("one", {"one": one, "two": two}, cash)
    if price is None:
        return
    there = Leg(one.quantity, one.entry_price, price, one.maintenance)
    equity = cash + there.profit_usd() + two.profit_usd()
    assert abs(equity - there.maintenance_usd - two.maintenance_usd) < Decimal("1e-10")


@given(st.dictionaries(st.sampled_from("abc"), legs, min_size=1), st.integers(-2_000, 20_000).map(Decimal))
def test_liquidation_ends_and_leaves_no_debt_unaccounted(account: dict[str, Leg], cash: Decimal) -> None:
    """If this fails, an account goes below zero and trades on, or its debt vanishes without being told."""
    left, money = dict(account), cash
    fee = Decimal("0.0125")
    while (worst := cross_due(left, money)) is not None:
        leg = left[worst]
        loss = cross_loss(worst, left, money, leg.mark, fee)
        assert 0 <= loss.penalty_usd <= abs(leg.quantity) * leg.mark * fee
        assert loss.penalty_usd == 0 or loss.insured_usd == 0
        money += leg.profit_usd() - loss.fee_usd
        del left[worst]
    if left:
        equity = money + sum(leg.profit_usd() for leg in left.values())
        assert equity >= sum(leg.maintenance_usd for leg in left.values())
    elif account and len(left) < len(account):
        assert money >= 0


@given(legs, st.integers(1, 5_000).map(Decimal), prices, prices)
def test_a_bar_liquidates_at_the_price_or_where_it_began_beyond_it(
    leg: Leg, margin: Decimal, a: Decimal, b: Decimal
) -> None:
    """If this fails, a wick through the liquidation price is survived, or costs more than the price it crossed."""
    low, high = min(a, b), max(a, b)
    price = isolated_price(leg, margin)
    sign = 1 if leg.quantity > 0 else -1
    hit = crossed(leg, price, low, high)
    adverse = low if sign > 0 else high
    assert (hit is None) == ((adverse - price) * sign > 0)
    if hit is not None:
        assert low <= hit <= high
        assert (hit - price) * sign <= 0


@given(legs, st.integers(0, 5_000).map(Decimal))
def test_a_margin_call_brings_a_position_back_to_the_initial_ratio(leg: Leg, margin: Decimal) -> None:
    """If this fails, a trader who meets every call is liquidated all the same, or pays more than is asked."""
    initial = 2 * leg.maintenance
    call = margin_call_usd(leg, margin, initial)
    backed = margin + call + leg.profit_usd()
    need = abs(leg.quantity) * leg.mark * initial
    assert backed == need if call else backed >= need
