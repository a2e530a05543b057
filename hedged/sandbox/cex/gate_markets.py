"""Gate API v4, perpetuals settled in USDT: the public half. Times in seconds, sizes in contracts."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from hedged.domain.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.cex.instruments import Instrument
from hedged.sandbox.cex.path import Path, candle
from hedged.sandbox.cex.protocol import Complaint, Protocol, aligned, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

BARS_MS = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
}
MOST_CANDLES = 2_000
PAST_RATES_MS = 90 * 24 * HOUR_MS
LABELS: dict[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_SYMBOL: ("CONTRACT_NOT_FOUND", "contract not found"),
    Reason.PRICE_OFF_TICK: ("INVALID_PARAM_VALUE", "invalid argument: price not multiple of tick"),
    Reason.QUANTITY_OFF_STEP: ("INVALID_PARAM_VALUE", "invalid argument: size"),
    Reason.QUANTITY_TOO_SMALL: ("SIZE_TOO_SMALL", "size too small"),
    Reason.NOTIONAL_TOO_SMALL: ("SIZE_TOO_SMALL", "size too small"),
    Reason.PRICE_OUT_OF_BAND: ("PRICE_TOO_DEVIATED", "order price deviates from the mark price"),
    Reason.NO_MARGIN: ("INSUFFICIENT_AVAILABLE", "available balance is not enough"),
    Reason.REDUCE_ONLY: ("INCREASE_POSITION", "reduce-only order would increase the position"),
    Reason.DUPLICATE_CLIENT_ID: ("REPEATED_CREATION", "text is used by an open order"),
    Reason.BAD_CLIENT_ID: ("INVALID_PARAM_VALUE", "invalid argument: text"),
    Reason.NO_SUCH_ORDER: ("ORDER_NOT_FOUND", "order not found"),
    Reason.ORDER_GONE: ("ORDER_FINISHED", "order is finished"),
    Reason.WOULD_TAKE: ("ORDER_POC_IMMEDIATE", "order would take"),
    Reason.NO_FILL: ("ORDER_FOK", "order cannot be filled at once"),
    Reason.BAD_LEVERAGE: ("LEVERAGE_TOO_HIGH", "leverage too high"),
    Reason.REDUCING_ALONE: ("CONTRACT_IN_DELISTING", "contract in delisting"),
    Reason.DELISTED: ("CONTRACT_NOT_FOUND", "contract not found"),
}


def seconds(ts_ms: int) -> float:
    """Write an instant as Gate does: seconds, with the milliseconds as decimals."""
    return ts_ms / SECOND_MS


class GateMarkets(Protocol):
    """contracts, funding_rate and what else is public."""

    hosts = ("api.gateio.ws",)
    order_path = "/api/v4/futures/usdt/orders"
    per_minute = 1_200

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the public paths."""
        router.add_get("/api/v4/spot/time", self._time)
        router.add_get("/api/v4/futures/btc/contracts", self._nothing)
        for path, handler in {
            "contracts": self._contracts,
            "order_book": self._book,
            "candlesticks": self._candles,
            "funding_rate": self._funding_rate,
            "contract_stats": self._stats,
        }.items():
            router.add_get(f"/api/v4/futures/usdt/{path}", handler)

    def complain(self, complaint: Complaint) -> web.Response:
        """Word a complaint."""
        body = {"label": complaint.code, "message": complaint.message}
        return web.json_response(body, status=complaint.status)

    def of_refusal(self, refusal: Refusal) -> Complaint:
        """Translate a reason."""
        label, message = LABELS.get(refusal.reason, ("INTERNAL", "internal error"))
        return Complaint(label, message)

    def of_fault(self, fault: Fault) -> Complaint:
        """Word what the exchange says of itself."""
        if fault is Fault.MAINTENANCE:
            return Complaint("SERVER_ERROR", "service is under maintenance", 503)
        return Complaint("TOO_MANY_REQUESTS", "Request Rate limit Exceeded", 429)

    def coin(self, contract: str | None) -> str:
        """Return the coin of a contract. Raises Refusal."""
        coin = (contract or "").removesuffix(f"_{self.quote}")
        if coin not in self.exchange.instruments:
            raise Refusal(Reason.UNKNOWN_SYMBOL)
        return coin

    def contract(self, coin: str) -> str:
        """Return Gate's name of a market."""
        return f"{coin}_{self.quote}"

    def size(self, coin: str, coins: Decimal) -> str:
        """Write coins as contracts; with the header that ccxt sends, sizes are texts."""
        return plain(coins / self.exchange.instruments[coin].contract)

    async def _time(self, _: web.Request) -> web.Response:
        return web.json_response({"server_time": self.now_ms})

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.json_response([])

    async def _contracts(self, _: web.Request) -> web.Response:
        return web.json_response([self._listing(one) for one in self.exchange.listed.values()])

    def _listing(self, one: Instrument) -> dict[str, Any]:
        path, now_ms = self.exchange.paths[one.coin], self.exchange.now_ms
        rate = plain(path.estimate(now_ms))
        return {
            "name": self.contract(one.coin),
            "type": "direct",
            "quanto_multiplier": plain(one.contract),
            "mark_type": "index",
            "mark_price": plain(path.mark(now_ms)),
            "index_price": plain(path.index(now_ms)),
            "last_price": plain(path.mark(now_ms)),
            "funding_rate": rate,
            "funding_rate_indicative": rate,
            "funding_interval": path.interval_h(now_ms) * HOUR_MS // SECOND_MS,
            "funding_next_apply": path.next_settlement_ms(now_ms) // SECOND_MS,
            "funding_rate_limit": "0.02",
            "interest_rate": "0.0003",
            "maintenance_rate": plain(one.maintenance),
            "leverage_min": "1",
            "leverage_max": str(one.max_leverage),
            "order_price_round": plain(one.tick),
            "mark_price_round": plain(one.tick / 100),
            "order_price_deviate": "0.1",
            "order_size_min": plain(one.step / one.contract),
            "order_size_max": 1_000_000,
            "enable_decimal": False,
            "in_delisting": one.coin in self.exchange.ends,
            "status": "trading",
            "taker_fee_rate": "0.00075",
            "maker_fee_rate": "-0.0001",
            "position_size": self.size(one.coin, path.open_interest(now_ms)),
            "create_time": 1_573_557_408,
        }

    async def _book(self, request: web.Request) -> web.Response:
        coin, limit = self.coin(request.query.get("contract")), min(int(request.query.get("limit", 10)), 300)
        one = self.exchange.instruments[coin]
        bids, asks = (
            [{"p": aligned(price, one), "s": self.size(coin, coins)} for price, coins in side[:limit]]
            for side in self.exchange.book(coin)
        )
        now = seconds(self.now_ms)
        return web.json_response({"id": 1, "current": now, "update": now, "asks": asks, "bids": bids})

    async def _funding_rate(self, request: web.Request) -> web.Response:
        """Newest first, also from a start on: of too many the latest are told."""
        query, now_ms = request.query, self.exchange.now_ms
        coin, limit = self.coin(query.get("contract")), min(int(query.get("limit", 100)), 1_000)
        until_ms = min(int(query.get("to", now_ms // SECOND_MS)) * SECOND_MS, now_ms)
        since_ms = int(query.get("from", (until_ms - PAST_RATES_MS) // SECOND_MS)) * SECOND_MS
        rows = self.exchange.paths[coin].prints(since_ms - 1, until_ms)[::-1][:limit]
        return web.json_response([{"t": one.ts_ms // SECOND_MS, "r": plain(one.rate)} for one in rows])

    async def _stats(self, request: web.Request) -> web.Response:
        """Open interest by the bar, the present first where no start is asked for."""
        query, now_ms = request.query, self.exchange.now_ms
        coin, limit = self.coin(query.get("contract")), min(int(query.get("limit", 30)), 100)
        bar_ms, path = BARS_MS[query.get("interval", "5m")], self.exchange.paths[coin]
        newest_ms = now_ms // bar_ms * bar_ms
        first_ms = int(query.get("from", (newest_ms - (limit - 1) * bar_ms) // SECOND_MS)) * SECOND_MS
        rows = []
        for ts_ms in range(-(-first_ms // bar_ms) * bar_ms, newest_ms + 1, bar_ms)[:limit]:
            coins = path.open_interest(ts_ms)
            usd = plain(coins * path.mark(ts_ms))
            rows.append(
                {
                    "time": ts_ms // SECOND_MS,
                    "open_interest": self.size(coin, coins),
                    "open_interest_usd": usd,
                }
            )
        return web.json_response(rows)

    async def _candles(self, request: web.Request) -> web.Response:
        """Oldest first; `mark_` or `index_` before the contract's name chooses the price."""
        query, now_ms = request.query, self.exchange.now_ms
        kind, _, rest = query.get("contract", "").partition("_")
        value: Callable[[Path, int], Decimal] = Path.index if kind == "index" else Path.mark
        path = self.exchange.paths[self.coin(rest if kind in ("mark", "index") else query.get("contract"))]
        bar_ms, limit = BARS_MS[query.get("interval", "5m")], int(query.get("limit", 100))
        if "limit" in query and ("from" in query or "to" in query):
            raise Complaint("INVALID_PARAM_VALUE", "limit conflicts with from and to")
        until_ms = min(int(query.get("to", now_ms // SECOND_MS)) * SECOND_MS, now_ms)
        first_ms = int(query.get("from", (until_ms - (limit - 1) * bar_ms) // SECOND_MS)) * SECOND_MS
        opens = range(-(-first_ms // bar_ms) * bar_ms, until_ms + 1, bar_ms)
        if len(opens) > MOST_CANDLES:
            raise Complaint("INVALID_PARAM_VALUE", "too many points")
        rows = []
        for open_ms in opens:
            first, high, low, last = candle(lambda ts_ms: value(path, ts_ms), open_ms, bar_ms, now_ms)
            prices = {"o": plain(first), "h": plain(high), "l": plain(low), "c": plain(last)}
            rows.append({"t": open_ms // SECOND_MS, **prices})
        return web.json_response(rows)
