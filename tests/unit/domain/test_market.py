"""Markets: what a venue's ticks, steps and depth make of an order."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.market import Costs, Market, SeriesKey, decimal_of

COSTS = Costs(Decimal("0.0002"), Decimal("0.0005"), Decimal("0.0001"), Decimal(2_000_000))

steps = st.sampled_from([Decimal(s) for s in ("0.0001", "0.001", "0.005", "0.01", "0.25", "1", "3", "10")])


def market(step: Decimal = Decimal(1), tick: Decimal = Decimal(1)) -> Market:
    key = SeriesKey("binance", "INJ")
    return Market(key, tick, step, Decimal(5), Decimal("0.1"), Decimal("0.05"), COSTS)


@given(st.decimals(-100_000, 100_000, places=6), steps)
def test_a_quantised_quantity_never_exceeds_what_was_asked(quantity, step):
    """Rounding would lift an order over the cap or flip a reduce-only order into an opening one."""
    rounded = market(step=step).quantise_quantity(quantity)
    assert abs(rounded) <= abs(quantity)
    assert abs(quantity - rounded) < step
    assert rounded % step == 0
    assert rounded * quantity >= 0


@given(st.decimals("0.0001", 100_000, places=7), steps)
def test_a_quantised_price_keeps_to_its_side(price, tick):
    """A worst price rounded the wrong way would be worse than the collar that the gate checked."""
    at = market(tick=tick)
    down, up = (at.quantise_price(price, towards=side) for side in ("down", "up"))
    nearest = at.quantise_price(price)
    assert down <= price <= up
    assert up - down in (0, tick)
    assert nearest in (down, up)
    assert abs(nearest - price) <= tick / 2
    assert all(p % tick == 0 for p in (down, up, nearest))


def test_taking_the_whole_depth_costs_half_the_band():
    """The impact of a large order would be under-estimated: 2 million into 2 million within 50 bp costs 25 bp."""
    assert COSTS.impact(Decimal(2_000_000)) == Decimal("0.0025")


@given(st.decimals(0, 10_000_000, places=2))
def test_impact_is_symmetric_and_proportional(notional_usd):
    """Sells would be cheaper than buys, or ten small orders in one instant cheaper than a large one."""
    assert COSTS.impact(-notional_usd) == COSTS.impact(notional_usd) >= 0
    assert COSTS.impact(10 * notional_usd) == 10 * COSTS.impact(notional_usd)


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "0.1"), (4.16666e-06, "0.00000416666"), (25.0, "25"), (-0.3, "-0.3")]
)
def test_a_float_becomes_the_decimal_it_prints_as(value, text):
    """0.1 would become 0.1000000000000000055…, and prices would fall off their ticks."""
    assert decimal_of(value) == Decimal(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimal_of_loses_nothing(value):
    """A price would not survive the way from a float column to an order and back."""
    assert float(decimal_of(value)) == value
