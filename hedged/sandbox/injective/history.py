"""What the indexer remembers: orders, trades, funding rates and payments. Bounded; newest last."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.sandbox.injective.book import Order
from hedged.sandbox.injective.events import BlockEvents, FundingPaid, Trade, Update

KEPT_TRADES = 20_000
KEPT_ORDERS = 20_000
KEPT_PRINTS = 50_000


@dataclass(slots=True)
class OrderRecord:
    """One order as the indexer tells it. `state`: booked, partial_filled, filled, canceled."""

    order: Order
    state: str
    filled: Decimal
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class FundingPrint:
    """One settlement of one market. `ts_ms` is the time of the block that settled it, not the hour."""

    market_id: str
    ts_ms: int
    rate: Decimal


@dataclass(slots=True)
class History:
    """Everything that happened, by kind."""

    orders: dict[str, OrderRecord] = field(default_factory=dict)
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=KEPT_TRADES))
    rates: deque[FundingPrint] = field(default_factory=lambda: deque(maxlen=KEPT_PRINTS))
    payments: deque[FundingPaid] = field(default_factory=lambda: deque(maxlen=KEPT_PRINTS))
    _missed: list[BlockEvents] = field(default_factory=list)

    def record(self, events: BlockEvents, behind: bool = False) -> None:
        """Take a block in. `behind`: the indexer stands still; what it misses it takes in afterwards."""
        self._missed.append(events)
        if not behind:
            missed, self._missed = self._missed, []
            for one in missed:
                self._take(one)

    def _take(self, events: BlockEvents) -> None:
        for update in events.orders:
            self._record_order(update.status, update.order, update.fillable, events.time_ms)
        self.trades.extend(events.trades)
        self.payments.extend(events.payments)
        for funding in events.funding:
            if funding.settled is not None:
                self.rates.append(FundingPrint(funding.market_id, events.time_ms, funding.settled.rate))

    def _record_order(self, status: Update, order: Order, fillable: Decimal, now_ms: int) -> None:
        record = self.orders.get(order.order_hash)
        if record is None:
            record = OrderRecord(order, "booked", Decimal(0), order.created_ms, now_ms)
            self.orders[order.order_hash] = record
            if len(self.orders) > KEPT_ORDERS:
                del self.orders[next(iter(self.orders))]
        record.order, record.filled, record.updated_ms = order, order.quantity - fillable, now_ms
        if status is Update.CANCELLED:
            # a market order whose worst price cut it short has traded all the same
            record.state = "filled" if order.is_market and record.filled else "canceled"
        elif fillable == 0:
            record.state = "filled"
        elif record.filled:
            record.state = "partial_filled"
