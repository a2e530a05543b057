"""One exchange as it really is: orders, positions, cash, funding. It outlives every life of the daemon.

What it tells, how late and how wrongly, is the business of `hedged.simulate.venue`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import SECOND_MS
from hedged.domain.funding import FundingPayment, funding_payment
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Hashes, Intent, OrderState, OrderStatus, Purpose, Side
from hedged.simulate.dice import Dice
from hedged.simulate.market import SimMarket

NOTHING = Decimal(0)
LATE_MS = 8 * SECOND_MS
"""A request that was not answered arrives within this time or never."""
Note = Callable[..., None]


@dataclass(slots=True)
class Order:
    """One order as the exchange has it. `found_from_ms`: from when on a look-up finds it."""

    intent: Intent
    client_id: str
    status: OrderStatus = OrderStatus.OPEN
    filled: Decimal = NOTHING
    detail: str = ""
    found_from_ms: int = 0

    @property
    def remaining(self) -> Decimal:
        """Coins that may still be filled."""
        return self.intent.quantity - self.filled if self.status is OrderStatus.OPEN else NOTHING

    @property
    def state(self) -> OrderState:
        """The order as the exchange tells it."""
        return OrderState(
            self.client_id, self.intent.key, self.status, self.filled, self.remaining, self.detail
        )


@dataclass(slots=True)
class Exchange:
    """`told_executions`, `told_payments`: with the instant from which they are told. `ours`: signed coins of the
    daemon's fills by symbol. `in_flight`: client id → until when a request may still arrive. `closed`: whether in
    maintenance.
    """

    venue: str
    market: SimMarket
    dice: Dice
    now_ms: Callable[[], int]
    note: Note
    cash_usd: Decimal
    closed: Callable[[], bool]
    held: dict[str, Decimal] = field(default_factory=dict)
    ours: dict[str, Decimal] = field(default_factory=dict)
    entry: dict[str, Decimal] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)
    told_executions: list[tuple[int, Execution]] = field(default_factory=list)
    told_payments: list[tuple[int, FundingPayment]] = field(default_factory=list)
    past: list[tuple[int, str, Decimal]] = field(default_factory=list)
    _executions: int = 0

    def key(self, symbol: str) -> SeriesKey:
        """Return a market here."""
        return SeriesKey(self.venue, symbol)

    @property
    def symbols(self) -> Iterator[str]:
        """Symbols of all markets here."""
        return (key.symbol for key in self.market.keys if key.venue == self.venue)

    def seed(self, symbol: str, quantity: Decimal) -> None:
        """Put the trader's own position here."""
        price = self.market.price(self.key(symbol), self.now_ms())
        self._move(symbol, quantity, price)
        self.past[-1] = (0, symbol, quantity)  # it was held long before

    # orders

    def arrive(self, approved: ApprovedIntent, part: Decimal, late_ms: int, *, rests: bool = False) -> Order:
        """Take an order: fill what it takes at once, or let it rest. `part`: share of it that finds takers."""
        intent, cid = approved.intent, approved.client_id
        self.in_flight.pop(cid, None)
        if cid in self.orders:
            self.note("duplicate", client_id=cid, key=intent.key)
            return self.orders[cid]
        order = self.orders[cid] = Order(intent, cid)
        why = self._refusal(intent)
        self.note("arrive", client_id=cid, key=intent.key, refused=why)
        if why:
            order.status, order.detail = OrderStatus.REJECTED, why
        elif rests:
            return order
        else:
            self._take(order, part, late_ms)
        return order

    def _refusal(self, intent: Intent) -> str:
        market = self.market.markets[intent.key]
        if self.closed():
            return "maintenance"
        if intent.quantity % market.quantity_step:
            return "off the step"
        if intent.reduce_only and self.reducible(intent) <= 0:
            return "reduce-only order would not reduce"
        return ""

    def reducible(self, intent: Intent) -> Decimal:
        """Return how many coins an order can take off what is held here."""
        held = self.held.get(intent.key.symbol, NOTHING)
        return abs(held) if held * intent.side.sign < 0 else NOTHING

    def _take(self, order: Order, part: Decimal, late_ms: int) -> None:
        intent = order.intent
        market = self.market.markets[intent.key]
        price = self.market.price(intent.key, self.now_ms())
        price = market.quantise_price(
            price * (1 + intent.side.sign * market.costs.half_spread),
            towards="up" if intent.side.sign > 0 else "down",
        )
        quantity = market.quantise_quantity(intent.quantity * part)
        if intent.reduce_only:
            quantity = min(quantity, self.reducible(intent))
        if (price - intent.worst_price) * intent.side.sign > 0:
            quantity = NOTHING
        pieces = 1 + self.dice.below(3)
        for piece in self._pieces(quantity, pieces, market.quantity_step):
            self.fill(order, piece, price, late_ms)
        whole = order.filled == intent.quantity
        order.status = OrderStatus.FILLED if whole else OrderStatus.CANCELLED
        if not whole:
            self.note("over", client_id=order.client_id, key=intent.key, filled=order.filled)

    def _pieces(self, quantity: Decimal, n: int, step: Decimal) -> Iterator[Decimal]:
        left = quantity
        while left > 0:
            piece = max(step, (quantity / n / step).to_integral_value() * step)
            yield min(piece, left)
            left -= min(piece, left)

    def fill(self, order: Order, quantity: Decimal, price: Decimal, late_ms: int) -> None:
        """Trade a part of an order of the daemon's."""
        intent = order.intent
        order.filled += quantity
        fee = quantity * price * self.market.markets[intent.key].costs.taker_fee
        self.ours[intent.key.symbol] = self.ours.get(intent.key.symbol, NOTHING) + intent.side.sign * quantity
        self._execute(intent.key, order.client_id, intent.side, quantity, price, fee, late_ms)
        if order.filled == intent.quantity:
            order.status = OrderStatus.FILLED

    def end(self, client_id: str) -> None:
        """Cancel what rests, or let its lifetime end."""
        order = self.orders.get(client_id)
        if order is not None and order.status is OrderStatus.OPEN:
            order.status = OrderStatus.CANCELLED
            self.note("over", client_id=client_id, key=order.intent.key, filled=order.filled)

    def rest_by_hand(self, symbol: str) -> str:
        """Let an order of the operator's rest, far from the market; return its client id."""
        key = self.key(symbol)
        price = self.market.price(key, self.now_ms())
        client_id = f"by-hand-{len(self.orders)}"
        intent = Intent(
            self.now_ms(), key, Side.BUY, self.market.markets[key].quantity_step * 100, price / 2, price,
            Purpose.HEDGE_OPEN, False, Hashes("", "", ""),
        )  # fmt: skip
        self.orders[client_id] = Order(intent, client_id)
        return client_id

    def by_hand(self, symbol: str, signed: Decimal) -> None:
        """Trade on the account without an order of the daemon's: the operator, a liquidation, deleveraging."""
        key = self.key(symbol)
        side = Side.BUY if signed > 0 else Side.SELL
        price = self.market.price(key, self.now_ms())
        self._execute(key, None, side, abs(signed), price, NOTHING, 0)

    def _execute(
        self,
        key: SeriesKey,
        client_id: str | None,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
        late_ms: int,
    ) -> None:
        now_ms = self.now_ms()
        self._executions += 1
        name = f"{self.venue}-{self._executions}"
        execution = Execution(now_ms, key, name, client_id, side, quantity, price, fee)
        self.cash_usd -= fee
        self._move(key.symbol, execution.signed_quantity, price)
        self.told_executions.append((now_ms + late_ms, execution))
        self.note(
            "fill", client_id=client_id, key=key, signed=execution.signed_quantity, price=price, id=name,
            position=self.held[key.symbol],
        )  # fmt: skip

    def _move(self, symbol: str, signed: Decimal, price: Decimal) -> None:
        held = self.held.get(symbol, NOTHING)
        entry = self.entry.get(symbol, price)
        if held * signed >= 0 and held + signed:
            self.entry[symbol] = (entry * abs(held) + price * abs(signed)) / abs(held + signed)
        else:
            closed = min(abs(held), abs(signed)) * (1 if held > 0 else -1)
            self.cash_usd += (price - entry) * closed
            self.entry[symbol] = entry if abs(signed) <= abs(held) else price
        self.held[symbol] = held + signed
        self.past.append((self.now_ms(), symbol, held + signed))

    # the account

    def held_at(self, at_ms: int) -> dict[str, Decimal]:
        """Return the positions of an earlier instant."""
        return {symbol: held for ts_ms, symbol, held in self.past if ts_ms <= at_ms}

    def settle(self, symbol: str, due_ms: int, late_ms: int, factor: int = 1) -> None:
        """Pay a settlement on what was held strictly before it. `factor`: by which it is paid wrongly."""
        quantity = self.held_at(due_ms - 1).get(symbol, NOTHING)
        if not quantity:
            return
        due = funding_payment(quantity, self.market.settlement(self.key(symbol), due_ms))
        payment = replace(due, payment_usd=due.payment_usd * factor)
        self.cash_usd += payment.payment_usd
        self.told_payments.append((due_ms + late_ms, payment))
        self.note(
            "payment", key=self.key(symbol), due_ms=due_ms, usd=payment.payment_usd, due=due.payment_usd
        )

    def own(self, symbol: str) -> Decimal:
        """Return what is not the daemon's: on Injective the trader's own quantity N."""
        return self.held.get(symbol, NOTHING) - self.ours.get(symbol, NOTHING)

    def equity_usd(self) -> Decimal:
        """Return cash and unrealised profit."""
        now_ms = self.now_ms()
        profit = sum(
            (
                (self.market.price(self.key(s), now_ms) - self.entry[s]) * held
                for s, held in self.held.items()
                if held
            ),
            NOTHING,
        )
        return self.cash_usd + profit

    def margin_usd(self) -> Decimal:
        """Return the initial margin of all positions."""
        now_ms, total = self.now_ms(), NOTHING
        for symbol, held in self.held.items():
            if held:
                ratio = self.market.markets[self.key(symbol)].initial_margin_ratio
                total += abs(held) * self.market.price(self.key(symbol), now_ms) * ratio
        return total
