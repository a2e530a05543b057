"""Bybit v5: the signed half, for a unified account."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from hedged.sandbox.cex.account import ALIVE, Held, Income, Order, Status, Ticket, Trade
from hedged.sandbox.cex.bybit_markets import BybitMarkets
from hedged.sandbox.cex.engine import DELEVERAGED, DELIVERED, LIQUIDATED
from hedged.sandbox.cex.faults import Handler
from hedged.sandbox.cex.protocol import Complaint, aligned, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

AHEAD_MS = 1_000
CLIENT_ID = re.compile(r"^[0-9A-Za-z_-]{1,36}$")
TIF = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "PostOnly": "PO"}
STATUSES: Mapping[Status, str] = {
    Status.NEW: "New",
    Status.PARTIAL: "PartiallyFilled",
    Status.FILLED: "Filled",
    Status.CANCELLED: "Cancelled",
}
PAGE = 50
FORCED = {DELEVERAGED: "AdlTrade", LIQUIDATED: "BustTrade", DELIVERED: "Delivery"}
"""Kinds of executions that Bybit made itself, by how the engine names them."""

Params = Mapping[str, Any]
Signed = Callable[[Params], Awaitable[Any]]


class Bybit(BybitMarkets):
    """Orders and account of the sandbox's key. `margin_mode`: of the whole account."""

    margin_mode = "ISOLATED_MARGIN"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add public and signed paths."""
        super().add_routes(router)
        signed: list[tuple[str, str, Signed]] = [
            ("POST", "/v5/order/create", self._create),
            ("POST", "/v5/order/cancel", self._cancel),
            ("GET", "/v5/order/realtime", self._realtime),
            ("GET", "/v5/order/history", self._history),
            ("GET", "/v5/execution/list", self._executions),
            ("GET", "/v5/position/list", self._positions),
            ("POST", "/v5/position/set-leverage", self._leverage),
            ("GET", "/v5/account/wallet-balance", self._wallet),
            ("GET", "/v5/account/info", self._info),
            ("GET", "/v5/account/fee-rate", self._fee_rate),
            ("GET", "/v5/user/query-api", self._query_api),
        ]
        for method, path, handler in signed:
            router.add_route(method, path, self._signed(handler))

    def _signed(self, handler: Signed) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            text = request.rel_url.raw_query_string if request.method == "GET" else await request.text()
            self._verify(request, text)
            params: Params = dict(request.query) if request.method == "GET" else json.loads(text)
            return self.answer(await handler(params))

        return answer

    def _verify(self, request: web.Request, text: str) -> None:
        """Check key, signature, time and rights. Raises Complaint like Bybit."""
        headers = request.headers
        key, sent, window = (
            headers.get(f"X-BAPI-{name}", "") for name in ("API-KEY", "TIMESTAMP", "RECV-WINDOW")
        )
        if key != self.credentials.key:
            raise Complaint(10_003, "API key is invalid.", 200)
        if headers.get("X-BAPI-SIGN") != self.credentials.hex_signature(f"{sent}{key}{window}{text}"):
            raise Complaint(10_004, f"error sign! origin_string[{sent}{key}{window}{text}]", 200)
        if not self.now_ms - int(window) <= int(sent) < self.now_ms + AHEAD_MS * self.speed:
            raise Complaint(
                10_002,
                "invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{sent}],server_timestamp[{self.now_ms}],recv_window[{window}]",
                200,
            )
        if request.method == "POST" and not self.exchange.account.rights.trade:
            raise Complaint(10_005, "Permission denied, please check your API key permissions.", 200)

    async def _create(self, params: Params) -> Any:
        """Take an order and tell its ids alone: what became of it is asked for."""
        client_id = params.get("orderLinkId", "")
        if client_id and not CLIENT_ID.match(client_id):
            raise Refusal(Reason.BAD_CLIENT_ID)
        if self.exchange.account.rights.dual_side == (params.get("positionIdx", 0) == 0):
            raise Refusal(Reason.WRONG_SIDE)
        limit = params["orderType"] == "Limit"
        ticket = Ticket(
            self.coin(params.get("symbol")),
            1 if params["side"] == "Buy" else -1,
            Decimal(params["qty"]),
            Decimal(params["price"]) if limit else None,
            TIF[params.get("timeInForce", "GTC" if limit else "IOC")],
            bool(params.get("reduceOnly", False)),
            client_id,
        )
        order = self.exchange.place(ticket)
        return {"orderId": str(order.order_id), "orderLinkId": client_id}

    async def _cancel(self, params: Params) -> Any:
        order = self.exchange.find(params.get("orderId"), params.get("orderLinkId"))
        self.exchange.cancel(order)
        return {"orderId": str(order.order_id), "orderLinkId": order.ticket.client_id}

    async def _realtime(self, params: Params) -> Any:
        """Open orders; asked for one by id also the latest closed ones."""
        return self._orders(params, lambda order: self._named(params) or order.status in ALIVE)

    async def _history(self, params: Params) -> Any:
        return self._orders(params, lambda order: order.status not in ALIVE)

    @staticmethod
    def _named(params: Params) -> bool:
        return bool(params.get("orderId") or params.get("orderLinkId"))

    def _orders(self, params: Params, wanted: Callable[[Order], bool]) -> Any:
        rows = [
            self._order(order)
            for order in reversed(self.exchange.account.orders.values())
            if wanted(order)
            and params.get("orderLinkId") in (None, "", order.ticket.client_id)
            and params.get("orderId") in (None, "", str(order.order_id))
            and self._meant(params, order.ticket.coin)
        ]
        start, limit = int(params.get("cursor") or 0), min(int(params.get("limit", 20)), PAGE)
        more = str(start + limit) if start + limit < len(rows) else ""
        return {"list": rows[start : start + limit], "nextPageCursor": more, "category": "linear"}

    def _meant(self, params: Params, coin: str) -> bool:
        return not params.get("symbol") or self.coin(params["symbol"]) == coin

    def _order(self, order: Order) -> dict[str, Any]:
        ticket, one = order.ticket, self.exchange.instruments[order.ticket.coin]
        ended = order.status is Status.CANCELLED and ticket.tif == "IOC"
        reason = "EC_NoImmediateQtyToFill" if ended else "EC_NoError"
        return {
            "orderId": str(order.order_id),
            "orderLinkId": ticket.client_id,
            "blockTradeId": "",
            "symbol": self.symbol(ticket.coin),
            "price": aligned(ticket.price or Decimal(0), one),
            "qty": plain(ticket.quantity),
            "side": "Buy" if ticket.sign > 0 else "Sell",
            "isLeverage": "",
            "positionIdx": 0,
            "orderStatus": STATUSES[order.status],
            "cancelType": "UNKNOWN",
            "rejectReason": "EC_PostOnlyWillTakeLiquidity" if order.would_take else reason,
            "avgPrice": plain(order.average) if order.filled else "",
            "leavesQty": plain(order.remaining if order.status in ALIVE else Decimal(0)),
            "leavesValue": "0",
            "cumExecQty": plain(order.filled),
            "cumExecValue": plain(order.cost),
            "cumExecFee": plain(order.fee),
            "timeInForce": "PostOnly" if ticket.tif == "PO" else ticket.tif,
            "orderType": "Market" if ticket.price is None else "Limit",
            "stopOrderType": "",
            "triggerPrice": "",
            "takeProfit": "",
            "stopLoss": "",
            "tpslMode": "",
            "reduceOnly": ticket.reduce_only,
            "closeOnTrigger": False,
            "createdTime": str(order.created_ms),
            "updatedTime": str(order.updated_ms),
        }

    async def _executions(self, params: Params) -> Any:
        """Newest first, a week at most, with a cursor; funding stands among the fills."""
        since_ms = int(params.get("startTime", self.exchange.now_ms - 7 * 86_400_000))
        until_ms = int(params.get("endTime", since_ms + 7 * 86_400_000))
        kind = params.get("execType")
        trades = [self._trade(t) for t in self.faults.told(self.exchange.account.trades)]
        funding = [self._funding(i) for i in self.exchange.account.income if i.kind == "funding"]
        rows = sorted(
            (
                row
                for row in trades + funding
                if kind in (None, "", row["execType"]) and since_ms <= int(row["execTime"]) <= until_ms
            ),
            key=lambda row: (int(row["execTime"]), int(row["execId"])),
            reverse=True,
        )
        rows = self.faults.mixed(rows)
        start, limit = int(params.get("cursor") or 0), min(int(params.get("limit", 50)), 100)
        more = str(start + limit) if start + limit < len(rows) else ""
        return {"nextPageCursor": more, "category": "linear", "list": rows[start : start + limit]}

    def _trade(self, trade: Trade) -> dict[str, Any]:
        one = self.exchange.instruments[trade.coin]
        kind = next((k for start, k in FORCED.items() if trade.client_id.startswith(start)), "Trade")
        return {
            **self._execution(trade.coin, trade.quantity, trade.price, trade.ts_ms, trade.trade_id),
            "orderId": str(trade.order_id),
            "orderLinkId": trade.client_id if kind == "Trade" else "",
            "side": "Buy" if trade.sign > 0 else "Sell",
            "orderType": "Limit",
            "isMaker": trade.maker,
            "execFee": plain(trade.fee),
            "feeRate": plain(one.maker if trade.maker else one.taker),
            "execType": kind,
        }

    def _funding(self, one: Income) -> dict[str, Any]:
        """Fees are costs here: what was received is negative; for a short the rate is turned around."""
        side = 1 if one.quantity > 0 else -1
        return {
            **self._execution(one.coin, abs(one.quantity), one.price, one.ts_ms, one.income_id),
            "orderId": f"funding-{one.income_id}",
            "orderLinkId": "",
            "side": "Buy" if side > 0 else "Sell",
            "orderType": "UNKNOWN",
            "isMaker": False,
            "execFee": plain(-one.amount),
            "feeRate": plain(one.rate * side),
            "execType": "Funding",
        }

    def _execution(
        self, coin: str, quantity: Decimal, price: Decimal, ts_ms: int, exec_id: int
    ) -> dict[str, Any]:
        return {
            "symbol": self.symbol(coin),
            "stopOrderType": "",
            "leavesQty": "0",
            "execTime": str(ts_ms),
            "feeCurrency": "",
            "execId": str(exec_id),
            "blockTradeId": "",
            "markPrice": plain(self.exchange.paths[coin].mark(ts_ms)),
            "execPrice": plain(price),
            "orderQty": plain(quantity),
            "orderPrice": plain(price),
            "execValue": plain(quantity * price),
            "execQty": plain(quantity),
            "closedSize": "0",
            "seq": exec_id,
        }

    async def _positions(self, params: Params) -> Any:
        held = self.exchange.account.held
        rows = [self._position(c, one) for c, one in held.items() if one.quantity and self._meant(params, c)]
        return {"list": rows, "nextPageCursor": "", "category": "linear"}

    def _position(self, coin: str, held: Held) -> dict[str, Any]:
        mark, side = self.exchange.mark(coin), 1 if held.quantity > 0 else -1
        return {
            "positionIdx": (1 if side > 0 else 2) if self.exchange.account.rights.dual_side else 0,
            "symbol": self.symbol(coin),
            "side": "Buy" if side > 0 else "Sell",
            "size": plain(abs(held.quantity)),
            "avgPrice": plain(held.entry),
            "positionValue": plain(abs(held.quantity) * held.entry),
            "tradeMode": 1,
            "autoAddMargin": 0,
            "positionStatus": "Normal",
            "leverage": str(self.exchange.account.chosen(coin).leverage),
            "markPrice": plain(mark),
            "liqPrice": plain(self.exchange.liquidation(coin), 8),
            "bustPrice": "",
            "positionIM": plain(held.margin),
            "positionMM": plain(abs(held.quantity) * mark * self.exchange.instruments[coin].maintenance),
            "positionBalance": plain(held.margin),
            "takeProfit": "",
            "stopLoss": "",
            "trailingStop": "0",
            "unrealisedPnl": plain(self.exchange.unrealised(coin)),
            "cumRealisedPnl": "0",
            "adlRankIndicator": 2,
            "seq": self.exchange.next_id(),
            "createdTime": str(held.since_ms),
            "updatedTime": str(held.since_ms),
        }

    async def _leverage(self, params: Params) -> Any:
        if not self.exchange.set_leverage(
            self.coin(params.get("symbol")), int(Decimal(params["buyLeverage"]))
        ):
            raise Refusal(Reason.LEVERAGE_UNCHANGED)
        return {}

    async def _wallet(self, _: Params) -> Any:
        """In isolated margin the account's own totals are empty."""
        cash, equity = self.exchange.account.cash, self.exchange.equity()
        coin = {
            "coin": self.quote,
            "equity": plain(equity),
            "usdValue": plain(equity),
            "walletBalance": plain(cash),
            "availableToWithdraw": "",
            "borrowAmount": "0",
            "accruedInterest": "0",
            "totalOrderIM": "0",
            "totalPositionIM": plain(self.exchange.account.locked()),
            "totalPositionMM": "0",
            "unrealisedPnl": plain(equity - cash),
            "cumRealisedPnl": "0",
            "bonus": "0",
            "locked": "0",
        }
        totals = dict.fromkeys(
            ("accountIMRate", "accountMMRate", "totalAvailableBalance", "totalInitialMargin"), ""
        )
        account = {"accountType": "UNIFIED", "totalEquity": plain(equity), **totals, "coin": [coin]}
        return {"list": [account]}

    async def _info(self, _: Params) -> Any:
        return {"marginMode": self.margin_mode, "unifiedMarginStatus": 6, "dcpStatus": "OFF", "smpGroup": 0}

    async def _fee_rate(self, params: Params) -> Any:
        rows = [
            {"symbol": self.symbol(c), "takerFeeRate": plain(one.taker), "makerFeeRate": plain(one.maker)}
            for c, one in self.exchange.instruments.items()
            if self._meant(params, c)
        ]
        return {"category": "", "list": rows}

    async def _query_api(self, _: Params) -> Any:
        rights = self.exchange.account.rights
        return {
            "id": "13770661",
            "note": "sandbox",
            "apiKey": self.credentials.key,
            "readOnly": 0 if rights.trade else 1,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"] if rights.trade else [],
                "Spot": [],
                "Wallet": ["Withdraw"] if rights.withdraw else [],
                "Options": [],
                "Derivatives": [],
            },
            "ips": ["*"],
            "type": 1,
            "deadlineDay": 83,
            "expiredAt": "2099-05-15T03:21:05Z",
            "createdAt": "2022-10-16T02:24:40Z",
            "unified": 0,
            "uta": 1,
            "userID": 1,
        }
