"""Orders through ccxt: sent as limits at the worst price, IOC or post-only, read back by client id, never sent twice.

A post-only order that would take is refused by some exchanges (Binance, Gate) and by others (Bybit, OKX) taken and
cancelled at once. Both mean that it does not exist: WouldTake, where nothing of it filled.
"""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import ccxt

from hedged.adapters.cex.client_ids import ClientIds
from hedged.adapters.cex.errors import explain, of_send, reading, refused
from hedged.adapters.cex.exchanges import Profile, feature
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.markets import Perpetual
from hedged.adapters.cex.open_orders import read_open
from hedged.domain.errors import HedgedError, OutcomeUnknown, Rejected, Retryable, WouldTake
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Intent, OrderState, OrderStatus

POLL_S = 0.15
STATUSES: Mapping[str, OrderStatus] = {
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
    "expired": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}
REASONS = ("rejectReason", "cancelSource", "cancelReason", "finish_as")
"""Fields of raw orders in which exchanges tell why one ended."""
IOC, POST_ONLY = "IOC", "PO"
ENDED = (OrderStatus.CANCELLED, OrderStatus.REJECTED)
NOT_AS_MAKER = (ccxt.OrderImmediatelyFillable, ccxt.OrderNotFillable)


class Orders:
    """One account's orders at one exchange."""

    def __init__(
        self, venue: str, exchange: Any, profile: Profile, key: ApiKey, quote: str, settle_s: float
    ) -> None:
        """`settle_s`: how long an acknowledged order may take to show what became of it."""
        self._venue, self._exchange, self._profile, self._key = venue, exchange, profile, key
        self._quote, self._settle_s = quote, settle_s
        self.ids = ClientIds(profile.client_id)

    async def send(
        self, intent: Intent, client_id: str, perpetual: Perpetual, tif: str = IOC
    ) -> tuple[OrderState, str]:
        """Send an order and return what became of it, with the exchange's id of it. `tif`: IOC or POST_ONLY.

        Raises Rejected or Retryable (it does not exist), OutcomeUnknown (look it up, never resend); ccxt.InvalidNonce
        when the exchange refused it for its time alone; WouldTake for a post-only order that would be filled at once.
        """
        where = f"{self._venue}, order {client_id}"
        amount, price = self._exact(intent, perpetual)
        try:
            order = await self.create(
                perpetual, str(intent.side), amount, price, client_id, tif, reduce_only=intent.reduce_only
            )
            order_id = (order or {}).get("id")
            if not order_id:
                raise OutcomeUnknown(f"{where}: the answer names no order")
            state = self.read(order, client_id, perpetual)
        except ccxt.InvalidNonce:
            raise
        except Exception as error:  # a fault of ccxt's own after the send leaves the outcome unknown too
            if tif == POST_ONLY and isinstance(error, NOT_AS_MAKER):
                raise WouldTake(f"{where}: {explain(error, self._key.redact)}") from None
            if any(code in str(error) for code in self._profile.duplicate_codes):
                raise OutcomeUnknown(
                    f"{where}: the exchange has an order of this client id already"
                ) from None
            raise of_send(error, where, self._key.redact, self._profile.refusals) from None
        if state is None or state.status is OrderStatus.OPEN:
            state = await self._settled(client_id, perpetual, state, rests=tif == POST_ONLY)
        if not 0 <= state.filled <= intent.quantity:
            raise OutcomeUnknown(f"{where}: said to have filled {state.filled} of {intent.quantity}")
        if tif == POST_ONLY and state.status in ENDED and not state.filled:
            raise WouldTake(f"{where}: it was cancelled at once ({state.detail or 'no reason told'})")
        return state, str(order_id)

    async def create(
        self,
        perpetual: Perpetual,
        side: str,
        amount: str,
        price: str,
        client_id: str,
        tif: str = IOC,
        *,
        reduce_only: bool,
    ) -> Any:
        """Have ccxt send a limit order of so many contracts; return its answer. Raises what ccxt raises."""
        params = {
            **self._profile.order_params,
            "timeInForce": tif,
            "clientOrderId": self.ids.theirs(client_id),
            "reduceOnly": reduce_only,
        }
        if not self._profile.family and feature(self._exchange, "createOrder", "marginMode"):
            params["marginMode"] = "isolated"  # left alone, some send it as cross, whatever was chosen before
        return await self._exchange.create_order(perpetual.name, "limit", side, amount, price, params)

    def _exact(self, intent: Intent, perpetual: Perpetual) -> tuple[str, str]:
        """Return amount in contracts and price as texts; ccxt must not round either."""
        amount = f"{perpetual.contracts(intent.quantity).normalize():f}"
        price = f"{intent.worst_price.normalize():f}"
        try:
            sent = self._exchange.amount_to_precision(perpetual.name, amount)
            at = self._exchange.price_to_precision(perpetual.name, price)
        except ccxt.BaseError as error:
            raise Rejected(f"{intent.key}: {explain(error, self._key.redact)}") from None
        if Decimal(sent) != Decimal(amount) or Decimal(at) != Decimal(price):
            raise Rejected(
                f"{intent.key}: {intent.quantity:f} at {intent.worst_price:f} would be sent as {sent} contracts at {at}"
            )
        return amount, price

    async def _settled(
        self, client_id: str, perpetual: Perpetual, told: OrderState | None, *, rests: bool
    ) -> OrderState:
        """Read an acknowledged order until it is done; it may take a moment to be found at all.

        One that `rests` is left in the book once it is still there when asked again: what is going to be cancelled
        because it would take may show for a moment (OKX). `told`: what its acknowledgement said.
        """
        where, why = f"{self._venue}, order {client_id}", "it is still open"
        was_open = rests and told is not None
        try:
            async with asyncio.timeout(self._settle_s):
                while True:
                    try:
                        state = await self.find(client_id, perpetual)
                        if state is not None and (state.status is not OrderStatus.OPEN or was_open):
                            return state
                        was_open = rests and state is not None
                        why = "it is still open" if state else "it is acknowledged but not found yet"
                    except Retryable as error:
                        why = str(error)
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise OutcomeUnknown(f"{where}: {why}") from None

    async def find(self, client_id: str, perpetual: Perpetual, *, old: bool = False) -> OrderState | None:
        """Return the order with this client id in one market; None when the exchange says it knows none. Retryable.

        `old`: so much time has passed that an order which does not rest has ended, whatever it is called.
        """
        with reading(f"{self._venue}, order {client_id}", self._key.redact):
            try:
                order = await self.fetch(client_id, perpetual)
            except ccxt.OrderNotFound:
                return None
            state = self.read(order, client_id, perpetual) if order else None
            if state is None and order and old and not await self._in_book(client_id, perpetual):
                order = await self.fetch(client_id, perpetual)  # what has ended by now tells all there is
                state = self.read(order, client_id, perpetual, old=True) if order else None
            if state is None and order:
                raise ValueError(f"no state in {sorted(order)}")
            return state

    async def fetch(self, client_id: str, perpetual: Perpetual) -> Any:
        """Ask for an order by client id; return ccxt's answer, None where Bybit has none. Raises what ccxt raises."""
        if self._profile.family != "bybit":
            theirs = self.ids.theirs(client_id)
            return await self._exchange.fetch_order("", perpetual.name, {"clientOrderId": theirs})
        # ccxt looks for the exchange's own ids only; closed orders move to the history after a while
        query = {"category": "linear", "settleCoin": self._quote, "orderLinkId": client_id}
        for ask in (self._exchange.privateGetV5OrderRealtime, self._exchange.privateGetV5OrderHistory):
            rows = (await ask(query))["result"]["list"]
            if rows:
                return self._exchange.parse_order(rows[0])
        return None

    async def client_id_of(self, order_id: str, perpetual: Perpetual) -> str | None:
        """Return the daemon's client id of an order by the exchange's id; None where it is not the daemon's.

        Raises Rejected where the exchange knows no such order, Retryable.
        """
        with reading(f"{self._venue}, order {order_id}", self._key.redact):
            try:
                order = await self._exchange.fetch_order(order_id, perpetual.name)
            except ccxt.OrderNotFound as error:
                raise Rejected(
                    f"{self._venue}, order {order_id}: {explain(error, self._key.redact)}"
                ) from None
            return self.ids.ours(order.get("clientOrderId"))

    async def open(self, perpetuals: Mapping[str, Perpetual], name: str | None = None) -> list[OrderState]:
        """Return every resting order of the account; `name`: of the market that ccxt calls so. Raises Retryable."""
        with reading(f"{self._venue}, open orders", self._key.redact):
            rows = await read_open(self._exchange, self._profile, self._quote, name)
            found = []
            for row in rows:
                perpetual = perpetuals.get(row["symbol"])
                if perpetual is not None:
                    told = row.get("clientOrderId")
                    state = self.read(row, self.ids.ours(told) or told or f"id:{row['id']}", perpetual)
                    if state is None:
                        raise ValueError(f"no state in {sorted(row)}")
                    found += [state]
            return found

    async def resting(self, client_id: str, perpetual: Perpetual) -> OrderState | None:
        """Return an order from the list of those that rest in a market; None where it is not there. Retryable."""
        found = await self.open({perpetual.name: perpetual}, perpetual.name)
        return next((one for one in found if one.client_id == client_id), None)

    async def _in_book(self, client_id: str, perpetual: Perpetual) -> bool:
        rows = await read_open(self._exchange, self._profile, self._quote, perpetual.name)
        return any(self.ids.ours(row.get("clientOrderId")) == client_id for row in rows)

    async def cancel(self, client_id: str, perpetual: Perpetual) -> HedgedError | None:
        """Ask for a resting order to be cancelled; return why the exchange would not: often because it is gone.

        Raises Retryable (nothing happened) or OutcomeUnknown.
        """
        try:
            if self._profile.family == "bybit":
                await self._exchange.cancel_order(None, perpetual.name, {"orderLinkId": client_id})
            else:
                await self._cancel(client_id, perpetual)
        except ccxt.CancelPending:
            return None
        except Exception as error:  # a fault of ccxt's own after the send leaves the outcome unknown too
            why = of_send(error, f"{self._venue}, cancellation of {client_id}", self._key.redact)
            if refused(error):
                return why
            raise why from None
        return None

    async def _cancel(self, client_id: str, perpetual: Perpetual) -> None:
        """Cancel by client id; where ccxt cannot, by the exchange's id, which is asked for first."""
        theirs = self.ids.theirs(client_id)
        if self._profile.lasting_ids:
            await self._exchange.cancel_order("", perpetual.name, {"clientOrderId": theirs})
            return
        with reading(f"{self._venue}, open orders", self._key.redact):
            rows = await read_open(self._exchange, self._profile, self._quote, perpetual.name)
        for row in rows:
            if self.ids.ours(row.get("clientOrderId")) == client_id:
                await self._exchange.cancel_order(row["id"], perpetual.name)

    def read(
        self, order: Mapping[str, Any], client_id: str, perpetual: Perpetual, *, old: bool = False
    ) -> OrderState | None:
        """Read ccxt's order; None while it does not say what became of it."""
        word, filled, amount = order.get("status"), order.get("filled"), order.get("amount")
        status = STATUSES.get(str(word), OrderStatus.CANCELLED if old and word else None)
        if status is None or filled is None or amount is None:
            return None
        done, wanted = perpetual.coins(filled), perpetual.coins(amount)
        if not 0 <= done <= wanted:
            raise ValueError(f"an order that filled {filled} of {amount}")
        if status is OrderStatus.FILLED and done < wanted:
            status = OrderStatus.CANCELLED  # Bybit calls closed what was cancelled after a part had filled
        if status is not OrderStatus.FILLED and done >= wanted:
            status = OrderStatus.FILLED
        rest = wanted - done if status is OrderStatus.OPEN else Decimal(0)
        key = SeriesKey(self._venue, perpetual.symbol)
        return OrderState(client_id, key, status, done, rest, _reason(order) if status in ENDED else "")


def _reason(order: Mapping[str, Any]) -> str:
    """Return why an order ended, in the exchange's own word."""
    told = order.get("info") or {}
    return next((f"{name} {told[name]}" for name in REASONS if told.get(name)), "")
