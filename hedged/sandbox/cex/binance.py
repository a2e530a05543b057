"""Binance USD-M: the signed half of fapi, and the answer about a key's rights on api.binance.com."""

import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from hedged.sandbox.cex.account import Held, Income, Order, Status, Ticket, Trade
from hedged.sandbox.cex.binance_markets import BinanceMarkets
from hedged.sandbox.cex.faults import Handler
from hedged.sandbox.cex.protocol import Complaint, aligned, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

AHEAD_MS = 1_000
"""A timestamp may be so far ahead of the exchange's clock."""
CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
TIF = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "GTX": "PO"}
STATUSES: Mapping[Status, str] = {
    Status.NEW: "NEW",
    Status.PARTIAL: "PARTIALLY_FILLED",
    Status.FILLED: "FILLED",
    Status.CANCELLED: "CANCELED",
}
INCOMES: Mapping[str, str] = {"funding": "FUNDING_FEE", "fee": "COMMISSION", "pnl": "REALIZED_PNL"}

Params = Mapping[str, str]
Signed = Callable[[Params], Awaitable[Any]]


class Binance(BinanceMarkets):
    """Orders and account of the sandbox's key."""

    multi_assets = False

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add public and signed paths."""
        super().add_routes(router)
        signed: list[tuple[str, str, Signed]] = [
            ("POST", "/fapi/v1/order", self._place),
            ("GET", "/fapi/v1/order", self._order),
            ("DELETE", "/fapi/v1/order", self._cancel),
            ("GET", "/fapi/v1/openOrders", self._open_orders),
            ("GET", "/fapi/v1/allOrders", self._all_orders),
            ("GET", "/fapi/v1/userTrades", self._trades),
            ("GET", "/fapi/v1/income", self._incomes),
            ("GET", "/fapi/v3/positionRisk", self._positions),
            ("GET", "/fapi/v3/account", self._account),
            ("POST", "/fapi/v1/leverage", self._leverage),
            ("POST", "/fapi/v1/marginType", self._margin_type),
            ("GET", "/fapi/v1/positionSide/dual", self._dual),
            ("GET", "/fapi/v1/multiAssetsMargin", self._multi_assets),
            ("GET", "/fapi/v1/leverageBracket", self._brackets),
            ("GET", "/fapi/v1/commissionRate", self._commission),
            ("GET", "/fapi/v1/symbolConfig", self._symbol_config),
            ("GET", "/sapi/v1/account/apiRestrictions", self._restrictions),
        ]
        for method, path, handler in signed:
            router.add_route(method, path, self._signed(handler))

    def _signed(self, handler: Signed) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            text = (
                request.rel_url.raw_query_string
                if request.method in ("GET", "DELETE")
                else await request.text()
            )
            return web.json_response(await handler(self._verified(request, text)))

        return answer

    def _verified(self, request: web.Request, text: str) -> Params:
        """Check key, signature and time; return the parameters. Raises Complaint like Binance."""
        key = request.headers.get("X-MBX-APIKEY")
        if not key:
            raise Complaint(-2014, "API-key format invalid.", 401)
        if key != self.credentials.key:
            raise Complaint(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        query, _, signature = text.rpartition("&signature=")
        if not query:
            raise Complaint(
                -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."
            )
        if signature != self.credentials.hex_signature(query):
            raise Complaint(-1022, "Signature for this request is not valid.")
        params = dict(parse_qsl(query))
        sent_ms, window_ms = int(params.get("timestamp", "0")), int(params.get("recvWindow", "5000"))
        if sent_ms > self.now_ms + AHEAD_MS * self.speed or self.now_ms - sent_ms > window_ms:
            raise Complaint(-1021, "Timestamp for this request is outside of the recvWindow.")
        if request.method != "GET" and not self.exchange.account.rights.trade:
            raise Complaint(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return params

    async def _place(self, params: Params) -> Any:
        coin, client_id = self.coin(params.get("symbol")), params.get("newClientOrderId", "")
        if client_id and not CLIENT_ID.match(client_id):
            raise Refusal(Reason.BAD_CLIENT_ID)
        dual, side = self.exchange.account.rights.dual_side, params.get("positionSide", "BOTH")
        if dual == (side == "BOTH"):
            raise Refusal(Reason.WRONG_SIDE)
        price = Decimal(params["price"]) if params["type"] == "LIMIT" else None
        ticket = Ticket(
            coin,
            1 if params["side"] == "BUY" else -1,
            Decimal(params["quantity"]),
            price,
            TIF[params["timeInForce"]] if price is not None else "IOC",
            params.get("reduceOnly", "").lower() == "true",
            client_id or f"web_{self.exchange.next_id()}",
        )
        return self._told(self.exchange.place(ticket))

    async def _order(self, params: Params) -> Any:
        return self._told(self._found(params))

    async def _cancel(self, params: Params) -> Any:
        try:
            order = self._found(params)
        except Refusal:
            raise Refusal(Reason.ORDER_GONE) from None
        self.exchange.cancel(order)
        return self._told(order)

    def _found(self, params: Params) -> Order:
        order = self.exchange.find(params.get("orderId"), params.get("origClientOrderId"))
        if order.ticket.coin != self.coin(params.get("symbol")):
            raise Refusal(Reason.NO_SUCH_ORDER)
        return order

    async def _open_orders(self, params: Params) -> Any:
        return [
            self._told(order)
            for order in self.exchange.account.alive()
            if self._meant(params, order.ticket.coin)
        ]

    async def _all_orders(self, params: Params) -> Any:
        since_ms, coin = int(params.get("startTime", 0)), self.coin(params.get("symbol"))
        orders = self.exchange.account.orders.values()
        rows = [self._told(o) for o in orders if o.ticket.coin == coin and o.created_ms >= since_ms]
        return rows[: int(params.get("limit", 500))]

    def _meant(self, params: Params, coin: str) -> bool:
        return "symbol" not in params or self.coin(params["symbol"]) == coin

    def _told(self, order: Order) -> dict[str, Any]:
        ticket, one = order.ticket, self.exchange.instruments[order.ticket.coin]
        ended = order.status is Status.CANCELLED and ticket.tif in ("IOC", "FOK")
        kind = "MARKET" if ticket.price is None else "LIMIT"
        return {
            "orderId": order.order_id,
            "symbol": self.symbol(ticket.coin),
            "status": "EXPIRED" if ended else STATUSES[order.status],
            "clientOrderId": ticket.client_id,
            "price": aligned(ticket.price or Decimal(0), one),
            "avgPrice": plain(order.average, 8),
            "origQty": plain(ticket.quantity),
            "executedQty": plain(order.filled),
            "cumQty": plain(order.filled),
            "cumQuote": plain(order.cost, 8),
            "timeInForce": "GTX" if ticket.tif == "PO" else ticket.tif,
            "type": kind,
            "reduceOnly": ticket.reduce_only,
            "closePosition": False,
            "side": "BUY" if ticket.sign > 0 else "SELL",
            "positionSide": "BOTH",
            "stopPrice": "0",
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": kind,
            "priceMatch": "NONE",
            "selfTradePreventionMode": "NONE",
            "goodTillDate": 0,
            "time": order.created_ms,
            "updateTime": order.updated_ms,
        }

    async def _trades(self, params: Params) -> Any:
        coin, since_ms = self.coin(params.get("symbol")), int(params.get("startTime", 0))
        until_ms, from_id = int(params.get("endTime", 2**62)), int(params.get("fromId", 0))
        rows = [
            self._trade(trade)
            for trade in self.faults.told(self.exchange.account.trades)
            if trade.coin == coin and since_ms <= trade.ts_ms <= until_ms and trade.trade_id >= from_id
        ]
        return self.faults.mixed(rows[: int(params.get("limit", 500))])

    def _trade(self, trade: Trade) -> dict[str, Any]:
        one = self.exchange.instruments[trade.coin]
        return {
            "symbol": self.symbol(trade.coin),
            "id": trade.trade_id,
            "orderId": trade.order_id,
            "side": "BUY" if trade.sign > 0 else "SELL",
            "price": aligned(trade.price, one),
            "qty": plain(trade.quantity),
            "realizedPnl": plain(trade.realised, 8),
            "quoteQty": plain(trade.quantity * trade.price, 8),
            "commission": plain(trade.fee),
            "commissionAsset": self.quote,
            "time": trade.ts_ms,
            "positionSide": "BOTH",
            "buyer": trade.sign > 0,
            "maker": trade.maker,
        }

    async def _incomes(self, params: Params) -> Any:
        since_ms, until_ms = int(params.get("startTime", 0)), int(params.get("endTime", 2**62))
        kind = params.get("incomeType")
        rows = [
            self._income(one)
            for one in self.exchange.account.income
            if since_ms <= one.ts_ms <= until_ms
            and kind in (None, INCOMES[one.kind])
            and self._meant(params, one.coin)
        ]
        limit = min(int(params.get("limit", 100)), 1_000)
        return rows[:limit] if "startTime" in params else rows[-limit:]

    def _income(self, one: Income) -> dict[str, Any]:
        return {
            "symbol": self.symbol(one.coin),
            "incomeType": INCOMES[one.kind],
            "income": plain(one.amount),
            "asset": self.quote,
            "time": one.ts_ms,
            "info": INCOMES[one.kind],
            "tranId": one.income_id,
            "tradeId": "",
        }

    async def _positions(self, params: Params) -> Any:
        account = self.exchange.account
        return [
            self._position(coin, held)
            for coin, held in account.held.items()
            if held.quantity and self._meant(params, coin)
        ]

    def _position(self, coin: str, held: Held) -> dict[str, Any]:
        mark, chosen = self.exchange.mark(coin), self.exchange.account.chosen(coin)
        pnl, notional = self.exchange.unrealised(coin), held.quantity * mark
        isolated = held.margin if chosen.isolated else Decimal(0)
        return {
            "symbol": self.symbol(coin),
            "positionSide": "BOTH",
            "positionAmt": plain(held.quantity),
            "entryPrice": plain(held.entry),
            "breakEvenPrice": plain(held.entry),
            "markPrice": plain(mark, 8),
            "unRealizedProfit": plain(pnl, 8),
            "liquidationPrice": plain(self.exchange.liquidation(coin), 8),
            "isolatedMargin": plain(isolated + pnl if chosen.isolated else Decimal(0), 8),
            "notional": plain(notional, 8),
            "marginAsset": self.quote,
            "isolatedWallet": plain(isolated, 8),
            "initialMargin": plain(held.margin, 8),
            "maintMargin": plain(abs(notional) * self.exchange.instruments[coin].maintenance, 8),
            "positionInitialMargin": plain(held.margin, 8),
            "openOrderInitialMargin": "0",
            "adl": 1,
            "bidNotional": "0",
            "askNotional": "0",
            "updateTime": held.since_ms,
        }

    async def _account(self, _: Params) -> Any:
        cash, equity, free = self.exchange.account.cash, self.exchange.equity(), self.exchange.free()
        money = {
            "walletBalance": plain(cash),
            "unrealizedProfit": plain(equity - cash),
            "marginBalance": plain(equity),
            "maintMargin": "0",
            "initialMargin": plain(cash - free),
            "positionInitialMargin": plain(cash - free),
            "openOrderInitialMargin": "0",
            "crossWalletBalance": plain(free),
            "crossUnPnl": "0",
            "availableBalance": plain(free),
            "maxWithdrawAmount": plain(free),
        }
        named = {"total" + name[0].upper() + name[1:]: value for name, value in money.items()}
        for name in ("availableBalance", "maxWithdrawAmount"):
            named[name] = named.pop("total" + name[0].upper() + name[1:])
        asset = {"asset": self.quote, **money, "updateTime": self.exchange.now_ms}
        return {**named, "assets": [asset], "positions": []}

    async def _leverage(self, params: Params) -> Any:
        coin, leverage = self.coin(params.get("symbol")), int(params["leverage"])
        self.exchange.set_leverage(coin, leverage)
        return {"leverage": leverage, "maxNotionalValue": "1000000", "symbol": self.symbol(coin)}

    async def _margin_type(self, params: Params) -> Any:
        if self.multi_assets:
            raise Complaint(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")
        if not self.exchange.set_isolated(
            self.coin(params.get("symbol")), params["marginType"] == "ISOLATED"
        ):
            raise Refusal(Reason.MARGIN_MODE_UNCHANGED)
        return {"code": 200, "msg": "success"}

    async def _dual(self, _: Params) -> Any:
        return {"dualSidePosition": self.exchange.account.rights.dual_side}

    async def _multi_assets(self, _: Params) -> Any:
        return {"multiAssetsMargin": self.multi_assets}

    async def _brackets(self, _: Params) -> Any:
        return [
            {
                "symbol": self.symbol(coin),
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": one.max_leverage,
                        "notionalCap": 10_000_000,
                        "notionalFloor": 0,
                        "maintMarginRatio": float(one.maintenance),
                        "cum": 0.0,
                    }
                ],
            }
            for coin, one in self.exchange.instruments.items()
        ]

    async def _commission(self, params: Params) -> Any:
        coin = self.coin(params.get("symbol"))
        one = self.exchange.instruments[coin]
        return {
            "symbol": self.symbol(coin),
            "makerCommissionRate": plain(one.maker, 6),
            "takerCommissionRate": plain(one.taker, 6),
        }

    async def _symbol_config(self, params: Params) -> Any:
        return [
            {
                "symbol": self.symbol(coin),
                "marginType": "ISOLATED" if self.exchange.account.chosen(coin).isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": self.exchange.account.chosen(coin).leverage,
                "maxNotionalValue": "1000000",
            }
            for coin in self.exchange.instruments
            if self._meant(params, coin)
        ]

    async def _restrictions(self, _: Params) -> Any:
        rights = self.exchange.account.rights
        return {
            "ipRestrict": False,
            "createTime": 1_623_840_271_000,
            "enableReading": True,
            "enableWithdrawals": rights.withdraw,
            "enableInternalTransfer": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFutures": rights.trade,
            "enableMargin": False,
            "enableSpotAndMarginTrading": False,
        }
