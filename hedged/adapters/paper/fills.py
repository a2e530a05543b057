"""At what price and how much of an order is filled. Pure.

The book is flat: its depth lies evenly over the 50 bp beyond the half-spread, so the price of the last coin rises in
proportion to the size, and the average by half of that. It is the law that the planner expects (`Costs.impact`): what a
hedge is said to cost is what it costs here. A square root of the size is the law of orders that are worked over hours;
these take at once, at sizes that the gate keeps below a quarter of the depth, where a book is what counts.
"""

from decimal import Decimal

from hedged.domain.errors import Rejected
from hedged.domain.market import Costs, Market
from hedged.domain.orders import Intent, Side

REACH = Decimal("0.005")
"""The depth lies within so much of the mark."""


def taker_price(market: Market, side: Side, quantity: Decimal, mark: Decimal) -> Decimal:
    """Return the average price of taking `quantity` coins at once: mark, half-spread and impact, rounded against us."""
    slip = market.costs.half_spread + market.costs.impact(quantity * mark)
    return market.quantise_price(mark * (1 + side.sign * slip), towards="up" if side.sign > 0 else "down")


def fillable(market: Market, side: Side, quantity: Decimal, mark: Decimal, worst_price: Decimal) -> Decimal:
    """Return how many of `quantity` coins are offered at the worst price or better, down to the step; 0: none.

    The last coin of a notional x costs half-spread + 50 bp · x ÷ depth; beyond the depth nobody offers anything.
    """
    reach = (worst_price / mark - 1) * side.sign - market.costs.half_spread
    most_usd = market.costs.depth_usd * min(Decimal(1), reach / REACH)
    if reach < 0 or (taker_price(market, side, Decimal(0), mark) - worst_price) * side.sign > 0:
        return Decimal(0)
    return min(quantity, market.quantise_quantity(most_usd / mark))


def touch(market: Market, mark: Decimal) -> tuple[Decimal, Decimal]:
    """Return best bid and ask: the assumed half-spread around the mark, outwards to the tick."""
    half = market.costs.half_spread
    return (
        market.quantise_price(mark * (1 - half), towards="down"),
        market.quantise_price(mark * (1 + half), towards="up"),
    )


def gone_through(side: Side, price: Decimal, mark: Decimal) -> bool:
    """Tell whether a mark has moved through a resting order's price: then, and only then, it fills as a maker."""
    return (price - mark) * side.sign > 0


def fee_usd(costs: Costs, quantity: Decimal, price: Decimal, *, made: bool) -> Decimal:
    """Return the fee of a fill, USD; > 0 is a cost. `made`: it rested, and pays the maker's."""
    return quantity * price * (costs.maker_fee if made else costs.taker_fee)


def offered(intent: Intent, market: Market, mark: Decimal) -> Decimal:
    """Return how much of an order is offered. Raises Rejected for one off the rules, or where nothing is."""
    if intent.quantity % market.quantity_step or intent.quantity * mark < market.min_notional_usd:
        raise Rejected(f"{intent.key}: quantity {intent.quantity} is off the step or below the minimum")
    quantity = fillable(market, intent.side, intent.quantity, mark, intent.worst_price)
    if not quantity:
        price = taker_price(market, intent.side, intent.quantity, mark)
        raise Rejected(
            f"{intent.key}: market price {price:f} is beyond the worst price {intent.worst_price:f}"
        )
    return quantity


def check_reduces(intent: Intent, held: Decimal) -> None:
    """Raise Rejected for a reduce-only order that would not reduce the signed coins held."""
    if intent.reduce_only and (held * intent.signed_quantity >= 0 or intent.quantity > abs(held)):
        raise Rejected(f"{intent.key}: reduce-only order would not reduce {held}")
