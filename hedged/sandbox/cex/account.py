"""One account at one exchange: money, isolated positions, orders, fills and income. No rules here, only bookkeeping."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Status(StrEnum):
    """Where an order stands."""

    NEW = "new"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"


ALIVE = (Status.NEW, Status.PARTIAL)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order as it was asked for. `quantity` in coins; `price` None: at any price. `tif`: GTC, IOC, FOK or PO."""

    coin: str
    sign: int
    quantity: Decimal
    price: Decimal | None
    tif: str
    reduce_only: bool
    client_id: str


@dataclass(slots=True)
class Order:
    """An order with what became of it. `cost` is Σ price × quantity of its fills."""

    order_id: int
    ticket: Ticket
    created_ms: int
    updated_ms: int
    status: Status = Status.NEW
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    would_take: bool = False
    """Post-only, and cancelled at once because it would have been filled."""

    @property
    def remaining(self) -> Decimal:
        """Coins not filled."""
        return self.ticket.quantity - self.filled

    @property
    def average(self) -> Decimal:
        """Average price of the fills, 0 without any."""
        return self.cost / self.filled if self.filled else Decimal(0)


@dataclass(frozen=True, slots=True)
class Trade:
    """A fill. `client_id` is the order's, or what the exchange writes on its own closes."""

    trade_id: int
    order_id: int
    client_id: str
    ts_ms: int
    coin: str
    sign: int
    quantity: Decimal
    price: Decimal
    fee: Decimal
    maker: bool
    realised: Decimal


@dataclass(frozen=True, slots=True)
class Income:
    """Money that came or went. `kind`: funding, fee, pnl. For funding also what it was reckoned from."""

    income_id: int
    ts_ms: int
    kind: str
    coin: str
    amount: Decimal
    quantity: Decimal = Decimal(0)
    rate: Decimal = Decimal(0)
    price: Decimal = Decimal(0)


@dataclass(slots=True)
class Held:
    """A position: signed coins, average entry, and the margin set aside for it."""

    quantity: Decimal = Decimal(0)
    entry: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    since_ms: int = 0


@dataclass(slots=True)
class Settings:
    """What the account has chosen for one market."""

    leverage: int = 20
    isolated: bool = False


@dataclass(slots=True)
class Rights:
    """What the key may do, and how the account is set up."""

    trade: bool = True
    withdraw: bool = False
    dual_side: bool = False
    level: int = 2
    """OKX: 1 spot, 2 futures, 3 multi-currency, 4 portfolio margin."""


@dataclass(slots=True)
class Account:
    """All of it. `cash` includes the margin of positions, not their unrealised profit."""

    cash: Decimal
    rights: Rights = field(default_factory=Rights)
    held: dict[str, Held] = field(default_factory=dict)
    settings: dict[str, Settings] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    income: list[Income] = field(default_factory=list)

    def position(self, coin: str) -> Held:
        """Return the position, empty where there is none."""
        return self.held.setdefault(coin, Held())

    def chosen(self, coin: str) -> Settings:
        """Return leverage and margin mode of a market."""
        return self.settings.setdefault(coin, Settings())

    def by_client_id(self, client_id: str) -> Order | None:
        """Return the latest order under a client id."""
        return next((o for o in reversed(self.orders.values()) if o.ticket.client_id == client_id), None)

    def alive(self) -> list[Order]:
        """Return the resting orders."""
        return [order for order in self.orders.values() if order.status in ALIVE]

    def change(self, coin: str, by: Decimal, price: Decimal, ts_ms: int) -> Decimal:
        """Apply a fill to a position by average cost; return the realised profit, which is also booked to the cash."""
        one, realised = self.position(coin), Decimal(0)
        if one.quantity * by >= 0:
            total = abs(one.quantity) + abs(by)
            one.entry = (one.entry * abs(one.quantity) + price * abs(by)) / total
            one.since_ms = one.since_ms or ts_ms
        else:
            closed = min(abs(one.quantity), abs(by)) * (1 if one.quantity > 0 else -1)
            realised = (price - one.entry) * closed
            if abs(by) > abs(one.quantity):
                one.entry = price
        one.quantity += by
        if not one.quantity:
            self.held[coin] = Held()
        else:
            one.margin = abs(one.quantity) * one.entry / self.chosen(coin).leverage
        self.cash += realised
        return realised

    def locked(self) -> Decimal:
        """Return the margin of positions and of resting orders that would enlarge one."""
        orders = Decimal(0)
        for order in self.alive():
            ticket = order.ticket
            if ticket.price is not None and not ticket.reduce_only:
                orders += order.remaining * ticket.price / self.chosen(ticket.coin).leverage
        return sum((one.margin for one in self.held.values()), orders)
