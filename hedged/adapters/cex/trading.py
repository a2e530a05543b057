"""The `Trading` port on one exchange: orders as IOC limits at the worst price, the account as the exchange shows it.

What may rest beside them is in `resting.py`.

A send of unknown outcome is looked up by its client id and never repeated. That the exchange does not find it proves
nothing at first: the request may still be under way, or the order not be visible yet. A request older than the receive
window is refused, so after that, and some time for the order to show, "not found" is final.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import ccxt
import structlog

from hedged.adapters.cex.account import Account
from hedged.adapters.cex.clock_offset import MOST_MS, ClockOffset
from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.errors import of_send
from hedged.adapters.cex.fills import Fills
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.leverage import Leverage
from hedged.adapters.cex.markets import Perpetual
from hedged.adapters.cex.orders import IOC, POLL_S, Orders
from hedged.adapters.cex.payments import Payments
from hedged.domain.approved import ApprovedIntent
from hedged.domain.book import Balance, Position
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import HedgedError, OutcomeUnknown, Rejected, Retryable
from hedged.domain.funding import FundingPayment
from hedged.domain.orders import CLIENT_ID, Execution, Intent, OrderState, OrderStatus

log = structlog.get_logger(__name__)

MOST_REMEMBERED = 4_096
TOUCH_MS = 2 * SECOND_MS
"""Best prices older than this are asked for before an order."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`settle_s`: for an acknowledged order to show what became of it. `visible_s`: after the receive window, for an
    order to be found; only then is "not found" a proof.
    """

    settle_s: float = 5.0
    visible_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that was sent. `from_ms`, `until_ms`: first and last instant at which its request can have been signed.

    `refused`: the exchange, or this module, would not have it.
    """

    symbol: str
    from_ms: int
    until_ms: int
    refused: bool = False


class CexTrading:
    """Orders and account of one key at one exchange.

    It owns three ccxt instances, each with its limiter of requests, whose session belongs to their maker: `exchange`
    sends and looks up, `reader` reads the account, `ledger` what was paid. A request for the funding history uses up
    seconds of a limiter (30 weights at Binance), and neither an order nor what must be known before it may wait for it.
    """

    def __init__(
        self,
        data: CexData,
        exchange: Any,
        reader: Any,
        ledger: Any,
        key: ApiKey,
        clock: Clock,
        leverage: int,
        quote: str = "USDT",
        patience: Patience | None = None,
        sent_before: Mapping[str, Sent] = MappingProxyType({}),
        speed: float = 1.0,
        distance: Decimal = Decimal(0),
    ) -> None:
        """`sent_before`: by client id, what earlier lives of the daemon sent and nobody knows the outcome of. `speed`:
        of the clock; what networks take is told in wall time. `leverage`: the most that is set for a market; it is less
        where a position would be liquidated within an adverse move of `distance`.
        """
        self.venue, self.data, self.exchange, self.reader, self.key = data.venue, data, exchange, reader, key
        self._instances = (exchange, reader, ledger)
        self.patience = patience or Patience()
        self.offset = ClockOffset(self.venue, self._instances, clock, round(MOST_MS * speed))
        self._clock, self._started_ms = clock, clock.now_ms()
        self._account = Account(data, reader, key, quote)
        self.orders = Orders(self.venue, exchange, data.profile, key, quote, self.patience.settle_s)
        self._fills = Fills(data, reader, self.orders, key, quote, clock)
        self._payments = Payments(data, ledger, key, clock)
        self._leverage = Leverage(self.venue, exchange, data.profile, key, leverage, distance)
        self._proof_ms = data.profile.window_ms + round(self.patience.visible_s * SECOND_MS * speed)
        self.touch_ms = round(TOUCH_MS * speed)
        self._listed_ms = -1
        self._sent = dict(sent_before)
        self._touched: set[str] = set()

    @property
    def clock_offset_ms(self) -> int | None:
        """This machine's clock − the exchange's, ms; None while it is not known."""
        return None if self.offset.doubted else self.offset.offset_ms

    async def positions(self) -> Mapping[str, Position]:
        """Return all open positions by symbol. Raises Retryable when unknown."""
        await self._ready()
        held = await self._account.positions()
        self._touched |= set(held)
        return held

    async def balance(self) -> Balance:
        """Return the collateral. Raises Retryable when unknown."""
        await self._ready()
        return await self._account.balance()

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Return executions with ts ≥ since, oldest first. Raises Retryable.

        Binance tells them market by market: of those that are watched, held or were traded here.
        """
        await self._ready()
        return await self._fills.since(since_ms, {*self._touched, *self.data.symbols})

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Return funding paid or received with ts > since, oldest first. Raises Retryable."""
        await self._ready()
        return await self._payments.since(since_ms)

    async def open_orders(self) -> Sequence[OrderState]:
        """Return every resting order of the account. Raises Retryable."""
        await self._ready()
        return await self.orders.open({one.name: one for one in self.data.known.values()})

    async def place(self, approved: ApprovedIntent) -> OrderState:
        """Send an IOC limit order at the worst price; return what filled.

        Raises Rejected or Retryable (the order does not exist) or OutcomeUnknown (look it up, never resend).
        """
        return await self._place(approved, IOC)

    async def _place(self, approved: ApprovedIntent, tif: str) -> OrderState:
        intent, client_id = approved.intent, approved.client_id
        if client_id in self._sent:
            raise Rejected(f"client id {client_id} was used before")
        from_ms = self._clock.now_ms()
        self._remember(client_id, Sent(intent.key.symbol, from_ms, from_ms))
        try:
            perpetual = await self._prepared_in_time(intent, tif)
            state, order_id = await self._send(intent, client_id, perpetual, tif)
        except (Rejected, Retryable):
            self._remember(client_id, Sent(intent.key.symbol, from_ms, self._clock.now_ms(), refused=True))
            raise
        except BaseException:  # cancellation too: it may have been signed as late as now
            self._remember(client_id, Sent(intent.key.symbol, from_ms, self._clock.now_ms()))
            raise
        self._fills.remember(order_id, client_id)
        return state

    async def lookup(self, client_id: str) -> OrderState | None:
        """Return the order with this client id, or None when the exchange certainly never had it.

        Raises Retryable, and OutcomeUnknown while "not found" proves nothing yet.
        """
        if not CLIENT_ID.match(client_id):
            return None  # the daemon never makes such an id
        await self._ready()
        sent = self._sent.get(client_id)
        candidates, asked_ms = self._candidates(sent), self._clock.now_ms()
        if not candidates:
            raise OutcomeUnknown(f"{self.venue}: in which market {client_id} was sent is not known here")
        until_ms = sent.until_ms if sent else self._started_ms  # what nobody knows, another life sent before
        left_ms = until_ms + self._proof_ms - asked_ms
        for perpetual in candidates:
            state = await self.orders.find(client_id, perpetual, old=left_ms <= 0)
            if state is not None:
                return state
        if left_ms > 0 and not (sent and sent.refused):
            raise OutcomeUnknown(
                f"{self.venue} does not find {client_id}, which is proof in {left_ms / SECOND_MS:.1f} s only"
            )
        if self.data.profile.lasting_ids or (sent and sent.refused):
            return None
        for perpetual in candidates:
            if (resting := await self.orders.resting(client_id, perpetual)) is not None:
                return resting
        return await self._by_fills(client_id, candidates, sent.from_ms - self.offset.most_ms if sent else 0)

    async def _by_fills(
        self, client_id: str, candidates: Sequence[Perpetual], since_ms: int
    ) -> OrderState | None:
        """Return what an order filled that is not found by its client id any more; None where it filled nothing.

        Some exchanges (Gate: 60 s after its end) know an order by their own id alone. One that does not rest (which is
        asked for first, so that no fill comes later) and shows no fills has no effect and is as good as none. Raises
        Retryable, and OutcomeUnknown while a fill may be its.
        """
        symbols = {one.symbol for one in candidates}
        fills = await self._fills.since(since_ms, symbols)
        own = [one for one in fills if one.client_id == client_id]
        if not own and any(ts_ms >= since_ms for ts_ms in self._fills.ownerless.values()):
            raise OutcomeUnknown(f"{self.venue} tells fills without their order: one may be {client_id}'s")
        if not own:
            return None
        filled = sum((one.quantity for one in own), Decimal(0))
        return OrderState(client_id, own[0].key, OrderStatus.CANCELLED, filled, Decimal(0))

    async def cancel(self, client_id: str) -> None:
        """Cancel a resting order and see that it has ended; one that is already gone is no error.

        An acknowledgement is not the end of it, and may cross a fill: `lookup` tells afterwards what filled, for good.
        Raises Retryable (it rests on), OutcomeUnknown (look it up): also for one that may still arrive.
        """
        if not CLIENT_ID.match(client_id):
            return
        await self._ready()
        refusals = [
            await self.orders.cancel(client_id, perpetual)
            for perpetual in self._candidates(self._sent.get(client_id))
        ]
        await self._ended(client_id, next((why for why in refusals if why is not None), None))

    async def _ended(self, client_id: str, refusal: HedgedError | None) -> None:
        """Wait until an order rests no more. `refusal`: why the exchange did not cancel it."""
        try:
            async with asyncio.timeout(self.patience.settle_s):
                while (state := await self.lookup(client_id)) and state.status is OrderStatus.OPEN:
                    if refusal is not None:
                        raise refusal if isinstance(refusal, OutcomeUnknown) else Retryable(str(refusal))
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise OutcomeUnknown(f"{self.venue}, cancellation of {client_id}: it is still open") from None

    async def close(self) -> None:
        """Close the ccxt instances."""
        try:
            async with asyncio.timeout(2):
                for exchange in self._instances:
                    await exchange.close()
        except (TimeoutError, ccxt.BaseError) as error:
            log.warning("exchange_not_closed", venue=self.venue, why=type(error).__name__)

    async def _ready(self) -> None:
        """Know the markets and the exchange's time. Raises Retryable."""
        await self.data.listed()
        if self._listed_ms != self.data.listed_ms:  # one listing serves all instances
            for exchange in self._instances:
                exchange.set_markets(list(self.data.exchange.markets.values()))
            self._listed_ms = self.data.listed_ms
        await self.offset.current()

    def _candidates(self, sent: Sent | None) -> list[Perpetual]:
        """Return the markets that an order may be in: the one it was sent to, else all that are told."""
        wanted = (sent.symbol,) if sent else self.data.symbols
        found = [self.data.known[one] for one in wanted if one in self.data.known]
        looks_everywhere = self.data.profile.family == "bybit"
        return found[:1] if looks_everywhere else found

    async def _prepared_in_time(self, intent: Intent, tif: str) -> Perpetual:
        """Prepare; once more, with the time asked anew, where the exchange refused a request for its time."""
        try:
            return await self._prepared(intent, tif)
        except Retryable:
            if not self.offset.doubted:
                raise
            return await self._prepared(intent, tif)

    async def _prepared(self, intent: Intent, tif: str) -> Perpetual:
        """Check an order by the market's rules, and set leverage and margin mode. Raises Rejected, Retryable.

        An order that only reduces needs no margin and must not wait for anything that can be done without.
        """
        await self._ready()
        perpetual = self.data.perpetuals.get(intent.key.symbol)
        if perpetual is None:
            raise Rejected(f"{intent.key}: no such market")
        step, tick = perpetual.market.quantity_step, perpetual.market.price_tick
        if intent.quantity <= 0 or intent.quantity % step:
            raise Rejected(f"{intent.key}: quantity {intent.quantity:f} is off the step {step:f}")
        if intent.worst_price <= 0 or intent.worst_price % tick:
            raise Rejected(f"{intent.key}: price {intent.worst_price:f} is off the tick {tick:f}")
        if not intent.reduce_only:
            await self._worth_sending(intent, perpetual, tif)
            await self._leverage.ensure(perpetual)
        return perpetual

    async def _worth_sending(self, intent: Intent, perpetual: Perpetual, tif: str) -> None:
        """Refuse what the exchange would refuse, or what could not fill. Raises Rejected, Retryable."""
        market = (await self.data.markets()).get(perpetual.symbol, perpetual.market)
        if intent.notional_usd < market.min_notional_usd:
            raise Rejected(
                f"{intent.key}: {intent.notional_usd:.2f} USD is below the minimum of {market.min_notional_usd:.2f}"
            )
        if tif != IOC:
            return
        best = await self.data.best(perpetual.symbol, intent.side, self.touch_ms)
        if best is not None and (best - intent.worst_price) * intent.side.sign > 0:
            raise Rejected(
                f"{intent.key}: the best price {best:f} is beyond the worst {intent.worst_price:f}"
            )

    async def _send(
        self, intent: Intent, client_id: str, perpetual: Perpetual, tif: str
    ) -> tuple[OrderState, str]:
        """Send once; once more where the exchange refused it for its time alone, with the time asked anew."""
        self._touched.add(perpetual.symbol)
        try:
            return await self.orders.send(intent, client_id, perpetual, tif)
        except ccxt.InvalidNonce as error:
            log.warning("clock_offset_doubted", venue=self.venue, offset_ms=self.offset.offset_ms)
            await self.offset.current()
            try:
                return await self.orders.send(intent, client_id, perpetual, tif)
            except ccxt.InvalidNonce:
                raise of_send(error, f"{self.venue}, order {client_id}", self.key.redact) from None

    def _remember(self, client_id: str, sent: Sent) -> None:
        self._sent[client_id] = sent
        if len(self._sent) > MOST_REMEMBERED:
            del self._sent[next(iter(self._sent))]
