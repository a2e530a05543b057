"""Bitget API v2, USDT-FUTURES of a classic account, as far as ccxt asks it: a second exchange that nobody knows here.

Unlike Gate: sizes in coins, a passphrase, the margin mode with every order, rates and their schedule apart, settlements
by page number alone, an acknowledgement of ids.
"""

import base64
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from aiohttp import web

from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.sandbox.cex.account import Held, Order, Status, Ticket, Trade
from hedged.sandbox.cex.faults import Fault, Handler
from hedged.sandbox.cex.path import Path, candle
from hedged.sandbox.cex.protocol import CoinFirst, Complaint, aligned, places, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

EXPIRED_MS = 30_000
PAGE = 100
BARS_MS = {"1m": MINUTE_MS, "5m": 5 * MINUTE_MS, "1H": HOUR_MS, "4H": 4 * HOUR_MS, "1D": DAY_MS}
CODES: Mapping[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_SYMBOL: ("40034", "Parameter does not exist"),
    Reason.PRICE_OFF_TICK: ("45115", "The price you enter should be a multiple of the tick"),
    Reason.QUANTITY_OFF_STEP: ("45117", "The quantity you enter should be a multiple of the step"),
    Reason.QUANTITY_TOO_SMALL: ("45111", "less than the minimum order quantity"),
    Reason.NOTIONAL_TOO_SMALL: ("45110", "less than the minimum amount 5 USDT"),
    Reason.NO_MARGIN: ("40762", "The order amount exceeds the balance"),
    Reason.REDUCE_ONLY: ("22002", "No position to close"),
    Reason.DUPLICATE_CLIENT_ID: ("40786", "Duplicate clientOid"),
    Reason.NO_SUCH_ORDER: ("40109", "The data of the order cannot be found, please confirm the order number"),
    Reason.ORDER_GONE: ("22001", "No order to cancel"),
}
STATES = {
    Status.NEW: "live",
    Status.PARTIAL: "partially_filled",
    Status.FILLED: "filled",
    Status.CANCELLED: "canceled",
}
Params = Mapping[str, Any]
Asked = Callable[[Params], Awaitable[Any]]


class Bitget(CoinFirst):
    """Market and account of the sandbox's key."""

    hosts = ("api.bitget.com",)
    order_path = "/api/v2/mix/order/place-order"
    per_minute = 12_000

    def add_routes(self, router: web.UrlDispatcher) -> None:
        public: dict[str, Asked] = {
            "public/time": self._time,
            "mix/market/contracts": self._contracts,
            "mix/market/tickers": self._tickers,
            "mix/market/current-fund-rate": self._schedule,
            "mix/market/history-fund-rate": self._past_rates,
            "mix/market/candles": self._candles,
            "mix/market/history-mark-candles": self._candles,
            "mix/market/merge-depth": self._depth,
            "mix/market/open-interest": self._interest,
        }
        signed: dict[tuple[str, str], Asked] = {
            ("GET", "mix/account/accounts"): self._accounts,
            ("GET", "mix/account/bill"): self._bills,
            ("GET", "mix/position/all-position"): self._positions,
            ("POST", "mix/account/set-leverage"): self._leverage,
            ("POST", "mix/account/set-margin-mode"): self._margin_mode,
            ("POST", "mix/order/place-order"): self._place,
            ("POST", "mix/order/cancel-order"): self._cancel,
            ("GET", "mix/order/detail"): self._detail,
            ("GET", "mix/order/orders-pending"): self._pending,
            ("GET", "mix/order/fills"): self._fills,
            ("GET", "common/trade-rate"): self._fee,
        }
        for path, asked in public.items():
            router.add_get(f"/api/v2/{path}", self._answering(asked, signed=False))
        for (method, path), asked in signed.items():
            router.add_route(method, f"/api/v2/{path}", self._answering(asked, signed=True))

    def _answering(self, asked: Asked, *, signed: bool) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            body = await request.text()
            if signed:
                self._verify(request, body)
            return self.worded(await asked({**request.query, **(json.loads(body) if body else {})}))

        return answer

    def worded(
        self, data: Any, code: str = "00000", said: str = "success", status: int = 200
    ) -> web.Response:
        told = {"code": code, "msg": said, "requestTime": self.now_ms, "data": data}
        return web.json_response(told, status=status)

    def complain(self, complaint: Complaint) -> web.Response:
        return self.worded(None, str(complaint.code), complaint.message, complaint.status)

    def of_refusal(self, refusal: Refusal) -> Complaint:
        return Complaint(*CODES.get(refusal.reason, ("40725", "service return an error")))

    def of_fault(self, fault: Fault) -> Complaint:
        if fault is Fault.MAINTENANCE:
            return Complaint("40015", "System is abnormal, please try again later", 503)
        return Complaint("429", "Too Many Requests", 429)

    def _verify(self, request: web.Request, body: str) -> None:
        headers, query = request.headers, request.rel_url.query_string
        sent = headers.get("ACCESS-TIMESTAMP", "0")
        text = f"{sent}{request.method}{request.path}{'?' + query if query else ''}{body}"
        digest = hmac.new(self.credentials.secret.encode(), text.encode(), sha256).digest()
        if headers.get("ACCESS-PASSPHRASE") != self.credentials.passphrase:
            raise Complaint("40012", "apikey/password is incorrect")
        if headers.get("ACCESS-SIGN") != base64.b64encode(digest).decode():
            raise Complaint("40009", "sign signature error")
        if abs(int(sent) - self.now_ms) > EXPIRED_MS * self.speed:
            raise Complaint("40008", "Request timestamp expired")

    async def _time(self, _: Params) -> Any:
        return {"serverTime": str(self.now_ms)}

    async def _contracts(self, params: Params) -> Any:
        if params.get("productType") != "USDT-FUTURES":
            return []
        return [
            {
                "symbol": self.symbol(one.coin),
                "baseCoin": one.coin,
                "quoteCoin": self.quote,
                "supportMarginCoins": [self.quote],
                "makerFeeRate": plain(one.maker),
                "takerFeeRate": plain(one.taker),
                "minTradeNum": plain(one.step),
                "sizeMultiplier": plain(one.step),
                "volumePlace": str(places(one.step)),
                "pricePlace": str(places(one.tick)),
                "priceEndStep": "1",
                "symbolType": "perpetual",
                "symbolStatus": "normal",
                "minTradeUSDT": plain(one.min_notional),
                "fundInterval": str(one.interval_h),
                "minLever": "1",
                "maxLever": str(one.max_leverage),
                "launchTime": "",
            }
            for one in self.exchange.listed.values()
        ]

    async def _tickers(self, _: Params) -> Any:
        now_ms = self.exchange.now_ms
        return [
            {
                "symbol": self.symbol(coin),
                "markPrice": plain(path.mark(now_ms)),
                "indexPrice": plain(path.index(now_ms)),
                "fundingRate": plain(path.estimate(now_ms)),
                "holdingAmount": plain(path.open_interest(now_ms)),
                "ts": str(now_ms),
            }
            for coin, path in self.exchange.paths.items()
        ]

    async def _schedule(self, _: Params) -> Any:
        now_ms = self.exchange.now_ms
        return [
            {
                "symbol": self.symbol(coin),
                "fundingRate": plain(path.estimate(now_ms)),
                "fundingRateInterval": str(path.interval_h(now_ms)),
                "nextUpdate": str(path.next_settlement_ms(now_ms)),
            }
            for coin, path in self.exchange.paths.items()
        ]

    async def _past_rates(self, params: Params) -> Any:
        """Newest first, a hundred to a page; no start and no end."""
        coin, now_ms = self.coin(params.get("symbol")), self.exchange.now_ms
        size, page = min(int(params.get("pageSize", 20)), PAGE), int(params.get("pageNo", 1))
        path = self.exchange.paths[coin]
        rows = path.prints(now_ms - page * size * path.interval_h(now_ms) * HOUR_MS, now_ms)[::-1]
        return [
            {"symbol": self.symbol(coin), "fundingRate": plain(one.rate), "fundingTime": str(one.ts_ms)}
            for one in rows[(page - 1) * size : page * size]
        ]

    async def _candles(self, params: Params) -> Any:
        """Oldest first, before the end; of too many the latest."""
        path, now_ms = self.exchange.paths[self.coin(params.get("symbol"))], self.exchange.now_ms
        bar_ms = BARS_MS[params["granularity"]]
        until_ms = min(int(params.get("endTime", now_ms)), now_ms)
        first_ms = -(-int(params.get("startTime", until_ms - PAGE * bar_ms)) // bar_ms) * bar_ms
        opens = range(first_ms, until_ms, bar_ms)[-min(int(params.get("limit", PAGE)), 1_000) :]
        return [
            [str(at), *map(plain, candle(lambda ts_ms: Path.mark(path, ts_ms), at, bar_ms, now_ms)), "0", "0"]
            for at in opens
        ]

    async def _depth(self, params: Params) -> Any:
        coin = self.coin(params.get("symbol"))
        one, limit = self.exchange.instruments[coin], int(params.get("limit", PAGE))
        bids, asks = (
            [[aligned(price, one), plain(coins)] for price, coins in side[:limit]]
            for side in self.exchange.book(coin)
        )
        return {"bids": bids, "asks": asks, "ts": str(self.now_ms)}

    async def _interest(self, params: Params) -> Any:
        coin, now_ms = self.coin(params.get("symbol")), self.exchange.now_ms
        size = plain(self.exchange.paths[coin].open_interest(now_ms))
        return {"openInterestList": [{"symbol": self.symbol(coin), "size": size}], "ts": str(now_ms)}

    async def _accounts(self, _: Params) -> Any:
        equity, free = plain(self.exchange.equity()), plain(self.exchange.free())
        row = {"marginCoin": self.quote, "locked": "0", "available": free, "isolatedMaxAvailable": free}
        row |= {"crossedMaxAvailable": free, "maxTransferOut": free}
        return [row | {"accountEquity": equity, "usdtEquity": equity}]

    async def _bills(self, params: Params) -> Any:
        rows = [
            {
                "billId": str(one.income_id),
                "symbol": self.symbol(one.coin),
                "amount": plain(one.amount),
                "fee": "0",
                "businessType": "contract_settle_fee",
                "coin": self.quote,
                "cTime": str(one.ts_ms),
            }
            for one in reversed(self.exchange.account.income)
            if one.kind == "funding" and self._asked(params, one.coin, one.ts_ms)
        ]
        return {"bills": rows[: int(params.get("limit", 20))], "endId": "0"}

    def _asked(self, params: Params, coin: str, ts_ms: int) -> bool:
        since, until = int(params.get("startTime", 0)), int(params.get("endTime", self.now_ms))
        if int(params.get("limit", 20)) > PAGE or until - since > 7 * DAY_MS:
            raise Complaint("40017", "Parameter verification failed")
        return self.symbol(coin) == params.get("symbol") and since <= ts_ms <= until

    async def _positions(self, _: Params) -> Any:
        """What is held alone."""
        held = self.exchange.account.held.items()
        return [self._position(coin, one) for coin, one in held if one.quantity]

    def _position(self, coin: str, held: Held) -> dict[str, Any]:
        chosen = self.exchange.account.chosen(coin)
        return {
            "marginCoin": self.quote,
            "symbol": self.symbol(coin),
            "holdSide": "long" if held.quantity > 0 else "short",
            "marginSize": plain(held.margin),
            "available": plain(abs(held.quantity)),
            "total": plain(abs(held.quantity)),
            "leverage": str(chosen.leverage),
            "openPriceAvg": plain(held.entry),
            "marginMode": "isolated" if chosen.isolated else "crossed",
            "posMode": "one_way_mode",
            "unrealizedPL": plain(self.exchange.unrealised(coin)),
            "liquidationPrice": plain(self.exchange.liquidation(coin), 8),
            "keepMarginRate": "0.004",
            "markPrice": plain(self.exchange.mark(coin)),
            "cTime": str(held.since_ms),
        }

    async def _leverage(self, params: Params) -> Any:
        self.exchange.set_leverage(self.coin(params.get("symbol")), int(params["leverage"]))
        return {"symbol": params["symbol"], "longLeverage": params["leverage"]}

    async def _margin_mode(self, params: Params) -> Any:
        self.exchange.set_isolated(self.coin(params.get("symbol")), params["marginMode"] == "isolated")
        return {"symbol": params["symbol"], "marginMode": params["marginMode"]}

    async def _place(self, params: Params) -> Any:
        coin = self.coin(params.get("symbol"))
        self.exchange.account.chosen(coin).isolated = params["marginMode"] == "isolated"
        ticket = Ticket(
            coin,
            1 if params["side"] == "buy" else -1,
            Decimal(params["size"]),
            Decimal(params["price"]) if params["orderType"] == "limit" else None,
            "PO" if params.get("force") == "post_only" else params.get("force", "GTC").upper(),
            params.get("reduceOnly") == "YES",
            params.get("clientOid", ""),
        )
        order = self.exchange.place(ticket)
        return {"orderId": str(order.order_id), "clientOid": ticket.client_id}

    def _found(self, params: Params) -> Order:
        return self.exchange.find(params.get("orderId"), params.get("clientOid"))

    async def _cancel(self, params: Params) -> Any:
        order = self._found(params)
        self.exchange.cancel(order)
        return {"orderId": str(order.order_id), "clientOid": order.ticket.client_id}

    async def _detail(self, params: Params) -> Any:
        return self._told(self._found(params))

    async def _pending(self, _: Params) -> Any:
        rows = [self._told(order) for order in self.exchange.account.alive()]
        return {"entrustedList": rows or None, "endId": None}

    def _told(self, order: Order) -> dict[str, Any]:
        ticket, one = order.ticket, self.exchange.instruments[order.ticket.coin]
        return {
            "symbol": self.symbol(ticket.coin),
            "size": plain(ticket.quantity),
            "orderId": str(order.order_id),
            "clientOid": ticket.client_id,
            "baseVolume": plain(order.filled),
            "quoteVolume": plain(order.cost),
            "fee": plain(-order.fee),
            "price": "" if ticket.price is None else aligned(ticket.price, one),
            "priceAvg": plain(order.average) if order.filled else "",
            "state": STATES[order.status],
            "status": STATES[order.status],
            "side": "buy" if ticket.sign > 0 else "sell",
            "force": "post_only" if ticket.tif == "PO" else ticket.tif.lower(),
            "posSide": "net",
            "marginCoin": self.quote,
            "orderType": "market" if ticket.price is None else "limit",
            "marginMode": "isolated",
            "reduceOnly": "YES" if ticket.reduce_only else "NO",
            "posMode": "one_way_mode",
            "cTime": str(order.created_ms),
            "uTime": str(order.updated_ms),
        }

    async def _fills(self, params: Params) -> Any:
        rows = [
            self._fill(trade)
            for trade in reversed(self.exchange.account.trades)
            if self._asked(params, trade.coin, trade.ts_ms)
        ]
        return {"fillList": rows[: int(params.get("limit", 20))] or None, "endId": None}

    def _fill(self, trade: Trade) -> dict[str, Any]:
        fee = {
            "deduction": "no",
            "feeCoin": self.quote,
            "totalDeductionFee": None,
            "totalFee": plain(-trade.fee),
        }
        return {
            "tradeId": str(trade.trade_id),
            "symbol": self.symbol(trade.coin),
            "orderId": str(trade.order_id),
            "price": plain(trade.price),
            "baseVolume": plain(trade.quantity),
            "quoteVolume": plain(trade.quantity * trade.price),
            "feeDetail": [fee],
            "side": "buy" if trade.sign > 0 else "sell",
            "profit": plain(trade.realised),
            "tradeSide": "buy_single",
            "posMode": "one_way_mode",
            "tradeScope": "taker",
            "cTime": str(trade.ts_ms),
        }

    async def _fee(self, _: Params) -> Any:
        one = next(iter(self.exchange.instruments.values()))
        return {"makerFeeRate": plain(one.maker), "takerFeeRate": plain(one.taker)}
