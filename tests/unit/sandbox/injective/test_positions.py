"""Margin, profit, funding and liquidation of a position obey the chain's formulas and conserve money."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hedged.sandbox.injective.positions import Position, mark_price_threshold

ZERO = Decimal(0)
TINY = Decimal("1e-15")
prices = st.decimals("1", "100000", places=4)
quantities = st.decimals("0.001", "1000", places=3)
shares = st.decimals("0.05", "1", places=3)
fundings = st.decimals("-5", "5", places=6)


def position(
    is_long: bool, quantity: Decimal, entry: Decimal, margin: Decimal, funding: Decimal = ZERO
) -> Position:
    return Position(is_long, quantity, entry, margin, funding)


def test_liquidation_prices_are_the_documented_ones() -> None:
    """If this fails, a rehearsed liquidation happens elsewhere than a real one."""
    long = position(True, Decimal(2), Decimal(100), Decimal(20))
    short = position(False, Decimal(2), Decimal(100), Decimal(20))
    mmr = Decimal("0.02")
    assert long.liquidation_price(mmr, ZERO) == (100 - Decimal(10)) / Decimal("0.98")
    assert short.liquidation_price(mmr, ZERO) == (100 + Decimal(10)) / Decimal("1.02")
    # having paid 3 per coin of funding, the long dies earlier and the short later
    assert long.liquidation_price(mmr, Decimal(3)) == (100 - Decimal(7)) / Decimal("0.98")
    assert short.liquidation_price(mmr, Decimal(3)) == (100 + Decimal(13)) / Decimal("1.02")


@given(st.booleans(), quantities, prices, shares)
def test_at_its_liquidation_price_the_margin_left_is_the_maintenance_margin(
    is_long: bool, quantity: Decimal, entry: Decimal, share: Decimal
) -> None:
    """If this fails, the liquidation price is not where equity equals the maintenance requirement."""
    held = position(is_long, quantity, entry, quantity * entry * share)
    mmr = Decimal("0.02")
    at = held.liquidation_price(mmr, ZERO)
    left = held.effective_margin(at, ZERO)
    assert abs(left - mmr * at * quantity) <= quantity * entry * Decimal("1e-20")


@given(st.booleans(), quantities, prices, shares, fundings, fundings)
def test_funding_moves_between_long_and_short_alone(
    is_long: bool, quantity: Decimal, entry: Decimal, share: Decimal, before: Decimal, after: Decimal
) -> None:
    """If this fails, funding creates or destroys money."""
    pair = [
        position(side, quantity, entry, quantity * entry * share, before) for side in (is_long, not is_long)
    ]
    total = sum(p.margin for p in pair)
    for p in pair:
        p.apply_funding(after)
    assert abs(sum(p.margin for p in pair) - total) <= TINY
    assert all(p.cumulative_funding_entry == after for p in pair)
    long = pair[0] if is_long else pair[1]
    assert (long.margin < quantity * entry * share) == (after > before)


@given(st.booleans(), quantities, prices, prices, shares, shares)
def test_opening_and_closing_pays_out_margin_and_profit(
    is_buy: bool, quantity: Decimal, entry: Decimal, out: Decimal, share: Decimal, part: Decimal
) -> None:
    """If this fails, closing in two parts is worth something other than the margin plus the price difference."""
    held = position(is_buy, ZERO, ZERO, ZERO)
    margin = quantity * entry * share
    held.apply_trade(is_buy, quantity, entry, margin, ZERO)
    first = (quantity * part).quantize(Decimal("0.000001"))
    assume(0 < first < quantity)
    paid = held.apply_trade(not is_buy, first, out, ZERO, ZERO).payout
    paid += held.apply_trade(not is_buy, quantity - first, out, ZERO, ZERO).payout
    profit = quantity * (out - entry) * (1 if is_buy else -1)
    assert abs(paid - margin - profit) < Decimal("1e-12")
    assert held.quantity == 0


@given(st.booleans(), quantities, quantities, prices, prices)
def test_a_larger_opposite_trade_turns_the_position_round(
    is_buy: bool, small: Decimal, more: Decimal, entry: Decimal, out: Decimal
) -> None:
    """If this fails, turning a position keeps the old entry, direction or margin."""
    held = position(is_buy, ZERO, ZERO, ZERO)
    held.apply_trade(is_buy, small, entry, small * entry, ZERO)
    margin = (small + more) * out
    effect = held.apply_trade(not is_buy, small + more, out, margin, ZERO)
    assert (held.is_long, held.quantity, held.entry_price) == (not is_buy, more, out)
    assert abs(effect.refunded_margin + effect.collateral - margin) < Decimal("1e-12")
    assert held.margin == effect.collateral


def test_a_reduce_only_close_pays_its_fee_out_of_the_position() -> None:
    """If this fails, reduce-only orders close for nothing."""
    held = position(True, Decimal(1), Decimal(100), Decimal(10))
    effect = held.apply_trade(False, Decimal(1), Decimal(110), ZERO, Decimal("0.055"))
    assert effect.payout == 10 + 10 - Decimal("0.055")
    assert effect.refunded_margin == 0


@pytest.mark.parametrize(("is_buy", "price"), [(True, Decimal(105)), (False, Decimal(95))])
def test_the_mark_threshold_is_where_margin_just_covers_the_initial_requirement(
    is_buy: bool, price: Decimal
) -> None:
    """If this fails, an order bought above (or sold below) the mark is admitted with too little margin."""
    quantity, margin, ratio = Decimal(3), Decimal(30), Decimal("0.05")
    threshold = mark_price_threshold(is_buy, price, quantity, margin, ratio)
    held = position(is_buy, quantity, price, margin)
    assert abs(held.effective_margin(threshold, ZERO) - ratio * threshold * quantity) < Decimal("1e-20")
