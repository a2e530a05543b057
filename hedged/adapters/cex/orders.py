"""Orders through ccxt: sent as IOC limits at the worst price, read back by client id, never sent twice."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import ccxt

from hedged.adapters.cex.client_ids import ClientIds
from hedged.adapters.cex.errors import explain, of_send, reading, sending
from hedged.adapters.cex.exchanges import Profile, feature
from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.markets import Perpetual
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
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


class Orders:
    """One account's orders at one exchange."""

    def __init__(
        self, venue: str, exchange: Any, profile: Profile, key: ApiKey, quote: str, settle_s: float
    ) -> None:
        """`settle_s`: how long an acknowledged order may take to show what became of it."""
        self._venue, self._exchange, self._profile, self._key = venue, exchange, profile, key
        self._quote, self._settle_s = quote, settle_s
        self.ids = ClientIds(profile.client_id)

    async def send(self, intent: Intent, client_id: str, perpetual: Perpetual) -> tuple[OrderState, str]:
        """Send an order and return what became of it, with the exchange's id of it.

        Raises Rejected or Retryable (it does not exist), OutcomeUnknown (look it up, never resend); ccxt.InvalidNonce
        when the exchange refused it for its time alone.
        """
        where = f"{self._venue}, order {client_id}"
        amount, price = self._exact(intent, perpetual)
        try:
            order = await self.create(
                perpetual, str(intent.side), amount, price, client_id, reduce_only=intent.reduce_only
            )
            order_id = (order or {}).get("id")
            if not order_id:
                raise OutcomeUnknown(f"{where}: the answer names no order")
            state = self.read(order, client_id, perpetual)
        except ccxt.InvalidNonce:
            raise
        except Exception as error:  # a fault of ccxt's own after the send leaves the outcome unknown too
            if any(code in str(error) for code in self._profile.duplicate_codes):
                raise OutcomeUnknown(
                    f"{where}: the exchange has an order of this client id already"
                ) from None
            raise of_send(error, where, self._key.redact, self._profile.refusals) from None
        if state is None or state.status is OrderStatus.OPEN:
            state = await self._settled(client_id, perpetual)
        return state, str(order_id)

    async def create(
        self, perpetual: Perpetual, side: str, amount: str, price: str, client_id: str, *, reduce_only: bool
    ) -> Any:
        """Have ccxt send an IOC limit order of so many contracts; return its answer. Raises what ccxt raises."""
        params = {
            **self._profile.order_params,
            "timeInForce": "IOC",
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

    async def _settled(self, client_id: str, perpetual: Perpetual) -> OrderState:
        """Read an acknowledged order until it is done; it may take a moment to be found at all."""
        where, why = f"{self._venue}, order {client_id}", "it is still open"
        try:
            async with asyncio.timeout(self._settle_s):
                while True:
                    try:
                        state = await self.find(client_id, perpetual)
                        if state is not None and state.status is not OrderStatus.OPEN:
                            return state
                        why = "it is still open" if state else "it is acknowledged but not found yet"
                    except Retryable as error:
                        why = str(error)
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise OutcomeUnknown(f"{where}: {why}") from None

    async def find(self, client_id: str, perpetual: Perpetual, *, old: bool = False) -> OrderState | None:
        """Return the order with this client id in one market; None when the exchange says it knows none. Retryable.

        `old`: so much time has passed that an order which never rests has ended, whatever it is called.
        """
        with reading(f"{self._venue}, order {client_id}", self._key.redact):
            try:
                order = await self.fetch(client_id, perpetual)
            except ccxt.OrderNotFound:
                return None
            state = self.read(order, client_id, perpetual, old=old) if order else None
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

    async def open(self, perpetuals: Mapping[str, Perpetual]) -> list[OrderState]:
        """Return every resting order of the account. Raises Retryable."""
        with reading(f"{self._venue}, open orders", self._key.redact):
            params = {"warnWithoutSymbol": False}
            options = self._exchange.options
            options["fetchOpenOrders"] = {**(options.get("fetchOpenOrders") or {}), **params}
            options["warnOnFetchOpenOrdersWithoutSymbol"] = False
            rows = await self._exchange.fetch_open_orders()
            found = []
            for row in rows:
                perpetual = perpetuals.get(row["symbol"])
                if perpetual is not None:
                    told = row.get("clientOrderId")
                    name = self.ids.ours(told) or told or f"id:{row['id']}"
                    state = self.read(row, name, perpetual)
                    found += [state] if state is not None else []
            return found

    async def cancel(self, client_id: str, perpetual: Perpetual) -> None:
        """Cancel a resting order; one that is already gone is no error. Raises like a send."""
        with sending(f"{self._venue}, cancellation of {client_id}", self._key.redact):
            try:
                if self._profile.family == "bybit":
                    await self._exchange.cancel_order(None, perpetual.name, {"orderLinkId": client_id})
                else:
                    await self._cancel(client_id, perpetual)
            except (ccxt.OrderNotFound, ccxt.CancelPending):
                return

    async def _cancel(self, client_id: str, perpetual: Perpetual) -> None:
        """Cancel by client id; where ccxt cannot, by the exchange's id, which is asked for first."""
        theirs = self.ids.theirs(client_id)
        if self._profile.lasting_ids:
            await self._exchange.cancel_order("", perpetual.name, {"clientOrderId": theirs})
            return
        rows = await self._exchange.fetch_open_orders(perpetual.name)
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
        if status is OrderStatus.FILLED and done < wanted:
            status = OrderStatus.CANCELLED  # Bybit calls closed what was cancelled after a part had filled
        if status is not OrderStatus.FILLED and done >= wanted:
            status = OrderStatus.FILLED
        rest = wanted - done if status is OrderStatus.OPEN else Decimal(0)
        key = SeriesKey(self._venue, perpetual.symbol)
        return OrderState(client_id, key, status, done, rest)
