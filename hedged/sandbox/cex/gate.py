"""Gate API v4, perpetuals settled in USDT: the signed half."""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from hashlib import sha512
from typing import Any

from aiohttp import web

from hedged.domain.clock import MINUTE_MS, SECOND_MS
from hedged.sandbox.cex.account import ALIVE, Held, Income, Order, Status, Ticket, Trade
from hedged.sandbox.cex.engine import DELEVERAGED, LIQUIDATED
from hedged.sandbox.cex.faults import Handler
from hedged.sandbox.cex.gate_markets import GateMarkets, seconds
from hedged.sandbox.cex.protocol import Complaint, aligned, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

EXPIRED_MS = 60_000
NAMED_MS = 60_000
"""A finished order is found by its text for so long, after that by its id alone."""
EMPTY_MS = 10 * MINUTE_MS
"""An order that filled nothing is found for so long after its end, by whatever id."""
TEXT = re.compile(r"^t-[0-9A-Za-z_.-]{1,28}$")
TIF = {"gtc": "GTC", "ioc": "IOC", "poc": "PO", "fok": "FOK"}
PAGE = 100
MOST = 1_000

Params = Mapping[str, Any]
Signed = Callable[[Params], Awaitable[Any]]


class Gate(GateMarkets):
    """Orders and account of the sandbox's key."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add public and signed paths."""
        super().add_routes(router)
        signed: list[tuple[str, str, Signed]] = [
            ("GET", "account/detail", self._detail),
            ("GET", "wallet/fee", self._fee),
            ("GET", "futures/usdt/accounts", self._account),
            ("GET", "futures/usdt/account_book", self._account_book),
            ("GET", "futures/usdt/positions", self._positions),
            ("POST", "futures/usdt/positions/{contract}/leverage", self._leverage),
            ("POST", "futures/usdt/orders", self._place),
            ("GET", "futures/usdt/orders", self._orders),
            ("GET", "futures/usdt/orders/{order_id}", self._order),
            ("DELETE", "futures/usdt/orders/{order_id}", self._cancel),
            ("GET", "futures/usdt/my_trades_timerange", self._trades),
        ]
        for method, path, handler in signed:
            router.add_route(method, f"/api/v4/{path}", self._signed(handler))

    def _signed(self, handler: Signed) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            body = await request.text()
            self._verify(request, body)
            asked = {**request.match_info, **request.query, **(json.loads(body) if body else {})}
            return web.json_response(await handler(asked))

        return answer

    def _verify(self, request: web.Request, body: str) -> None:
        """Check key, signature, time and rights. Raises Complaint like Gate."""
        sent = request.headers.get("Timestamp", "")
        if request.headers.get("KEY") != self.credentials.key:
            raise Complaint("INVALID_KEY", "Invalid key provided", 401)
        digest = sha512(body.encode()).hexdigest()
        text = "\n".join((request.method, request.path, request.rel_url.query_string, digest, sent))
        expected = hmac.new(self.credentials.secret.encode(), text.encode(), sha512).hexdigest()
        if request.headers.get("SIGN") != expected:
            raise Complaint("INVALID_SIGNATURE", "Signature mismatch", 401)
        if abs(int(sent) * SECOND_MS - self.now_ms) > EXPIRED_MS * self.speed:
            raise Complaint(
                "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60", 403
            )
        if request.method != "GET" and not self.exchange.account.rights.trade:
            raise Complaint("READ_ONLY", "API key is read-only", 403)

    async def _detail(self, _: Params) -> Any:
        return {"user_id": 1, "ip_whitelist": [], "currency_pairs": [], "key": {"mode": 1}, "tier": 0}

    async def _fee(self, _: Params) -> Any:
        one = next(iter(self.exchange.instruments.values()))
        return {
            "user_id": 1,
            "taker_fee": "0.002",
            "maker_fee": "0.002",
            "gt_discount": False,
            "futures_taker_fee": plain(one.taker),
            "futures_maker_fee": plain(one.maker),
        }

    async def _account(self, _: Params) -> Any:
        """The total holds no unrealised profit."""
        cash, equity, free = self.exchange.account.cash, self.exchange.equity(), self.exchange.free()
        return {
            "total": plain(cash),
            "available": plain(free),
            "unrealised_pnl": plain(equity - cash),
            "position_margin": plain(cash - free),
            "order_margin": "0",
            "point": "0",
            "bonus": "0",
            "currency": self.quote,
            "in_dual_mode": self.exchange.account.rights.dual_side,
            "margin_mode": 0,
        }

    async def _account_book(self, params: Params) -> Any:
        """Newest first; there is no end but `to`."""
        kinds = {"funding": "fund", "fee": "fee", "pnl": "pnl"}
        rows = [
            one
            for one in reversed(self.exchange.account.income)
            if params.get("type") in (None, kinds[one.kind]) and self._asked(params, one.coin, one.ts_ms)
        ]
        return [self._booked(one, kinds[one.kind]) for one in rows[: self._limit(params)]]

    def _booked(self, one: Income, kind: str) -> dict[str, Any]:
        contract, at = self.contract(one.coin), one.ts_ms // SECOND_MS
        row = {"time": at, "change": plain(one.amount), "balance": plain(self.exchange.account.cash)}
        return row | {"text": contract, "contract": contract, "type": kind, "id": str(one.income_id)}

    def _asked(self, params: Params, coin: str, ts_ms: int) -> bool:
        """Tell whether a row is of the market and the whole seconds that were asked for."""
        until = int(params.get("to", self.now_ms // SECOND_MS))
        since = int(params.get("from", 0))
        return params.get("contract", self.contract(coin)) == self.contract(coin) and (
            since <= ts_ms // SECOND_MS <= until
        )

    def _limit(self, params: Params) -> int:
        limit = int(params.get("limit", PAGE))
        if not 1 <= limit <= MOST:
            raise Complaint("INVALID_PARAM_VALUE", "invalid argument: limit")
        return limit

    async def _positions(self, _: Params) -> Any:
        """Every market, also those in which nothing is held."""
        return [
            self._position(coin, self.exchange.account.position(coin)) for coin in self.exchange.instruments
        ]

    def _position(self, coin: str, held: Held) -> dict[str, Any]:
        chosen, mark = self.exchange.account.chosen(coin), self.exchange.mark(coin)
        side = "dual_long" if held.quantity >= 0 else "dual_short"
        return {
            "contract": self.contract(coin),
            "size": self.size(coin, held.quantity),
            "leverage": str(chosen.leverage) if chosen.isolated else "0",
            "cross_leverage_limit": "0" if chosen.isolated else str(chosen.leverage),
            "leverage_max": str(self.exchange.instruments[coin].max_leverage),
            "mode": side if self.exchange.account.rights.dual_side else "single",
            "value": plain(abs(held.quantity) * mark),
            "margin": plain(held.margin),
            "initial_margin": plain(held.margin),
            "maintenance_margin": plain(
                abs(held.quantity) * mark * self.exchange.instruments[coin].maintenance
            ),
            "entry_price": plain(held.entry),
            "mark_price": plain(mark),
            "liq_price": plain(self.exchange.liquidation(coin), 8),
            "unrealised_pnl": plain(self.exchange.unrealised(coin)),
            "realised_pnl": "0",
            "open_time": held.since_ms // SECOND_MS,
            "update_time": held.since_ms // SECOND_MS,
            "pending_orders": 0,
        }

    async def _leverage(self, params: Params) -> Any:
        """Leverage 0 means cross margin."""
        coin, leverage = self.coin(params["contract"]), int(params["leverage"])
        if leverage:
            self.exchange.set_leverage(coin, leverage)
        self.exchange.account.chosen(coin).isolated = leverage > 0
        return self._position(coin, self.exchange.account.position(coin))

    async def _place(self, params: Params) -> Any:
        coin, size, text = self.coin(params.get("contract")), Decimal(params["size"]), params.get("text", "")
        if text and not TEXT.match(text):
            raise Refusal(Reason.BAD_CLIENT_ID)
        if size != int(size):
            raise Refusal(Reason.QUANTITY_OFF_STEP)
        price = Decimal(params["price"])
        ticket = Ticket(
            coin,
            1 if size > 0 else -1,
            abs(size) * self.exchange.instruments[coin].contract,
            price if price else None,
            TIF[params.get("tif", "gtc")],
            bool(params.get("reduce_only")),
            text,
        )
        return self._told(self.exchange.place(ticket))

    async def _orders(self, params: Params) -> Any:
        """Newest first, a page of those that rest."""
        start, only = int(params.get("offset", 0)), params.get("contract")
        rows = [
            self._told(order)
            for order in reversed(self.exchange.account.alive())
            if only in (None, "", self.contract(order.ticket.coin))
        ]
        return rows[start : start + self._limit(params)]

    async def _order(self, params: Params) -> Any:
        return self._told(self._found(params["order_id"]))

    async def _cancel(self, params: Params) -> Any:
        order = self._found(params["order_id"])
        self.exchange.cancel(order)
        return self._told(order)

    def _found(self, named: str) -> Order:
        """Return an order by id, or by text while Gate remembers that. Raises Refusal."""
        order = self.exchange.find(named, named)
        ago_ms = self.now_ms - order.updated_ms
        by_text = not named.isdecimal()
        if order.status not in ALIVE and (
            (by_text and ago_ms > NAMED_MS) or (not order.filled and ago_ms > EMPTY_MS)
        ):
            raise Refusal(Reason.NO_SUCH_ORDER)
        return order

    def _told(self, order: Order) -> dict[str, Any]:
        ticket, one = order.ticket, self.exchange.instruments[order.ticket.coin]
        tif = next(name for name, kind in TIF.items() if kind == ticket.tif)
        row = {
            "id": order.order_id,
            "user": 1,
            "contract": self.contract(ticket.coin),
            "size": self.size(ticket.coin, ticket.sign * ticket.quantity),
            "left": self.size(ticket.coin, ticket.sign * order.remaining),
            "price": "0" if ticket.price is None else aligned(ticket.price, one),
            "fill_price": plain(order.average),
            "tif": tif,
            "text": self._text(ticket.client_id),
            "iceberg": 0,
            "is_reduce_only": ticket.reduce_only,
            "is_close": False,
            "is_liq": ticket.client_id.startswith(LIQUIDATED),
            "tkfr": plain(one.taker),
            "mkfr": plain(one.maker),
            "refu": 0,
            "refr": "0",
            "create_time": seconds(order.created_ms),
            "update_time": seconds(order.updated_ms),
            "status": "open",
        }
        if order.status in ALIVE:
            return row
        cut = "ioc" if ticket.tif == "IOC" else "cancelled"
        finish = "filled" if order.status is Status.FILLED else cut
        return row | {"status": "finished", "finish_as": finish, "finish_time": seconds(order.updated_ms)}

    @staticmethod
    def _text(client_id: str) -> str:
        """Return an order's text; closes of the exchange's own have words of their own."""
        if client_id.startswith(LIQUIDATED):
            return "liquidation"
        return "auto_deleveraging" if client_id == DELEVERAGED else client_id or "api"

    async def _trades(self, params: Params) -> Any:
        """Newest first."""
        rows = [
            self._trade(trade)
            for trade in reversed(list(self.faults.told(self.exchange.account.trades)))
            if self._asked(params, trade.coin, trade.ts_ms)
        ]
        return self.faults.mixed(rows[: self._limit(params)])

    def _trade(self, trade: Trade) -> dict[str, Any]:
        return {
            "trade_id": str(trade.trade_id),
            "create_time": seconds(trade.ts_ms),
            "contract": self.contract(trade.coin),
            "order_id": str(trade.order_id),
            "size": self.size(trade.coin, trade.sign * trade.quantity),
            "close_size": "0",
            "price": plain(trade.price),
            "role": "maker" if trade.maker else "taker",
            "text": self._text(trade.client_id),
            "fee": plain(trade.fee),
            "point_fee": "0",
        }
