"""Prices of fills on paper."""

from decimal import Decimal

from fakes import market
from hypothesis import given
from hypothesis import strategies as st

from hedged.adapters.paper.fills import fee_usd, fillable, gone_through, taker_price, touch
from hedged.domain.orders import Side
from hedged.strategy.state import LegCosts

MARKET = market(price_tick=Decimal("0.000001"))  # depth 1,000,000 USD, half-spread 1 bp, taker 5 bp
MARK = Decimal(100)


@given(st.sampled_from(Side), st.integers(1, 10_000))
def test_what_the_planner_expects_is_what_a_fill_costs(side: Side, coins: int) -> None:
    """If this fails, hedges are decided at another cost than the one that they are charged."""
    quantity = Decimal(coins)
    price = taker_price(MARKET, side, quantity, MARK)
    lost = (price - MARK) * side.sign * quantity + fee_usd(MARKET.costs, quantity, MARK, made=False)
    usd, expected = float(quantity * MARK), LegCosts.of(MARKET.costs)
    assert abs(float(lost) - (expected.per_usd * usd + expected.impact_per_usd2 * usd**2)) < 1e-6 * usd


@given(st.sampled_from(Side), st.integers(1, 30_000), st.integers(-5, 80))
def test_no_coin_is_filled_beyond_the_worst_price_or_the_depth(side: Side, coins: int, bp: int) -> None:
    """If this fails, paper takes what no book offers: a large hedge is cheap in a backtest alone."""
    worst = MARK * (1 + side.sign * Decimal(bp) / 10_000)
    filled = fillable(MARKET, side, Decimal(coins), MARK, worst)
    assert 0 <= filled <= min(coins, 10_000)
    assert filled % MARKET.quantity_step == 0
    last = MARKET.costs.half_spread + Decimal("0.005") * filled * MARK / MARKET.costs.depth_usd
    if filled:
        assert last <= Decimal(bp) / 10_000
        assert (taker_price(MARKET, side, filled, MARK) - worst) * side.sign <= 0
    if filled < min(coins, 10_000):
        one_more = last + Decimal("0.005") * MARKET.quantity_step * MARK / MARKET.costs.depth_usd
        assert one_more > Decimal(bp) / 10_000


def test_the_touch_lies_outward_and_a_maker_waits_for_the_mark_to_pass() -> None:
    """If this fails, resting orders are filled by a touch that a real queue would not have let through."""
    assert touch(market(), Decimal("100.04")) == (Decimal("100.0"), Decimal("100.1"))
    for side, through in ((Side.BUY, Decimal("99.8")), (Side.SELL, Decimal("100.0"))):
        assert gone_through(side, Decimal("99.9"), through)
        assert not gone_through(side, Decimal("99.9"), Decimal("99.9"))
    assert fee_usd(market().costs, Decimal(2), MARK, made=True) == Decimal("0.04")
