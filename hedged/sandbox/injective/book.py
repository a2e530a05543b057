"""Orders and the matching of one market: market orders against the book, then limit orders in one call auction a block.

Source: the frequent batch auction of injective-core's exchange module. All market orders of a side fill at one average
price; limit orders that cross fill at one clearing price, the middle of the marginal bid and ask.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

ZERO = Decimal(0)


class OrderType(IntEnum):
    """As in the protobuf enum of exchange v2."""

    BUY = 1
    SELL = 2
    BUY_PO = 7
    SELL_PO = 8

    @property
    def is_buy(self) -> bool:
        """Direction."""
        return self in (OrderType.BUY, OrderType.BUY_PO)

    @property
    def is_post_only(self) -> bool:
        """Whether it may only rest."""
        return self in (OrderType.BUY_PO, OrderType.SELL_PO)


@dataclass(slots=True, eq=False)
class Order:
    """One order. `margin` 0 = reduce-only. `hold` is what its account had reserved for the whole quantity, USDT."""

    order_hash: str
    market_id: str
    subaccount_id: str
    cid: str
    order_type: OrderType
    price: Decimal
    quantity: Decimal
    margin: Decimal
    fee_recipient: str
    is_market: bool
    expiration_block: int = 0
    hold: Decimal = ZERO
    fillable: Decimal = ZERO
    number: int = 0
    """Rank of arrival: earlier orders of a price fill first."""
    created_ms: int = 0
    tx_hash: str = ""
    by_house: bool = False
    """The simulated crowd's: needs no money and is renewed every block."""
    is_liquidation: bool = False

    @property
    def is_buy(self) -> bool:
        """Direction."""
        return self.order_type.is_buy

    @property
    def is_reduce_only(self) -> bool:
        """Whether it can only close."""
        return self.margin == 0

    def share(self, amount: Decimal, quantity: Decimal) -> Decimal:
        """Return the part of `amount` (margin, hold) that belongs to `quantity` of this order."""
        return amount * quantity / self.quantity


class Fill(NamedTuple):
    """A quantity of an order executed at a price. `is_maker`: it rested before this block."""

    order: Order
    quantity: Decimal
    price: Decimal
    is_maker: bool


@dataclass(slots=True)
class Book:
    """Resting orders of both sides, and what came in during the block that is being made."""

    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    new_limits: list[Order] = field(default_factory=list)
    new_markets: list[Order] = field(default_factory=list)

    def side(self, is_buy: bool) -> list[Order]:
        """Return one side's resting orders, best first."""
        return self.bids if is_buy else self.asks

    def best(self, is_buy: bool) -> Decimal | None:
        """Return the best resting price of a side."""
        orders = self.side(is_buy)
        return orders[0].price if orders else None

    @property
    def mid(self) -> Decimal | None:
        """Middle of the best bid and ask, if both are there."""
        bid, ask = self.best(True), self.best(False)
        return (bid + ask) / 2 if bid is not None and ask is not None else None

    def crosses(self, is_buy: bool, price: Decimal) -> bool:
        """Whether a price reaches the other side's best."""
        best = self.best(not is_buy)
        return best is not None and (price >= best if is_buy else price <= best)

    def rest(self, orders: Iterable[Order]) -> None:
        """Put orders into the book by price, then arrival."""
        for order in orders:
            self.side(order.is_buy).append(order)
        self.bids.sort(key=lambda order: (-order.price, order.number))
        self.asks.sort(key=lambda order: (order.price, order.number))

    def resting(self) -> list[Order]:
        """Return every resting order."""
        return self.bids + self.asks

    def every(self) -> list[Order]:
        """Return every order that is alive, resting or new."""
        return self.resting() + self.new_limits + self.new_markets

    def remove(self, order: Order) -> None:
        """Take an order out, wherever it stands."""
        for orders in (self.bids, self.asks, self.new_limits, self.new_markets):
            if order in orders:
                orders.remove(order)

    def remove_house(self) -> None:
        """Take all of the crowd's quotes out."""
        self.bids = [order for order in self.bids if not order.by_house]
        self.asks = [order for order in self.asks if not order.by_house]

    def levels(self, is_buy: bool, depth: int = 0) -> list[tuple[Decimal, Decimal]]:
        """Return (price, quantity) of a side, best first; `depth` 0 = all."""
        sums: dict[Decimal, Decimal] = {}
        for order in self.side(is_buy):
            sums[order.price] = sums.get(order.price, ZERO) + order.fillable
        return list(sums.items())[: depth or None]

    def match_markets(self, is_buy: bool) -> list[Fill]:
        """Fill the block's market orders of one side against the book, each within its worst price, at one average.

        The more generous worst price goes first. What finds no counterpart stays in `fillable`.
        """
        takers = sorted(
            (o for o in self.new_markets if o.is_buy == is_buy), key=lambda o: -o.price if is_buy else o.price
        )
        makers: list[Fill] = []
        filled = [ZERO] * len(takers)
        for index, taker in enumerate(takers):
            for maker in self.side(not is_buy):
                reachable = maker.price <= taker.price if is_buy else maker.price >= taker.price
                quantity = min(taker.fillable, maker.fillable)
                if not reachable or taker.fillable == 0:
                    break
                if quantity > 0:
                    taker.fillable -= quantity
                    maker.fillable -= quantity
                    filled[index] += quantity
                    makers.append(Fill(maker, quantity, maker.price, is_maker=True))
        total = sum(filled, ZERO)
        if not total:
            return []
        average = sum((fill.quantity * fill.price for fill in makers), ZERO) / total
        taken = [Fill(o, q, average, is_maker=False) for o, q in zip(takers, filled, strict=True) if q]
        return taken + makers

    def match_limits(self) -> list[Fill]:
        """Hold the block's call auction over resting and new limit orders; move what is left over into the book."""
        new = {id(order) for order in self.new_limits}
        self.rest(self.new_limits)
        self.new_limits = []
        matched: dict[int, tuple[Order, Decimal]] = {}
        bids, asks = iter(self.bids), iter(self.asks)
        bid, ask = next(bids, None), next(asks, None)
        marginal = (ZERO, ZERO)
        left_bid = bid.fillable if bid else ZERO
        left_ask = ask.fillable if ask else ZERO
        while bid is not None and ask is not None and bid.price >= ask.price:
            quantity = min(left_bid, left_ask)
            if quantity:
                marginal = (bid.price, ask.price)
            for order in (bid, ask):
                matched[id(order)] = (order, matched.get(id(order), (order, ZERO))[1] + quantity)
            left_bid -= quantity
            left_ask -= quantity
            if not left_bid:
                bid = next(bids, None)
                left_bid = bid.fillable if bid else ZERO
            if not left_ask:
                ask = next(asks, None)
                left_ask = ask.fillable if ask else ZERO
        clearing = sum(marginal, ZERO) / 2
        fills = [Fill(o, q, clearing, is_maker=id(o) not in new) for o, q in matched.values() if q]
        for fill in fills:
            fill.order.fillable -= fill.quantity
        return fills

    def drop_filled(self) -> None:
        """Forget resting orders with nothing left."""
        self.bids = [order for order in self.bids if order.fillable > 0]
        self.asks = [order for order in self.asks if order.fillable > 0]
