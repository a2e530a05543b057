"""The exchange module: takes orders, matches them at the end of the block, settles funding, liquidates.

Checks come in the chain's order (EnsureValidDerivativeOrder of injective-core, release v1.18.x), so that an order that
is wrong twice fails with the code that the chain would give. Pure: no I/O, no clock; a block's time is handed in.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from hedged.sandbox.injective import codes
from hedged.sandbox.injective.admission import check_order, reducible
from hedged.sandbox.injective.book import Order, OrderType
from hedged.sandbox.injective.events import (
    BlockEvents,
    FundingPaid,
    FundingUpdate,
    OrderFailure,
    OrderUpdate,
    Update,
)
from hedged.sandbox.injective.funding import Settled
from hedged.sandbox.injective.ledger import Ledger
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.wire import hash_of, owner_of

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as it came in a message. Human values."""

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


class Exchange:
    """All markets and everybody's money in them."""

    def __init__(self, markets: Iterable[Market], ledger: Ledger) -> None:
        self.markets = {market.market_id: market for market in markets}
        self.ledger = ledger
        self.events = BlockEvents(0, 0)
        self.post_only_until = 0
        """Post-only mode holds below this height."""
        self.trade_nonces: dict[str, int] = defaultdict(int)
        self.house: set[str] = set()
        """Subaccounts of the simulated crowd: they need no money."""
        self._orders_seen = 0

    # --- orders -----------------------------------------------------------------------------------------------------

    def market(self, market_id: str) -> Market:
        """Return a market. Raises ChainError 27 when there is none."""
        if market_id not in self.markets:
            raise codes.exchange(
                codes.MARKET_NOT_FOUND,
                f"active derivative market for marketID {market_id} not found: derivative market not found",
            )
        return self.markets[market_id]

    def place(self, request: OrderRequest, tx_hash: str) -> Order:
        """Take an order into the block that is being made. Raises ChainError with the exchange's code."""
        market = self.market(request.market_id)
        self.trade_nonces[request.subaccount_id] += 1
        order = self._new_order(request, tx_hash)
        try:
            check_order(self, market, order)
            order.quantity = order.fillable = reducible(self, market, order)
        except codes.ChainError as error:
            error.order_hash = order.order_hash
            raise
        if order.order_type.is_post_only:
            market.book.rest([order])
            self.events.orders.append(OrderUpdate(Update.BOOKED, order, order.fillable))
        else:
            (market.book.new_markets if order.is_market else market.book.new_limits).append(order)
        return order

    def cancel(self, market_id: str, subaccount_id: str, order_hash: str, cid: str) -> None:
        """Cancel a resting order by its hash or cid. Raises ChainError 19 when there is none such."""
        book = self.market(market_id).book
        for order in book.resting() + book.new_limits:
            named = order.order_hash == order_hash.lower() if order_hash else order.cid == cid
            if order.subaccount_id == subaccount_id and named:
                self.drop(order)
                return
        raise codes.exchange(codes.ORDER_NOT_FOUND, f"{order_hash or cid}: order doesnt exist")

    def cancel_all(self, market_id: str, subaccount_id: str) -> None:
        """Cancel every resting order of a subaccount in a market."""
        for order in self.market(market_id).book.resting():
            if order.subaccount_id == subaccount_id:
                self.drop(order)

    def drop(self, order: Order) -> None:
        """Take an order out of its book and give back what it still holds."""
        self.markets[order.market_id].book.remove(order)
        self.ledger.release(order.subaccount_id, order.share(order.hold, order.fillable))
        if not order.by_house:
            self.events.orders.append(OrderUpdate(Update.CANCELLED, order, order.fillable))

    def fail(self, order: Order, code: int) -> None:
        """Cancel an order at the end of the block and say why."""
        self.drop(order)
        failure = OrderFailure(owner_of(order.subaccount_id), order.order_hash, order.cid, code)
        self.events.failures.append(failure)

    def _new_order(self, request: OrderRequest, tx_hash: str) -> Order:
        self._orders_seen += 1
        nonce = self.trade_nonces[request.subaccount_id]
        return Order(
            order_hash=hash_of("order", request.market_id, request.subaccount_id, nonce),
            market_id=request.market_id,
            subaccount_id=request.subaccount_id,
            cid=request.cid,
            order_type=request.order_type,
            price=request.price,
            quantity=request.quantity,
            margin=request.margin,
            fee_recipient=request.fee_recipient,
            is_market=request.is_market,
            expiration_block=request.expiration_block,
            fillable=request.quantity,
            number=self._orders_seen,
            created_ms=self.events.time_ms,
            tx_hash=tx_hash,
        )

    # --- positions and funding --------------------------------------------------------------------------------------

    @staticmethod
    def position(market: Market, subaccount_id: str) -> Position | None:
        """Return a subaccount's position, None where it is flat."""
        return market.positions.get(subaccount_id)

    def note_position(self, market: Market, subaccount_id: str) -> None:
        """Remember for the stream that a position changed; forget one that is closed."""
        position = market.positions.get(subaccount_id)
        if position is not None and position.quantity == 0:
            del market.positions[subaccount_id]
            position = None
        self.events.positions[market.market_id, subaccount_id] = position.copy() if position else None

    def charge_funding(self, now_s: int, forced: bool = False) -> None:
        """Settle every market whose interval has ended: one interval, however long the chain stood still."""
        for market in self.markets.values():
            funding = market.funding
            settled = funding.settle(market.mark) if forced else funding.settle_if_due(now_s, market.mark)
            if settled is not None:
                self._note_settlement(market, settled)

    def note_funding(self, market: Market, settled: Settled | None) -> None:
        """Remember the accumulators for the stream."""
        funding = market.funding
        state = (funding.cumulative_funding, funding.cumulative_price, funding.last_s)
        self.events.funding.append(FundingUpdate(market.market_id, market.symbol, *state, settled))

    def _note_settlement(self, market: Market, settled: Settled) -> None:
        self.note_funding(market, settled)
        for subaccount_id, position in market.positions.items():
            signed = position.signed_quantity
            paid = FundingPaid(
                *(
                    market.market_id,
                    market.symbol,
                    subaccount_id,
                    self.events.time_ms,
                    signed,
                    -signed * settled.payment,
                )
            )
            self.events.payments.append(paid)
