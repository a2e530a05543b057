"""From desired to actual: the right orders, in the right order, and none when there is nothing to do."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import pytest
from fakes import HASHES, HERE, NOW_MS, OTHER, THERE, market
from hypothesis import given
from hypothesis import strategies as st

from hedged.config import RiskConfig
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Intent, Purpose, Side
from hedged.execution.working.diff import intents_for
from hedged.risk.exposure import reduces
from hedged.strategy.snapshot import DesiredPosition

RISK = RiskConfig()
MARKETS = {
    HERE: market(HERE),
    THERE: market(THERE, depth_usd=Decimal(8_000_000)),
    OTHER: market(OTHER, depth_usd=Decimal(2_000_000)),
}
MARKS = dict.fromkeys(MARKETS, Decimal(100))


def diff(
    desired: Mapping[SeriesKey, Decimal | int | str],
    held: Mapping[SeriesKey, Decimal | int | str] | None = None,
    markets: Mapping[SeriesKey, Market] = MARKETS,
    marks: Mapping[SeriesKey, Decimal] = MARKS,
) -> list[Intent]:
    wanted = [DesiredPosition(key, Decimal(q), Purpose.RELOCATE, "why") for key, q in desired.items()]
    have = {key: Decimal(q) for key, q in (held or {}).items()}
    return intents_for(wanted, have, marks, markets, RISK, HASHES, NOW_MS)


def signed(orders: Iterable[Intent]) -> list[tuple[SeriesKey, Decimal]]:
    return [(order.key, order.signed_quantity) for order in orders]


def test_reductions_first_then_the_thinnest_book() -> None:
    """If this fails, the leg most likely to fail goes last and leaves the other one naked."""
    eth = SeriesKey("bybit", "ETH")
    markets = MARKETS | {eth: market(eth, depth_usd=Decimal(1))}
    orders = diff({THERE: -1, OTHER: -1, HERE: 0}, {HERE: -5})
    assert signed(orders) == [(HERE, 5), (OTHER, -1), (THERE, -1)]
    orders = diff({THERE: 0, OTHER: 4, HERE: -4}, {HERE: -4, THERE: 4})
    assert signed(orders) == [(THERE, -4), (OTHER, 4)]
    orders = diff({THERE: 4, HERE: -4}, markets=markets)
    assert signed(orders) == [(HERE, -4), (THERE, 4)]


@pytest.mark.parametrize(
    ("key", "held", "desired", "reduce_only"),
    [
        (HERE, 0, -4, True),  # a cut makes the trader's position smaller: it must never open a short
        (HERE, -4, -5, True),
        (HERE, -5, -4, False),  # giving back opens
        (HERE, -4, 0, False),
        (THERE, 0, -4, False),
        (THERE, -4, -5, False),
        (THERE, -5, -4, True),
        (THERE, 4, 0, True),
    ],
)
def test_reduce_only(key: SeriesKey, held: int, desired: int, reduce_only: bool) -> None:
    """If this fails, a venue refuses a good order, or lets a reduction turn into a new position."""
    (order,) = diff({key: desired}, {key: held})
    assert order.reduce_only is reduce_only


def test_dust_is_left() -> None:
    """If this fails, the daemon sends orders that the venue refuses for their size, every cycle again."""
    assert diff({THERE: "-0.049"}) == []
    assert diff({THERE: 0}, {THERE: "0.049"}) == []
    assert diff({THERE: "-0.0509"})[0].quantity == Decimal(
        "0.050"
    )  # rounded towards zero, never more than asked for


def test_a_change_of_sign_stops_at_zero() -> None:
    """If this fails, one order closes and opens at once and cannot be sent reduce-only."""
    assert signed(diff({THERE: 4}, {THERE: -3})) == [(THERE, 3)]
    assert signed(diff({THERE: 4}, {THERE: 0})) == [(THERE, 4)]


def test_a_reduction_takes_only_its_share_of_the_book() -> None:
    """If this fails, closing a large leg sweeps a thin book; openings are the gate's to cut."""
    thin = {THERE: market(THERE, depth_usd=Decimal(1_000))}  # a quarter of it: 2.5 coins at 100
    held, steps = Decimal(-6), []
    for _ in range(5):
        orders = diff({THERE: 0}, {THERE: held}, thin)
        steps += [order.signed_quantity for order in orders]
        held += sum((order.signed_quantity for order in orders), Decimal(0))
    assert steps == [Decimal("2.5"), Decimal("2.5"), Decimal("1")]
    assert signed(diff({THERE: -6}, {}, thin)) == [(THERE, -6)]


def test_a_leg_moves_to_another_venue_in_step() -> None:
    """If this fails, a thin book at one venue leaves a relocation twice as large, or a bare cut, for a cycle."""
    thin = MARKETS | {THERE: market(THERE, depth_usd=Decimal(1_000))}  # a quarter of it: 2.5 coins at 100
    there_to_other = diff({THERE: 0, OTHER: 6}, {HERE: -6, THERE: 6}, thin)
    assert signed(there_to_other) == [(THERE, Decimal("-2.5")), (OTHER, Decimal("2.5"))]
    other_to_there = diff({THERE: 6, OTHER: 0}, {HERE: -6, OTHER: 6}, thin)
    assert signed(other_to_there) == [(OTHER, Decimal("-2.5")), (THERE, Decimal("2.5"))]


@pytest.mark.parametrize("missing", ["mark", "market"])
def test_an_unknown_market_gets_no_order(missing: str) -> None:
    """If this fails, an order is priced without a price or sent where the daemon knows no rules."""
    known = without_there = {key: value for key, value in MARKS.items() if key != THERE}
    if missing == "mark":
        assert diff({THERE: -1}, marks=known) == []
    else:
        assert diff({THERE: -1}, markets={key: MARKETS[key] for key in without_there}) == []


quantities = st.decimals(-50, 50, places=4)
prices = st.decimals("0.01", 100_000, places=4)
books = st.fixed_dictionaries(dict.fromkeys(MARKETS, quantities))


@given(desired=books, held=books, marks=st.fixed_dictionaries(dict.fromkeys(MARKETS, prices)))
def test_orders_are_well_formed(
    desired: dict[SeriesKey, Decimal], held: dict[SeriesKey, Decimal], marks: dict[SeriesKey, Decimal]
) -> None:
    """If this fails, a venue or the gate refuses the order: off the tick, off the step, outside the collar."""
    for order in diff(desired, held, marks=marks):
        rules, mark = MARKETS[order.key], marks[order.key]
        assert order.quantity > 0
        assert order.quantity % rules.quantity_step == 0
        assert order.worst_price % rules.price_tick == 0
        collar = RISK.price_collar_bp / 10_000 * mark + rules.price_tick
        assert abs(order.worst_price - mark) <= collar
        assert (order.worst_price - mark) * order.side.sign >= -rules.price_tick
        assert order.quantity * mark >= rules.min_notional_usd
        if reduces(held[order.key], order.signed_quantity):  # the gate cuts the others
            assert order.quantity * mark <= RISK.depth_share * rules.costs.depth_usd


@given(desired=books, held=books)
def test_applying_the_orders_leaves_nothing_to_do(
    desired: dict[SeriesKey, Decimal], held: dict[SeriesKey, Decimal]
) -> None:
    """If this fails, the daemon trades for ever: positions do not converge within two cycles."""
    after = dict(held)
    for _ in range(2):  # the second cycle opens the other side where the first one stopped at zero
        for order in diff(desired, after):
            before = after[order.key]
            after[order.key] = before + order.signed_quantity
            assert abs(after[order.key] - desired[order.key]) < abs(before - desired[order.key])
    assert diff(desired, after) == []
    for key, quantity in after.items():
        smallest = MARKETS[key].min_notional_usd / MARKS[key] + MARKETS[key].quantity_step
        assert abs(quantity - desired[key]) < smallest


def test_dust_on_the_other_side_does_not_block_a_market() -> None:
    """If this fails, a partial fill too small to be closed keeps a market from ever being hedged again."""
    (order,) = diff({THERE: 4}, {THERE: "-0.003"})
    assert order.signed_quantity == Decimal("4.003")
    assert not order.reduce_only


def test_an_order_says_what_it_was_decided_with() -> None:
    """If this fails, the gate cannot tell an order of an old model, and the fill's shortfall has no reference."""
    (order,) = diff({THERE: -1})
    assert (order.hashes, order.reference_price, order.cycle_ts_ms) == (HASHES, Decimal(100), NOW_MS)
    assert (order.side, order.purpose) == (Side.SELL, Purpose.RELOCATE)
