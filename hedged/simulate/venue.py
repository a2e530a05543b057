"""A venue as one life of the daemon sees it: over a network, late, sometimes silent, sometimes wrong.

It implements the ports as the real adapters do: what certainly had no effect is Retryable, what may have had one is
OutcomeUnknown, and a look-up says "never had it" only once the request can no longer arrive.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from hedged.domain.approved import ApprovedIntent
from hedged.domain.book import Balance, Position
from hedged.domain.clock import SECOND_MS
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable, WouldTake
from hedged.domain.funding import FundingPayment
from hedged.domain.orders import Execution, OrderState, OrderStatus
from hedged.simulate.exchange import LATE_MS, NOTHING, Exchange
from hedged.simulate.faults import OF_ORDERS, Fault
from hedged.simulate.quotes import Quotes

if TYPE_CHECKING:
    from hedged.simulate.life import Life

FAR_S = 45.0
"""Longer than any deadline of the daemon's."""
WHOLE = Decimal(1)


class SimVenue(Quotes):
    """`Trading`, `MarketData`, `Rests`, `TellsTime` and `TellsMode` of one exchange, for one life."""

    def __init__(self, exchange: Exchange, life: "Life") -> None:
        super().__init__(exchange.venue, life)
        self._exchange = exchange
        self._offset_ms: int | None = None

    @property
    def clock_offset_ms(self) -> int | None:
        """This machine's clock − the venue's, as it was at the last balance."""
        return self._offset_ms

    @property
    def restriction(self) -> str:
        """Why no order can fill now."""
        world = self._life.world
        span = world.faults.lasting(Fault.MAINTENANCE, world.now_ms(), self.venue)
        return "maintenance" if span else ""

    async def positions(self) -> Mapping[str, Position]:
        """Return the positions, perhaps of some seconds ago."""
        world, exchange = self._life.world, self._exchange
        await self._ask("positions", Fault.POSITIONS_FAIL)
        now_ms = world.now_ms()
        lags = world.faults.strikes(Fault.POSITIONS_LAG, now_ms)
        held = (
            exchange.held_at(now_ms - int(self._dice.between(1, 10) * SECOND_MS)) if lags else exchange.held
        )
        told = {
            symbol: Position(exchange.key(symbol), quantity, exchange.entry.get(symbol, NOTHING))
            for symbol, quantity in held.items()
            if quantity
        }
        self._life.note("positions", venue=self.venue, held={s: p.quantity for s, p in told.items()})
        return told

    async def balance(self) -> Balance:
        """Return the collateral."""
        await self._ask("balance")
        self._offset_ms = self._life.world.clock_offset_ms
        total = self._exchange.equity_usd()
        return Balance(self.venue, total, max(NOTHING, total - self._exchange.margin_usd()))

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return what is told by now; late ones come later, some twice, some in another order."""
        world = self._life.world
        await self._ask("executions")
        now_ms = world.now_ms()
        told = [
            e for from_ms, e in self._exchange.told_executions if from_ms <= now_ms and e.ts_ms >= since_ms
        ]
        if told and world.faults.strikes(Fault.EXECUTIONS_EMPTY, now_ms):
            told = []
        if told and world.faults.strikes(Fault.EXECUTIONS_TWICE, now_ms):
            told = [e for e in told for _ in range(2)]
        if len(told) > 1 and world.faults.strikes(Fault.EXECUTIONS_REORDERED, now_ms):
            self._dice.shuffle(told)
        self._life.note("executions", venue=self.venue, ids=[e.execution_id for e in told])
        return told

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Return the payments that are told by now."""
        await self._ask("funding")
        now_ms = self._life.world.now_ms()
        return [
            p
            for from_ms, p in self._exchange.told_payments
            if from_ms <= now_ms and p.settlement.ts_ms > since_ms
        ]

    async def place(self, approved: ApprovedIntent) -> OrderState:
        """Send an order that takes."""
        return await self._send(approved, None)

    async def rest(self, approved: ApprovedIntent, lifetime_s: float) -> OrderState:
        """Send an order that rests."""
        return await self._send(approved, lifetime_s)

    async def touch(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return best bid and ask."""
        world, key = self._life.world, self._exchange.key(symbol)
        await self._ask("touch")
        if world.faults.lasting(Fault.CROSSED, world.now_ms(), self.venue, symbol):
            raise Retryable(f"{key}: the book is crossed")
        market, price = world.market.markets[key], world.market.price(key, world.now_ms())
        half = market.costs.half_spread
        return (
            market.quantise_price(price * (1 - half), towards="down"),
            market.quantise_price(price * (1 + half), towards="up"),
        )

    async def lookup(self, client_id: str) -> OrderState | None:
        """Return the order; None once it cannot arrive any more."""
        world, exchange = self._life.world, self._exchange
        self._life.note("looks_up", client_id=client_id)
        await self._ask("lookup", Fault.LOOKUP_FAILS)
        now_ms = world.now_ms()
        order = exchange.orders.get(client_id)
        waits = order is not None and order.found_from_ms > now_ms
        if waits or exchange.in_flight.get(client_id, 0) > now_ms:
            raise Retryable(f"{client_id} is not known yet, and may still arrive")
        found = order.state if order is not None else None
        self._life.note(
            "lookup",
            client_id=client_id,
            found=found.status if found else None,
            filled=found.filled if found else NOTHING,
        )
        return found

    async def open_orders(self) -> Sequence[OrderState]:
        """Return what rests."""
        await self._ask("open_orders")
        return [o.state for o in self._exchange.orders.values() if o.status is OrderStatus.OPEN]

    async def cancel(self, client_id: str) -> None:
        """Cancel what rests; the answer may be lost, and a fill may be faster."""
        world = self._life.world
        await self._ask("cancel")
        self._life.note("cancel", client_id=client_id, venue=self.venue)
        world.after(self._dice.between(0.01, 0.5), lambda: self._exchange.end(client_id))
        await self._wait(0.6)
        if world.faults.strikes(Fault.CANCEL_LOST, world.now_ms()):
            raise OutcomeUnknown(f"{self.venue}: no answer to the cancel of {client_id}")

    async def _send(self, approved: ApprovedIntent, lifetime_s: float | None) -> OrderState:
        life, world, exchange = self._life, self._life.world, self._exchange
        life.sent(self.venue, approved, rests=lifetime_s is not None)
        now_ms = world.now_ms()
        fault = world.faults.one_of(OF_ORDERS, now_ms)
        if fault is None and world.faults.lasting(Fault.OUTAGE, now_ms, self.venue):
            fault = Fault.REFUSED
        if fault is Fault.REFUSED:
            await self._wait(self._dice.between(0.01, 0.3))
            raise Retryable(f"{self.venue}: no connection")
        if fault is Fault.REJECTED:
            await self._wait(self._dice.between(0.01, 0.3))
            if lifetime_s is not None and self._dice.chance(0.5):
                raise WouldTake(f"{self.venue}: the order would take")
            raise Rejected(f"{self.venue}: not now")
        if lifetime_s is not None and await self._would_take(approved):
            raise WouldTake(f"{self.venue}: the order would take")
        on_way_s = self._dice.between(0.02, 0.3)
        if fault is Fault.ORDER_LATE:
            on_way_s = self._dice.between(0.5, LATE_MS / SECOND_MS - 0.5)
        if fault in (Fault.ORDER_LATE, Fault.ORDER_LOST, Fault.BLACK_HOLE):
            exchange.in_flight[approved.client_id] = now_ms + LATE_MS
        if fault is not Fault.ORDER_LOST and not (fault is Fault.BLACK_HOLE and self._dice.chance(0.5)):
            self._arrives(approved, on_way_s, lifetime_s, found_late=fault is Fault.ACK_LOST)
        return await self._answer(approved, fault, on_way_s)

    async def _answer(self, approved: ApprovedIntent, fault: Fault | None, on_way_s: float) -> OrderState:
        exchange, client_id = self._exchange, approved.client_id
        if fault is Fault.BLACK_HOLE:
            await self._wait(FAR_S)
        if fault in (Fault.ORDER_LOST, Fault.ORDER_LATE, Fault.BLACK_HOLE):
            await self._wait(self._dice.between(0.05, 3.0))
            raise OutcomeUnknown(f"{self.venue}: no answer to {client_id}")
        await self._wait(on_way_s + self._dice.between(0.02, 0.3))
        if fault is Fault.ACK_LOST:
            raise OutcomeUnknown(f"{self.venue}: 502 after {client_id} was sent")
        order = exchange.orders[client_id]
        if order.status is OrderStatus.REJECTED:
            raise Rejected(f"{order.intent.key}: {order.detail}")
        self._life.note("reply", client_id=client_id, status=order.status, filled=order.filled)
        self._life.world.light_fuse(0.03)
        return order.state

    async def _would_take(self, approved: ApprovedIntent) -> bool:
        intent, world = approved.intent, self._life.world
        await self._wait(0.02)
        price = world.market.price(intent.key, world.now_ms())
        return (intent.worst_price - price) * intent.side.sign > 0

    def _arrives(
        self, approved: ApprovedIntent, on_way_s: float, lifetime_s: float | None, *, found_late: bool
    ) -> None:
        """Let an order reach the exchange after a while, whether or not anybody still waits for the answer."""
        world, exchange, dice = self._life.world, self._exchange, self._dice
        now_ms = world.now_ms()
        part, late_ms = WHOLE, 0
        if world.faults.strikes(Fault.NOT_FILLED, now_ms):
            part = NOTHING
        elif world.faults.strikes(Fault.PARTIAL_FILL, now_ms):
            part = Decimal(str(round(dice.between(0.05, 0.95), 2)))
        if world.faults.strikes(Fault.EXECUTIONS_LATE, now_ms):
            late_ms = int(dice.between(1, 90) * SECOND_MS)
        found_ms = int(dice.between(0, 5) * SECOND_MS) if found_late else 0

        def arrived() -> None:
            order = exchange.arrive(approved, part, late_ms, rests=lifetime_s is not None)
            order.found_from_ms = world.now_ms() + found_ms
            if lifetime_s is not None and order.status is OrderStatus.OPEN:
                self._rests(order.client_id, part, late_ms, lifetime_s)

        world.after(on_way_s, arrived)

    def _rests(self, client_id: str, part: Decimal, late_ms: int, lifetime_s: float) -> None:
        """Let a resting order fill in pieces, as far as it finds takers, until its lifetime ends."""
        world, exchange, dice = self._life.world, self._exchange, self._dice
        order = exchange.orders[client_id]
        market = world.market.markets[order.intent.key]
        pieces = 1 + dice.below(3)
        size = market.quantise_quantity(order.intent.quantity * part / pieces)

        def fills() -> None:
            piece = min(size, order.remaining)
            if order.intent.reduce_only:
                piece = min(piece, exchange.reducible(order.intent))
            if order.status is OrderStatus.OPEN and piece > 0:
                exchange.fill(order, piece, order.intent.worst_price, late_ms)

        for _ in range(pieces):
            world.after(dice.between(0.1, 1.5 * lifetime_s), fills)
        world.after(lifetime_s, lambda: exchange.end(client_id))

    async def _ask(self, what: str, fails: Fault | None = None) -> None:
        """Take a call over the network: it takes a while, and may not get through."""
        life, world = self._life, self._life.world
        now_ms = world.now_ms()
        struck = world.faults.strikes(Fault.QUERY_FAILS, now_ms) or bool(
            world.faults.lasting(Fault.OUTAGE, now_ms, self.venue)
        )
        if fails is Fault.POSITIONS_FAIL:
            struck = struck or bool(world.faults.lasting(fails, now_ms, self.venue))
        elif fails is not None:
            struck = struck or world.faults.strikes(fails, now_ms)
        slow = world.faults.strikes(Fault.SLOW, now_ms)
        try:
            await self._wait(self._dice.between(5, FAR_S) if slow else self._dice.between(0.01, 0.2))
        except asyncio.CancelledError:  # by the caller's deadline
            life.note("asked", venue=self.venue, what=what, ok=False)
            raise
        if struck:
            life.note("asked", venue=self.venue, what=what, ok=False)
            raise Retryable(f"{self.venue}: {what} cannot be had")
        life.note("asked", venue=self.venue, what=what, ok=True)
