"""Builders of markets and intents, and a venue whose answers a test scripts."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hedged.domain.approved import ApprovedIntent, GateSeal
from hedged.domain.book import Balance, Position
from hedged.domain.errors import OutcomeUnknown
from hedged.domain.funding import FundingPayment, FundingRate, Settlement, funding_payment
from hedged.domain.market import INJECTIVE, Costs, Market, SeriesKey
from hedged.domain.orders import Execution, Hashes, Intent, OrderState, OrderStatus, Purpose, Side

NOW_MS = 1_750_000_500_000
HERE = SeriesKey(INJECTIVE, "BTC")
THERE = SeriesKey("binance", "BTC")
OTHER = SeriesKey("bybit", "BTC")
HASHES = Hashes("model", "features", "config")


def market(key: SeriesKey = HERE, **changes: Any) -> Market:
    costs = Costs(
        Decimal("0.0002"), Decimal("0.0005"), Decimal("0.0001"), changes.pop("depth_usd", Decimal(1_000_000))
    )
    plain = Market(
        key, Decimal("0.1"), Decimal("0.001"), Decimal(5), Decimal("0.05"), Decimal("0.025"), costs
    )
    return replace(plain, **changes)


def intent(key: SeriesKey = HERE, signed: Decimal | str | int = "-1", **changes: Any) -> Intent:
    """An order of `signed` coins at a mark of 100, its worst price 0.2 % away."""
    quantity = Decimal(signed)
    side = Side.BUY if quantity > 0 else Side.SELL
    plain = Intent(
        cycle_ts_ms=NOW_MS,
        key=key,
        side=side,
        quantity=abs(quantity),
        worst_price=Decimal(100) + side.sign * Decimal("0.2"),
        reference_price=Decimal(100),
        purpose=Purpose.OWN_CUT if key.venue == INJECTIVE else Purpose.HEDGE_OPEN,
        reduce_only=False,
        hashes=HASHES,
    )
    return replace(plain, **changes)


def approve(order: Intent) -> ApprovedIntent:
    """What the gate would make of it."""
    return ApprovedIntent(order, order.client_id("test"), GateSeal())


def settlement(key: SeriesKey, ts_ms: int, rate: str = "0.0001", price: str = "100") -> Settlement:
    return Settlement(key, ts_ms, FundingRate(key.venue, Decimal(rate), Decimal(1)), Decimal(price))


class FakeVenue:
    """A `Trading` port: fills at the intent's reference price unless told to misbehave.

    `place_errors`: raised by the next calls of place, in order; `accepts_then_fails`: an OutcomeUnknown still fills.
    `broken`: method name → error raised whenever it is called. `watch`: called when an order arrives.
    """

    def __init__(self, venue: str, quantity: Decimal | int = 0, symbol: str = "BTC") -> None:
        self.venue = venue
        self.quantities: dict[str, Decimal] = {symbol: Decimal(quantity)} if quantity else {}
        self.orders: dict[str, OrderState] = {}
        self.trades: list[Execution] = []
        self.paid: list[FundingPayment] = []
        self.placed: list[ApprovedIntent] = []
        self.place_errors: list[Exception] = []
        self.accepts_then_fails = False
        self.broken: dict[str, Exception] = {}
        self.lookups = 0
        self.now_ms = NOW_MS
        self.asked_since: list[int] = []
        self.watch: Callable[[ApprovedIntent], None] = lambda _: None
        self._ids = itertools.count()

    def trade(
        self, symbol: str, signed: Decimal | str | int, client_id: str | None = None, price: str = "100"
    ) -> None:
        """Something trades on the account: by hand when there is no client id."""
        quantity = Decimal(signed)
        self.quantities[symbol] = self.quantities.get(symbol, Decimal(0)) + quantity
        side = Side.BUY if quantity > 0 else Side.SELL
        key = SeriesKey(self.venue, symbol)
        self.trades.append(
            Execution(
                self.now_ms,
                key,
                f"x{next(self._ids)}",
                client_id,
                side,
                abs(quantity),
                Decimal(price),
                Decimal("0.05"),
            )
        )

    def pay(self, symbol: str, ts_ms: int) -> None:
        due = settlement(SeriesKey(self.venue, symbol), ts_ms)
        self.paid.append(funding_payment(self.quantities.get(symbol, Decimal(0)), due))

    async def positions(self) -> Mapping[str, Position]:
        self._maybe_fail("positions")
        return {
            s: Position(SeriesKey(self.venue, s), q, Decimal(100)) for s, q in self.quantities.items() if q
        }

    async def balance(self) -> Balance:
        self._maybe_fail("balance")
        return Balance(self.venue, Decimal(10_000), Decimal(10_000))

    async def place(self, approved: ApprovedIntent) -> OrderState:
        self.watch(approved)
        self.placed.append(approved)
        error = self.place_errors.pop(0) if self.place_errors else None
        if error is not None and not (isinstance(error, OutcomeUnknown) and self.accepts_then_fails):
            raise error
        order = approved.intent
        self.trade(order.key.symbol, order.signed_quantity, approved.client_id)
        state = OrderState(approved.client_id, order.key, OrderStatus.FILLED, order.quantity, Decimal(0))
        self.orders[approved.client_id] = state
        if error is not None:
            raise error
        return state

    async def lookup(self, client_id: str) -> OrderState | None:
        self.lookups += 1
        self._maybe_fail("lookup")
        return self.orders.get(client_id)

    async def open_orders(self) -> Sequence[OrderState]:
        return ()

    async def cancel(self, client_id: str) -> None:
        del client_id

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        self._maybe_fail("executions")
        self.asked_since.append(since_ms)
        return [e for e in self.trades if e.ts_ms >= since_ms]

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        self._maybe_fail("funding_payments")
        return [p for p in self.paid if p.settlement.ts_ms > since_ms]

    def _maybe_fail(self, method: str) -> None:
        if method in self.broken:
            raise self.broken[method]
