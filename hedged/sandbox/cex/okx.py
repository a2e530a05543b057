"""OKX v5: the signed half."""

import base64
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from aiohttp import web

from hedged.sandbox.cex.account import Held, Income, Order, Status, Ticket, Trade
from hedged.sandbox.cex.faults import Handler
from hedged.sandbox.cex.okx_markets import Failed, OkxMarkets
from hedged.sandbox.cex.protocol import Complaint, aligned, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

EXPIRED_MS = 30_000
CLIENT_ID = re.compile(r"^[0-9A-Za-z]{1,32}$")
PAGE = 100
WOULD_TAKE = "31"
"""Why a post-only order was cancelled."""
TIF = {
    "limit": "GTC", "market": "IOC", "ioc": "IOC", "fok": "FOK", "post_only": "PO", "optimal_limit_ioc": "IOC",
}  # fmt: skip
STATES: Mapping[Status, str] = {
    Status.NEW: "live",
    Status.PARTIAL: "partially_filled",
    Status.FILLED: "filled",
    Status.CANCELLED: "canceled",
}

Params = Mapping[str, Any]
Signed = Callable[[Params], Awaitable[list[Any]]]


class Okx(OkxMarkets):
    """Orders and account of the sandbox's key, in the account mode `futures`."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add public and signed paths."""
        super().add_routes(router)
        signed: list[tuple[str, str, Signed]] = [
            ("POST", "trade/order", self._place),
            ("POST", "trade/batch-orders", self._batch),
            ("GET", "trade/order", self._order),
            ("POST", "trade/cancel-order", self._cancel),
            ("GET", "trade/orders-pending", self._pending),
            ("GET", "trade/fills-history", self._fills),
            ("GET", "account/positions", self._positions),
            ("GET", "account/balance", self._balance),
            ("GET", "account/bills-archive", self._bills),
            ("POST", "account/set-leverage", self._set_leverage),
            ("GET", "account/leverage-info", self._leverage_info),
            ("GET", "account/config", self._config),
            ("GET", "account/trade-fee", self._trade_fee),
        ]
        for method, path, handler in signed:
            router.add_route(method, f"/api/v5/{path}", self._signed(handler))

    def _signed(self, handler: Signed) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            body = await request.text() if request.method == "POST" else ""
            self._verify(request, body)
            params: Params = json.loads(body) if body else dict(request.query)
            expires = request.headers.get("expTime")
            if expires and int(expires) < self.now_ms:
                raise Complaint("50004", "API endpoint request timeout", 400)
            return self.answer(await handler(params))

        return answer

    def _verify(self, request: web.Request, body: str) -> None:
        """Check key, passphrase, signature, time and rights. Raises Complaint like OKX."""
        headers = request.headers
        key, sent = headers.get("OK-ACCESS-KEY"), headers.get("OK-ACCESS-TIMESTAMP", "")
        if key != self.credentials.key:
            raise Complaint("50111", "Invalid OK-ACCESS-KEY", 401)
        if headers.get("OK-ACCESS-PASSPHRASE") != self.credentials.passphrase:
            raise Complaint("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.", 401)
        text = sent + request.method + request.rel_url.raw_path_qs + body
        digest = hmac.new(self.credentials.secret.encode(), text.encode(), sha256).digest()
        if headers.get("OK-ACCESS-SIGN") != base64.b64encode(digest).decode():
            raise Complaint("50113", "Invalid Sign", 401)
        sent_ms = datetime.fromisoformat(sent.replace("Z", "+00:00")).timestamp() * 1_000
        if abs(sent_ms - self.now_ms) > EXPIRED_MS * self.speed:
            raise Complaint("50102", "Timestamp request expired", 401)
        if request.method == "POST" and not self.exchange.account.rights.trade:
            raise Complaint("50120", "This API key doesn't have permission to use this function", 401)

    async def _place(self, params: Params) -> list[Any]:
        client_id = params.get("clOrdId", "")
        try:
            order = self.exchange.place(self._ticket(params, client_id))
        except Refusal as refusal:
            raise self.failed(refusal, client_id) from None
        row = {"clOrdId": client_id, "ordId": str(order.order_id), "sCode": "0", "sMsg": "Order placed"}
        return [row | {"tag": params.get("tag", ""), "ts": str(self.now_ms)}]

    async def _batch(self, many: Any) -> list[Any]:
        """Take orders one by one; each is told by itself, and the whole only fails when all do."""
        rows: list[Any] = []
        for one in many:
            try:
                rows += await self._place(one)
            except Failed as failed:
                rows += failed.rows
        if all(row["sCode"] != "0" for row in rows):
            raise Failed(rows)
        return rows

    def _ticket(self, params: Params, client_id: str) -> Ticket:
        coin, kind = self.coin(params.get("instId")), params["ordType"]
        if client_id and not CLIENT_ID.match(client_id):
            raise Refusal(Reason.BAD_CLIENT_ID)
        if self.exchange.account.rights.dual_side != (params.get("posSide", "net") != "net"):
            raise Refusal(Reason.WRONG_SIDE)
        self.exchange.account.chosen(coin).isolated = params["tdMode"] == "isolated"
        return Ticket(
            coin,
            1 if params["side"] == "buy" else -1,
            Decimal(params["sz"]) * self.exchange.instruments[coin].contract,
            None if kind in ("market", "optimal_limit_ioc") else Decimal(params["px"]),
            TIF[kind],
            str(params.get("reduceOnly", "")).lower() == "true",
            client_id,
        )

    async def _order(self, params: Params) -> list[Any]:
        return [self._told(self._found(params))]

    def _found(self, params: Params) -> Order:
        order = self.exchange.find(params.get("ordId"), params.get("clOrdId"))
        if order.ticket.coin != self.coin(params.get("instId")):
            raise Refusal(Reason.NO_SUCH_ORDER)
        return order

    async def _cancel(self, params: Params) -> list[Any]:
        client_id = params.get("clOrdId", "")
        try:
            order = self._found(params)
            self.exchange.cancel(order)
        except Refusal:
            raise self.failed(Refusal(Reason.ORDER_GONE), client_id) from None
        return [{"clOrdId": client_id, "ordId": str(order.order_id), "sCode": "0", "sMsg": ""}]

    async def _pending(self, params: Params) -> list[Any]:
        """Newest first, a hundred at most; `after`: older than an order."""
        after, only = int(params.get("after", 2**62)), params.get("instId")
        rows = [
            self._told(order)
            for order in reversed(self.exchange.account.alive())
            if order.order_id < after and only in (None, self.inst_id(order.ticket.coin))
        ]
        return rows[: min(int(params.get("limit", PAGE)), PAGE)]

    def _told(self, order: Order) -> dict[str, Any]:
        ticket, one = order.ticket, self.exchange.instruments[order.ticket.coin]
        kinds = {"GTC": "limit", "IOC": "ioc", "FOK": "fok", "PO": "post_only"}
        return {
            "accFillSz": self.contracts(ticket.coin, order.filled),
            "algoId": "",
            "avgPx": plain(order.average) if order.filled else "",
            "cTime": str(order.created_ms),
            "cancelSource": WOULD_TAKE if order.would_take else "",
            "category": "normal",
            "ccy": "",
            "clOrdId": ticket.client_id,
            "fee": plain(-order.fee),
            "feeCcy": self.quote,
            "fillPx": plain(order.average) if order.filled else "",
            "fillSz": self.contracts(ticket.coin, order.filled),
            "fillTime": str(order.updated_ms) if order.filled else "",
            "instId": self.inst_id(ticket.coin),
            "instType": "SWAP",
            "lever": str(self.exchange.account.chosen(ticket.coin).leverage),
            "ordId": str(order.order_id),
            "ordType": "market" if ticket.price is None else kinds[ticket.tif],
            "pnl": "0",
            "posSide": "net",
            "px": "" if ticket.price is None else aligned(ticket.price, one),
            "rebate": "0",
            "rebateCcy": self.quote,
            "reduceOnly": str(ticket.reduce_only).lower(),
            "side": "buy" if ticket.sign > 0 else "sell",
            "slOrdPx": "",
            "slTriggerPx": "",
            "source": "",
            "state": STATES[order.status],
            "sz": self.contracts(ticket.coin, ticket.quantity),
            "tag": "",
            "tdMode": "isolated" if self.exchange.account.chosen(ticket.coin).isolated else "cross",
            "tgtCcy": "",
            "tpOrdPx": "",
            "tpTriggerPx": "",
            "tradeId": "",
            "uTime": str(order.updated_ms),
        }

    async def _fills(self, params: Params) -> list[Any]:
        """Newest first, a hundred at most; `after`: older than a bill."""
        after, begin = int(params.get("after", 2**62)), int(params.get("begin", 0))
        end = int(params.get("end", 2**62))
        rows = [
            self._fill(trade)
            for trade in reversed(list(self.faults.told(self.exchange.account.trades)))
            if trade.trade_id < after and begin <= trade.ts_ms <= end
        ]
        return self.faults.mixed(rows[: int(params.get("limit", PAGE))])

    def _fill(self, trade: Trade) -> dict[str, Any]:
        return {
            "billId": str(trade.trade_id),
            "clOrdId": trade.client_id,
            "execType": "M" if trade.maker else "T",
            "fee": plain(-trade.fee),
            "feeCcy": self.quote,
            "fillPnl": plain(trade.realised),
            "fillPx": plain(trade.price),
            "fillSz": self.contracts(trade.coin, trade.quantity),
            "fillTime": str(trade.ts_ms),
            "instId": self.inst_id(trade.coin),
            "instType": "SWAP",
            "ordId": str(trade.order_id),
            "posSide": "net",
            "side": "buy" if trade.sign > 0 else "sell",
            "subType": "1" if trade.sign > 0 else "2",
            "tag": "",
            "tradeId": str(trade.trade_id),
            "ts": str(trade.ts_ms),
        }

    async def _positions(self, _: Params) -> list[Any]:
        return [
            self._position(coin, held) for coin, held in self.exchange.account.held.items() if held.quantity
        ]

    def _position(self, coin: str, held: Held) -> dict[str, Any]:
        mark, dual = self.exchange.mark(coin), self.exchange.account.rights.dual_side
        side = "long" if held.quantity > 0 else "short"
        notional = abs(held.quantity) * mark
        return {
            "adl": "1",
            "availPos": self.contracts(coin, held.quantity),
            "avgPx": plain(held.entry),
            "cTime": str(held.since_ms),
            "ccy": self.quote,
            "imr": "",
            "instId": self.inst_id(coin),
            "instType": "SWAP",
            "interest": "0",
            "last": plain(mark),
            "lever": str(self.exchange.account.chosen(coin).leverage),
            "liab": "",
            "liqPx": plain(self.exchange.liquidation(coin), 8),
            "margin": plain(held.margin),
            "markPx": plain(mark),
            "mgnMode": "isolated",
            "mgnRatio": "11.73",
            "mmr": plain(notional * self.exchange.instruments[coin].maintenance),
            "notionalUsd": plain(notional),
            "pos": self.contracts(coin, abs(held.quantity) if dual else held.quantity),
            "posCcy": "",
            "posId": "1",
            "posSide": side if dual else "net",
            "tradeId": "1",
            "uTime": str(held.since_ms),
            "upl": plain(self.exchange.unrealised(coin)),
            "uplRatio": "0",
        }

    async def _balance(self, _: Params) -> list[Any]:
        """Equity includes isolated positions; what is available does not."""
        cash, equity, free = self.exchange.account.cash, self.exchange.equity(), self.exchange.free()
        row = {
            "availBal": plain(free),
            "availEq": plain(free),
            "cashBal": plain(cash),
            "ccy": self.quote,
            "disEq": plain(equity),
            "eq": plain(equity),
            "eqUsd": plain(equity),
            "frozenBal": plain(cash - free),
            "isoEq": plain(cash - free),
            "ordFrozen": "0",
            "uTime": str(self.now_ms),
            "upl": "0",
        }
        return [
            {
                "adjEq": "",
                "details": [row],
                "isoEq": row["isoEq"],
                "totalEq": row["eq"],
                "uTime": row["uTime"],
            }
        ]

    async def _bills(self, params: Params) -> list[Any]:
        """Newest first, a hundred at most; type 8 is funding, booked on an isolated position's own balance."""
        after = int(params.get("after", 2**62))
        rows = [
            self._bill(one)
            for one in reversed(self.exchange.account.income)
            if one.income_id < after and (params.get("type") != "8" or one.kind == "funding")
        ]
        return rows[: int(params.get("limit", PAGE))]

    def _bill(self, one: Income) -> dict[str, Any]:
        funding = one.kind == "funding"
        return {
            "bal": plain(self.exchange.account.cash),
            "balChg": "0" if funding else plain(one.amount),
            "billId": str(one.income_id),
            "ccy": self.quote,
            "clOrdId": "",
            "execType": "",
            "fee": "0",
            "from": "",
            "instId": self.inst_id(one.coin),
            "instType": "SWAP",
            "mgnMode": "isolated",
            "notes": "",
            "ordId": "",
            "pnl": plain(one.amount),
            "posBal": "0",
            "posBalChg": plain(one.amount) if funding else "0",
            "px": plain(one.price),
            "subType": "174" if one.amount > 0 else "173",
            "sz": self.contracts(one.coin, abs(one.quantity)),
            "to": "",
            "ts": str(one.ts_ms),
            "type": "8" if funding else "2",
        }

    async def _set_leverage(self, params: Params) -> list[Any]:
        coin, leverage = self.coin(params.get("instId")), int(params["lever"])
        if any(order.ticket.coin == coin for order in self.exchange.account.alive()):
            raise Complaint(
                "59000",
                "Setting failed. Cancel any open orders, close positions, and stop trading bots first.",
                200,
            )
        self.exchange.set_leverage(coin, leverage)
        return [
            {
                "instId": params["instId"],
                "lever": str(leverage),
                "mgnMode": params["mgnMode"],
                "posSide": "net",
            }
        ]

    async def _leverage_info(self, params: Params) -> list[Any]:
        leverage = self.exchange.account.chosen(self.coin(params.get("instId"))).leverage
        return [
            {
                "instId": params["instId"],
                "lever": str(leverage),
                "mgnMode": params["mgnMode"],
                "posSide": "net",
            }
        ]

    async def _config(self, _: Params) -> list[Any]:
        rights = self.exchange.account.rights
        named = (("read_only", True), ("withdraw", rights.withdraw), ("trade", rights.trade))
        return [
            {
                "acctLv": str(rights.level),
                "autoLoan": False,
                "ip": "",
                "label": "sandbox",
                "level": "Lv1",
                "mainUid": "1",
                "perm": ",".join(name for name, given in named if given),
                "posMode": "long_short_mode" if rights.dual_side else "net_mode",
                "uid": "1",
            }
        ]

    async def _trade_fee(self, params: Params) -> list[Any]:
        """Fees are negative where they are costs."""
        coin = str(params.get("uly") or params.get("instFamily", "")).removesuffix(f"-{self.quote}")
        one = self.exchange.instrument(coin)
        maker, taker = plain(-one.maker), plain(-one.taker)
        row = {"category": "1", "instType": "SWAP", "level": "Lv1", "ts": str(self.now_ms)}
        return [row | {"maker": maker, "taker": taker, "makerU": maker, "takerU": taker}]
