"""The paper venue: a `Trading` port over any `MarketData` of the same venue, under stated terms.

It is as strict as a real venue: an order beyond its worst price, below the minimum, off the step or without margin is
rejected, a settlement is paid by the quantity held strictly before its instant, and what its margin carries no longer
is liquidated. Orders rest where data tell prices between bars.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from hedged.adapters.paper.course import LATE_MS, Course
from hedged.adapters.paper.fills import check_reduces, fee_usd, offered, taker_price, touch
from hedged.adapters.paper.holding import Holding
from hedged.adapters.paper.latency import Latency
from hedged.adapters.paper.ledger import Ledger
from hedged.adapters.paper.margin import Leg, isolated_price
from hedged.adapters.paper.record import AccountRecord
from hedged.adapters.paper.resting import PaperQueue, ended
from hedged.adapters.paper.terms import Backing, Terms
from hedged.domain.approved import ApprovedIntent
from hedged.domain.book import Balance, Position
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.funding import FundingPayment
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Execution, Intent, OrderState, OrderStatus
from hedged.domain.ports import Explains, MarketData
from hedged.domain.quarantine import Doubted

__all__ = ["LATE_MS", "PaperVenue"]


class PaperVenue:
    """Orders and account at a venue that fills on paper."""

    explains = Explains.WITHIN_A_LIFE

    def __init__(
        self,
        data: MarketData,
        clock: Clock,
        collateral_usd: Decimal,
        terms: Terms | int,
        doubted: Doubted | None = None,
        *,
        rests: bool = False,
    ) -> None:
        """`terms`: what is assumed; a number is a constant latency, ms, and nothing else. `doubted`: prices that are
        not gone by; whoever judges them keeps it current. `rests`: the data tell prices at all times, so that it can be
        said what fills an order that waits; else nothing rests here.
        """
        self._terms = Terms(Latency.constant(terms)) if isinstance(terms, int) else terms
        self._rests = rests
        self._queue = PaperQueue()
        self.venue = data.venue
        self._data = data
        self._clock = clock
        self._ledger = Ledger(data.venue, collateral_usd, self._terms)
        self._course = Course(data, self._ledger, {} if doubted is None else doubted, live=rests)
        self._orders: dict[str, OrderState] = {}

    def seed(self, symbol: str, quantity: Decimal, price: Decimal, ts_ms: int) -> None:
        """Put a position there from `ts_ms` on: the trader's own, which no order of the daemon made."""
        self._ledger.holdings.setdefault(symbol, Holding()).change(ts_ms, quantity, price)
        self._course.begin(ts_ms)

    def restore(
        self, executions: Iterable[Execution], payments: Iterable[FundingPayment], at_ms: int
    ) -> None:
        """Put back what was done here in an earlier life by `at_ms`: positions and cash."""
        for execution in executions:
            self._ledger.restore(execution, at_ms)
        for payment in payments:
            self._ledger.restore_funding(payment.payment_usd)
            self._course.mark_settled(payment.settlement)
        self._course.begin(at_ms)

    async def positions(self) -> Mapping[str, Position]:
        """Return the open positions, with margin and liquidation price where each has its own and nobody adds to it."""
        await self._match()
        return {symbol: self._position(symbol, holding) for symbol, holding in self._ledger.held.items()}

    def _position(self, symbol: str, holding: Holding) -> Position:
        key, market = SeriesKey(self.venue, symbol), self._course.markets.get(symbol)
        told = Position(key, holding.now, holding.entry_price)
        margin = self._ledger.margins.get(symbol)
        if self._terms.backing is not Backing.ISOLATED or margin is None or market is None:
            return told
        leg = Leg(holding.now, holding.entry_price, holding.entry_price, market.maintenance_margin_ratio)
        return replace(told, margin_usd=margin, liquidation_price=isolated_price(leg, margin))

    async def balance(self) -> Balance:
        """Return cash plus unrealised PnL; free is what exceeds the initial margin of all positions."""
        now_ms = self._clock.now_ms()
        await self._course.look(now_ms)
        markets = await self._data.markets()
        marks = self._course.known | await self._course.marks(now_ms)
        free = self._ledger.free_usd(marks, markets)
        self._ledger.watch_free(free, now_ms)
        return Balance(self.venue, self._ledger.total_usd(marks), max(Decimal(0), free))

    async def place(self, approved: ApprovedIntent) -> OrderState:
        """Fill at the market after the latency, as far as it is offered at the worst price or better, the rest never.

        Raises Rejected like a venue would.
        """
        market, mark = await self._arrival(approved)
        intent, client_id = approved.intent, approved.client_id
        quantity = offered(intent, market, mark)
        price = taker_price(market, intent.side, quantity, mark)
        self._book(client_id, intent, quantity, price, market, made=False)
        whole = quantity == intent.quantity
        self._orders[client_id] = state = OrderState(
            client_id,
            intent.key,
            OrderStatus.FILLED if whole else OrderStatus.CANCELLED,
            quantity,
            Decimal(0),
            "" if whole else "no more was offered at the worst price",
        )
        return state

    async def _arrival(self, approved: ApprovedIntent) -> tuple[Market, Decimal]:
        """Wait for an order to arrive; return its market and the mark of then. Raises Rejected like a venue would.

        Whoever calls it awaits nothing before the order is noted: two orders under one client id cannot both pass.
        """
        client_id, key = approved.client_id, approved.intent.key
        await self._travel(self._terms.latency.draw_ms(client_id, self._terms.seed))
        now_ms = self._clock.now_ms()
        await self._course.look(now_ms)
        market = (await self._data.markets()).get(key.symbol)
        mark = (await self._course.marks(now_ms)).get(key.symbol)
        if client_id in self._orders:
            raise Rejected(f"client id {client_id} was used before")
        if key.symbol in self._course.delisted:
            raise Rejected(f"{key}: delisted")
        if self._course.silent(key.symbol, now_ms):
            raise Rejected(f"{key}: its data have a gap, nothing is traded in it")
        if market is None or mark is None:
            raise Rejected(f"{key}: no market or no price")
        return market, mark

    async def _travel(self, latency_ms: int) -> None:
        """Let the time pass that an order is on its way."""
        await asyncio.sleep(latency_ms / SECOND_MS)

    async def touch(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return the mark with the assumed half-spread. Raises Retryable where no price is told between two bars."""
        market = (await self._data.markets()).get(symbol)
        mark = (await self._course.marks(self._clock.now_ms())).get(symbol)
        if not self._rests or market is None or mark is None:
            raise Retryable(f"{self.venue}: no price of {symbol} is told between two bars")
        return touch(market, mark)

    async def rest(self, approved: ApprovedIntent, lifetime_s: float) -> OrderState:
        """Leave an order in the book, after the latency. Raises WouldTake, or Rejected like a venue would."""
        market, mark = await self._arrival(approved)
        intent = approved.intent
        if not self._rests:
            raise Rejected(f"{intent.key}: no market or no price")
        check_reduces(intent, self._ledger.quantity(intent.key.symbol))
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
        if client_id in self._orders:
            latency_ms = self._terms.latency.draw_ms(client_id, self._terms.seed, "cancel")
            await asyncio.sleep(latency_ms / SECOND_MS)
        await self._match()
        if self._queue.take(client_id) is not None:
            self._orders[client_id] = ended(self._orders[client_id], filled=False, why="cancelled")

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return executions with ts ≥ since; one without a client id was the venue's doing: a forced close."""
        await self._match()
        told = self._ledger.executions
        return told[bisect_left(told, since_ms, key=lambda e: e.ts_ms) :]

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Settle what has become due, then return payments with ts > since."""
        await self._course.look(self._clock.now_ms(), again=True)
        paid = self._ledger.payments
        return paid[bisect_left(paid, since_ms + 1, key=lambda p: p.settlement.ts_ms) :]

    def believed(self, symbol: str, price: Decimal) -> Decimal | None:
        """Return a price that the venue tells, or the one to go by where it is in doubt; None where there is none."""
        return self._course.believed(symbol, price)

    def record(self) -> AccountRecord:
        """Return the account's money as of the last look."""
        return self._ledger.record(self._course.known, self._course.markets, self._course.looked_ms)

    async def _match(self) -> None:
        """Bring the account up to now; fill and end what rests, by the marks of now."""
        now_ms = self._clock.now_ms()
        await self._course.look(now_ms)
        if not len(self._queue):
            return
        marks = await self._course.marks(now_ms)
        for client_id, through in self._queue.due(marks, now_ms):
            one = self._queue.take(client_id)
            if one is None:
                continue
            filled, why = through, "" if through else "its time was up"
            if through:
                try:
                    intent = one.intent
                    self._book(client_id, intent, intent.quantity, intent.worst_price, one.market, made=True)
                except Rejected as error:
                    filled, why = False, str(error)
            self._orders[client_id] = ended(self._orders[client_id], filled=filled, why=why)

    def _book(
        self, client_id: str, intent: Intent, quantity: Decimal, price: Decimal, market: Market, *, made: bool
    ) -> None:
        check_reduces(intent, self._ledger.quantity(intent.key.symbol))
        ledger, ts_ms, symbol = self._ledger, self._clock.now_ms(), intent.key.symbol
        free = ledger.free_usd(self._course.known | {symbol: price}, {symbol: market, **self._course.markets})
        ledger.check_backed(symbol, quantity * intent.side.sign, price, market, free)
        self._course.begin(ts_ms)
        fee = fee_usd(market.costs, quantity, price, made=made)
        name = f"{self.venue}-{client_id}"  # an order fills once
        ledger.fill(Execution(ts_ms, intent.key, name, client_id, intent.side, quantity, price, fee), market)
