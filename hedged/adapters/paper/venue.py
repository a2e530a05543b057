"""The paper venue: fills at the market after a latency, with fees, half-spread and impact; pays and receives funding.

It is as strict as a real venue: an order beyond its worst price, below the minimum or off the step is rejected, and a
settlement is paid by the quantity held strictly before its instant. Orders rest where data tell prices between bars.
"""

import asyncio
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hedged.adapters.paper.fills import touch
from hedged.adapters.paper.resting import PaperQueue, ended
from hedged.domain.approved import ApprovedIntent
from hedged.domain.bars import Field
from hedged.domain.book import Balance, Position
from hedged.domain.clock import HOUR_MS, SECOND_MS, Clock
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.funding import FundingPayment, Settlement, funding_payment
from hedged.domain.market import Market, SeriesKey, decimal_of
from hedged.domain.orders import Execution, Fill, Intent, OrderState, OrderStatus
from hedged.domain.ports import Explains, MarketData
from hedged.domain.quarantine import Doubted

LATE_MS = 2 * HOUR_MS
"""Prints are asked for again over this span: a live venue tells them some time after they were due."""


@dataclass(slots=True)
class _Holding:
    """Signed quantity over time: `at_ms[i]` is when `quantity[i]` came to hold. Entry price by average cost."""

    at_ms: list[int] = field(default_factory=list)
    quantity: list[Decimal] = field(default_factory=list)
    entry_price: Decimal = Decimal(0)

    @property
    def now(self) -> Decimal:
        return self.quantity[-1] if self.quantity else Decimal(0)

    def strictly_before(self, ts_ms: int) -> Decimal:
        index = bisect_left(self.at_ms, ts_ms) - 1
        return self.quantity[index] if index >= 0 else Decimal(0)

    def change(self, ts_ms: int, by: Decimal, price: Decimal) -> Decimal:
        """Apply a fill; return the realised PnL in USD (average cost)."""
        held, realised = self.now, Decimal(0)
        if held * by >= 0:
            total = abs(held) + abs(by)
            self.entry_price = (self.entry_price * abs(held) + price * abs(by)) / total
        else:
            closed = min(abs(held), abs(by)) * (1 if held > 0 else -1)
            realised = (price - self.entry_price) * closed
            if abs(by) > abs(held):
                self.entry_price = price
        self.at_ms.append(ts_ms)
        self.quantity.append(held + by)
        return realised


class PaperVenue:
    """A `Trading` port over any `MarketData` of the same venue."""

    explains = Explains.WITHIN_A_LIFE

    def __init__(
        self,
        data: MarketData,
        clock: Clock,
        collateral_usd: Decimal,
        latency_ms: int,
        doubted: Doubted | None = None,
        *,
        rests: bool = False,
    ) -> None:
        """`doubted`: prices that are not gone by; whoever judges them keeps it current. `rests`: the data tell prices
        at all times, so that it can be said what fills an order that waits; else nothing rests here.
        """
        self._rests = rests
        self._queue = PaperQueue()
        self.venue = data.venue
        self._doubted = {} if doubted is None else doubted
        self._data = data
        self._clock = clock
        self._latency_s = latency_ms / 1_000
        self._cash_usd = collateral_usd
        self._holdings: dict[str, _Holding] = {}
        self._orders: dict[str, OrderState] = {}
        self._executions: list[Execution] = []
        self._payments: list[FundingPayment] = []
        self._settled: dict[tuple[str, int], int] = {}  # what was paid, by symbol and instant
        self._paid_to_ms: int | None = None

    def seed(self, symbol: str, quantity: Decimal, price: Decimal, ts_ms: int) -> None:
        """Put a position there from `ts_ms` on: the trader's own, which no order of the daemon made."""
        holding = self._holdings.setdefault(symbol, _Holding())
        holding.change(ts_ms, quantity, price)
        self._paid_to_ms = ts_ms if self._paid_to_ms is None else min(self._paid_to_ms, ts_ms)

    def restore(self, fills: Iterable[Fill], payments: Iterable[FundingPayment], at_ms: int) -> None:
        """Put back what an earlier life did here by `at_ms`: positions and cash."""
        for fill in fills:
            e = fill.execution
            holding = self._holdings.setdefault(e.key.symbol, _Holding())
            self._cash_usd += holding.change(at_ms, e.signed_quantity, e.price) - e.fee_usd
        for payment in payments:
            self._cash_usd += payment.payment_usd
            self._mark_settled(payment.settlement)
        self._paid_to_ms = at_ms if self._paid_to_ms is None else min(self._paid_to_ms, at_ms)

    async def positions(self) -> Mapping[str, Position]:
        """Return the open positions."""
        await self._match()
        return {
            symbol: Position(SeriesKey(self.venue, symbol), h.now, h.entry_price)
            for symbol, h in self._holdings.items()
            if h.now
        }

    async def balance(self) -> Balance:
        """Return cash plus unrealised PnL; free is what exceeds the initial margin of all positions."""
        await self._settle(self._clock.now_ms())
        markets = await self._data.markets()
        marks = await self._marks()
        total, margin = self._cash_usd, Decimal(0)
        for symbol, holding in self._holdings.items():
            mark = marks.get(symbol, holding.entry_price)
            total += (mark - holding.entry_price) * holding.now
            margin += abs(holding.now) * mark * markets[symbol].initial_margin_ratio
        return Balance(self.venue, total, max(Decimal(0), total - margin))

    async def place(self, approved: ApprovedIntent) -> OrderState:
        """Fill at the market after the latency. Raises Rejected like a venue would."""
        market, mark = await self._arrival(approved)
        intent = approved.intent
        price = self._fill_price(intent, market, mark)
        self._book(approved.client_id, intent, price, market.costs.taker_fee)
        state = OrderState(approved.client_id, intent.key, OrderStatus.FILLED, intent.quantity, Decimal(0))
        self._orders[approved.client_id] = state
        return state

    async def _arrival(self, approved: ApprovedIntent) -> tuple[Market, Decimal]:
        """Wait for an order to arrive; return its market and the mark of then. Raises Rejected like a venue would.

        Whoever calls it awaits nothing before the order is noted: two orders under one client id cannot both pass.
        """
        await asyncio.sleep(self._latency_s)
        key = approved.intent.key
        market = (await self._data.markets()).get(key.symbol)
        mark = (await self._marks()).get(key.symbol)
        if approved.client_id in self._orders:
            raise Rejected(f"client id {approved.client_id} was used before")
        if market is None or mark is None:
            raise Rejected(f"{key}: no market or no price")
        return market, mark

    async def touch(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return the mark with the assumed half-spread. Raises Retryable where no price is told between two bars."""
        market, mark = (await self._data.markets()).get(symbol), (await self._marks()).get(symbol)
        if not self._rests or market is None or mark is None:
            raise Retryable(f"{self.venue}: no price of {symbol} is told between two bars")
        return touch(market, mark)

    async def rest(self, approved: ApprovedIntent, lifetime_s: float) -> OrderState:
        """Leave an order in the book, after the latency. Raises WouldTake, or Rejected like a venue would."""
        market, mark = await self._arrival(approved)
        intent = approved.intent
        if not self._rests:
            raise Rejected(f"{intent.key}: no market or no price")
        self._check_reduces(intent)
        ends_ms = self._clock.now_ms() + round(lifetime_s * SECOND_MS)
        state = self._queue.add(approved.client_id, intent, market, mark, ends_ms)
        self._orders[approved.client_id] = state
        return state

    async def lookup(self, client_id: str) -> OrderState | None:
        """Return the order, or None when it never arrived."""
        await self._match()
        return self._orders.get(client_id)

    async def open_orders(self) -> Sequence[OrderState]:
        """Return the orders that rest."""
        await self._match()
        return [state for state in self._orders.values() if state.status is OrderStatus.OPEN]

    async def cancel(self, client_id: str) -> None:
        """Cancel a resting order, after the latency; what fills till then is filled."""
        await asyncio.sleep(self._latency_s if client_id in self._orders else 0)
        await self._match()
        if self._queue.take(client_id) is not None:
            self._orders[client_id] = ended(self._orders[client_id], filled=False, why="cancelled")

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return executions with ts ≥ since."""
        await self._match()
        return self._executions[bisect_left(self._executions, since_ms, key=lambda e: e.ts_ms) :]

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Settle what has become due, then return payments with ts > since."""
        await self._settle(self._clock.now_ms())
        start = bisect_left(self._payments, since_ms + 1, key=lambda p: p.settlement.ts_ms)
        return self._payments[start:]

    async def _settle(self, now_ms: int) -> None:
        if self._paid_to_ms is None:
            return  # nothing was ever held
        since_ms = self._paid_to_ms
        due = await self._data.settlements(since_ms - LATE_MS, now_ms)
        if self._paid_to_ms != since_ms:
            return  # somebody else settled while this call waited for the data
        for settlement in due:
            if (settlement.key.symbol, settlement.ts_ms) in self._settled:
                continue
            holding = self._holdings.get(settlement.key.symbol)
            quantity = holding.strictly_before(settlement.ts_ms) if holding else Decimal(0)
            if quantity:
                price = self.believed(settlement.key.symbol, settlement.price) or settlement.price
                payment = funding_payment(quantity, replace(settlement, price=price))
                self._cash_usd += payment.payment_usd
                insort(self._payments, payment, key=lambda p: p.settlement.ts_ms)
                self._mark_settled(settlement)
        self._paid_to_ms = now_ms

    def _mark_settled(self, settlement: Settlement) -> None:
        ts_ms = settlement.ts_ms
        self._settled[(settlement.key.symbol, ts_ms)] = ts_ms
        if len(self._settled) > 4_096:
            self._settled = {key: ts for key, ts in self._settled.items() if ts > ts_ms - 2 * LATE_MS}

    async def _marks(self) -> dict[str, Decimal]:
        seen = await self._data.observe(self._clock.now_ms())
        told = {o.key.symbol: float(o.values[Field.MARK]) for o in seen}
        marks = {s: self.believed(s, decimal_of(mark)) for s, mark in told.items() if mark > 0}
        return {symbol: mark for symbol, mark in marks.items() if mark is not None}

    def believed(self, symbol: str, price: Decimal) -> Decimal | None:
        """Return a price that the venue tells, or the one to go by where it is in doubt; None where there is none."""
        return self._doubted.get(SeriesKey(self.venue, symbol), price)

    def _fill_price(self, intent: Intent, market: Market, mark: Decimal) -> Decimal:
        if intent.quantity % market.quantity_step or intent.quantity * mark < market.min_notional_usd:
            raise Rejected(f"{intent.key}: quantity {intent.quantity} is off the step or below the minimum")
        slip = market.costs.half_spread + market.costs.impact(intent.quantity * mark)
        price = mark * (1 + intent.side.sign * slip)
        if (price - intent.worst_price) * intent.side.sign > 0:
            raise Rejected(
                f"{intent.key}: market price {price:f} is beyond the worst price {intent.worst_price:f}"
            )
        return market.quantise_price(price, towards="up" if intent.side.sign > 0 else "down")

    async def _match(self) -> None:
        """Fill and end what rests, by the marks of now."""
        if not len(self._queue):
            return
        marks = await self._marks()
        for client_id, through in self._queue.due(marks, self._clock.now_ms()):
            one = self._queue.take(client_id)
            if one is None:
                continue
            filled, why = through, "" if through else "its time was up"
            if through:
                try:
                    self._book(client_id, one.intent, one.intent.worst_price, one.market.costs.maker_fee)
                except Rejected as error:
                    filled, why = False, str(error)
            self._orders[client_id] = ended(self._orders[client_id], filled=filled, why=why)

    def _check_reduces(self, intent: Intent) -> None:
        held = self._holdings.get(intent.key.symbol, _Holding()).now
        if intent.reduce_only and (held * intent.signed_quantity >= 0 or intent.quantity > abs(held)):
            raise Rejected(f"{intent.key}: reduce-only order would not reduce {held}")

    def _book(self, client_id: str, intent: Intent, price: Decimal, fee_rate: Decimal) -> None:
        self._check_reduces(intent)
        ts_ms = self._clock.now_ms()
        holding = self._holdings.setdefault(intent.key.symbol, _Holding())
        if self._paid_to_ms is None:
            self._paid_to_ms = ts_ms  # funding is due from the first position on, whenever it is asked for
        fee = intent.quantity * price * fee_rate
        self._cash_usd += holding.change(ts_ms, intent.signed_quantity, price) - fee
        execution_id = f"{self.venue}-{len(self._executions)}-{client_id[:8]}"
        self._executions.append(
            Execution(ts_ms, intent.key, execution_id, client_id, intent.side, intent.quantity, price, fee)
        )
