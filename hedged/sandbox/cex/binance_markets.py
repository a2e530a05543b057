"""Binance USD-M, the public half: fapi paths that need no key."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.cex.instruments import Instrument
from hedged.sandbox.cex.path import Path, candle
from hedged.sandbox.cex.protocol import CoinFirst, Complaint, aligned, places, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

INTEREST_REACH_MS = 30 * DAY_MS
PERPETUAL_DELIVERY_MS = 4_133_404_800_000
BARS_MS: Mapping[str, int] = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "8h": 8 * HOUR_MS,
}
ORDER_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"]

CODES: Mapping[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Reason.PRICE_OFF_TICK: (-4014, "Price not increased by tick size."),
    Reason.QUANTITY_OFF_STEP: (-1111, "Precision is over the maximum defined for this asset."),
    Reason.QUANTITY_TOO_SMALL: (-4003, "Quantity less than or equal to zero."),
    Reason.NOTIONAL_TOO_SMALL: (
        -4164,
        "Order's notional must be no smaller than 5 (unless you choose reduce only).",
    ),
    Reason.PRICE_OUT_OF_BAND: (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    ),
    Reason.NO_MARGIN: (-2019, "Margin is insufficient."),
    Reason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Reason.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Reason.BAD_CLIENT_ID: (-4015, "Client order id is not valid."),
    Reason.NO_SUCH_ORDER: (-2013, "Order does not exist."),
    Reason.ORDER_GONE: (-2011, "Unknown order sent."),
    Reason.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    ),
    Reason.NO_FILL: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected.",
    ),
    Reason.BAD_LEVERAGE: (-4028, "Leverage 0 is not valid"),
    Reason.MARGIN_MODE_UNCHANGED: (-4046, "No need to change margin type."),
    Reason.POSITION_HELD: (-4048, "Margin type cannot be changed if there exists position."),
    Reason.REDUCING_ALONE: (-4140, "Invalid symbol status for opening position."),
    Reason.DELISTED: (-4141, "Symbol is closed."),
    Reason.WRONG_SIDE: (-4061, "Order's position side does not match user's setting."),
}


class BinanceMarkets(CoinFirst):
    """exchangeInfo, premiumIndex and what else is public."""

    hosts = ("fapi.binance.com", "api.binance.com")
    order_path = "/fapi/v1/order"
    per_minute = 2_400

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the public paths."""
        for path, handler in {
            "/fapi/v1/ping": self._ping,
            "/fapi/v1/time": self._time,
            "/fapi/v1/exchangeInfo": self._exchange_info,
            "/fapi/v1/premiumIndex": self._premium_index,
            "/fapi/v1/fundingInfo": self._funding_info,
            "/fapi/v1/fundingRate": self._funding_rate,
            "/fapi/v1/openInterest": self._open_interest,
            "/futures/data/openInterestHist": self._past_interest,
            "/fapi/v1/depth": self._depth,
            "/fapi/v1/markPriceKlines": self._klines(Path.mark),
            "/fapi/v1/indexPriceKlines": self._klines(Path.index),
            "/fapi/v1/premiumIndexKlines": self._klines(Path.premium_exact),
        }.items():
            router.add_get(path, handler)

    def headers(self) -> dict[str, str]:
        """Return the weight used, as Binance counts it on every answer."""
        return {"X-MBX-USED-WEIGHT-1M": str(self.budget.used)}

    def complain(self, complaint: Complaint) -> web.Response:
        """Word a complaint."""
        headers = {"Retry-After": "30"} if complaint.status in (418, 429) else None
        body = {"code": complaint.code, "msg": complaint.message}
        return web.json_response(body, status=complaint.status, headers=headers)

    def of_refusal(self, refusal: Refusal) -> Complaint:
        """Translate a reason."""
        code, message = CODES.get(
            refusal.reason, (-1000, "An unknown error occurred while processing the request.")
        )
        return Complaint(code, message)

    def of_fault(self, fault: Fault) -> Complaint:
        """Word what the exchange says of itself."""
        if fault is Fault.MAINTENANCE:
            return Complaint(0, "System is under maintenance.", 503)
        banned = fault is Fault.BANNED
        return Complaint(
            -1003, "Too many requests; current limit is 2400 requests per minute.", 418 if banned else 429
        )

    async def _ping(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _time(self, _: web.Request) -> web.Response:
        return web.json_response({"serverTime": self.now_ms})

    async def _exchange_info(self, _: web.Request) -> web.Response:
        weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        return web.json_response(
            {
                "timezone": "UTC",
                "serverTime": self.now_ms,
                "futuresType": "U_MARGINED",
                "rateLimits": [weight | {"limit": self.per_minute}],
                "exchangeFilters": [],
                "assets": [{"asset": self.quote, "marginAvailable": True, "autoAssetExchange": "-10000"}],
                "symbols": [self._listing(one) for one in self.exchange.instruments.values()],
            }
        )

    def _listing(self, one: Instrument) -> dict[str, Any]:
        lot = {"stepSize": plain(one.step), "minQty": plain(one.step), "maxQty": "1000000"}
        return {
            "symbol": self.symbol(one.coin),
            "pair": self.symbol(one.coin),
            "contractType": "PERPETUAL",
            "deliveryDate": self.exchange.ends.get(one.coin, PERPETUAL_DELIVERY_MS),
            "onboardDate": 1_569_398_400_000,
            "status": "SETTLING" if self.exchange.delisted(one.coin) else "TRADING",
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": one.coin,
            "quoteAsset": one.quote,
            "marginAsset": one.quote,
            "pricePrecision": places(one.tick),
            "quantityPrecision": places(one.step),
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012500",
            "marketTakeBound": "0.05",
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": plain(one.tick),
                    "maxPrice": "4529764",
                    "tickSize": plain(one.tick),
                },
                {"filterType": "LOT_SIZE", **lot},
                {"filterType": "MARKET_LOT_SIZE", **lot},
                {"filterType": "MAX_NUM_ORDERS", "limit": 200},
                {"filterType": "MIN_NOTIONAL", "notional": plain(one.min_notional)},
                {
                    "filterType": "PERCENT_PRICE",
                    "multiplierUp": "1.1000",
                    "multiplierDown": "0.9000",
                    "multiplierDecimal": "4",
                },
            ],
            "orderTypes": ORDER_TYPES,
            "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        }

    async def _premium_index(self, request: web.Request) -> web.Response:
        if "symbol" in request.query:
            return web.json_response(self._premium(self.coin(request.query["symbol"])))
        return web.json_response([self._premium(coin) for coin in self.exchange.listed])

    def _premium(self, coin: str) -> dict[str, Any]:
        path, now_ms = self.exchange.paths[coin], self.exchange.now_ms
        return {
            "symbol": self.symbol(coin),
            "markPrice": plain(path.mark(now_ms), 8),
            "indexPrice": plain(path.index(now_ms), 8),
            "estimatedSettlePrice": plain(path.index(now_ms), 8),
            "lastFundingRate": plain(path.estimate(now_ms), 8),
            "interestRate": "0.00010000",
            "nextFundingTime": path.next_settlement_ms(now_ms),
            "time": now_ms,
        }

    async def _funding_info(self, _: web.Request) -> web.Response:
        """List the markets whose interval is not the usual 8 hours, and only them, as Binance does."""
        now_ms = self.exchange.now_ms
        hours = {
            coin: path.interval_h(now_ms)
            for coin, path in self.exchange.paths.items()
            if not self.exchange.delisted(coin)
        }
        return web.json_response(
            [
                {
                    "symbol": self.symbol(coin),
                    "adjustedFundingRateCap": "0.02000000",
                    "adjustedFundingRateFloor": "-0.02000000",
                    "fundingIntervalHours": interval_h,
                    "disclaimer": False,
                }
                for coin, interval_h in hours.items()
                if interval_h != 8
            ]
        )

    async def _funding_rate(self, request: web.Request) -> web.Response:
        query, now_ms = request.query, self.exchange.now_ms
        coins = [self.coin(query["symbol"])] if "symbol" in query else list(self.exchange.instruments)
        limit = min(int(query.get("limit", 100)), 1_000)
        since_ms = int(query.get("startTime", now_ms - 30 * 24 * HOUR_MS)) - 1
        until_ms = min(int(query.get("endTime", now_ms)), now_ms)
        rows = [
            {
                "symbol": self.symbol(coin),
                "fundingTime": one.ts_ms,
                "fundingRate": plain(one.rate, 8),
                "markPrice": plain(one.mark, 8),
            }
            for coin in coins
            for one in self.exchange.paths[coin].prints(since_ms, until_ms)
        ]
        # with a start the oldest rows come, without one the latest
        chosen = rows[:limit] if "startTime" in query else rows[-limit:]
        return web.json_response(chosen)

    async def _open_interest(self, request: web.Request) -> web.Response:
        coin, now_ms = self.coin(request.query.get("symbol")), self.exchange.now_ms
        interest = plain(self.exchange.paths[coin].open_interest(now_ms))
        return web.json_response({"symbol": self.symbol(coin), "openInterest": interest, "time": now_ms})

    async def _past_interest(self, request: web.Request) -> web.Response:
        query, now_ms = request.query, self.exchange.now_ms
        coin, limit = self.coin(query.get("symbol")), min(int(query.get("limit", 30)), 500)
        until_ms = min(int(query.get("endTime", now_ms)), now_ms)
        first_ms = int(query.get("startTime", until_ms - limit * HOUR_MS))
        if query["period"] != "1h" or first_ms < now_ms - INTEREST_REACH_MS:
            complaint = Complaint(-1130, "parameter 'startTime' is invalid.", 400)
            return self.complain(complaint)
        hours = range(-(-first_ms // HOUR_MS) * HOUR_MS, until_ms + 1, HOUR_MS)[:limit]
        path = self.exchange.paths[coin]
        rows = [
            {
                "symbol": self.symbol(coin),
                "sumOpenInterest": plain(path.open_interest(ts_ms)),
                "sumOpenInterestValue": plain(path.open_interest(ts_ms) * path.mark(ts_ms)),
                "timestamp": ts_ms,
            }
            for ts_ms in hours
        ]
        return web.json_response(rows)

    async def _depth(self, request: web.Request) -> web.Response:
        coin, now_ms = self.coin(request.query.get("symbol")), self.exchange.now_ms
        limit, one = int(request.query.get("limit", 500)), self.exchange.instruments[coin]
        bids, asks = (
            [[aligned(price, one), plain(coins, places(one.step))] for price, coins in side[:limit]]
            for side in self.exchange.book(coin)
        )
        return web.json_response(
            {"lastUpdateId": now_ms, "E": now_ms, "T": now_ms, "bids": bids, "asks": asks}
        )

    def _klines(self, value: Callable[[Path, int], Decimal]) -> Any:
        async def answer(request: web.Request) -> web.Response:
            query, now_ms = request.query, self.exchange.now_ms
            path = self.exchange.paths[self.coin(query.get("symbol") or query.get("pair"))]
            bar_ms = BARS_MS.get(query.get("interval", ""))
            if bar_ms is None:
                raise Complaint(-1120, "Invalid interval.")
            limit = min(int(query.get("limit", 500)), 1_500)
            until_ms = min(int(query.get("endTime", now_ms)), now_ms)
            first_ms = int(query.get("startTime", until_ms - (limit - 1) * bar_ms))
            start_ms = -(-first_ms // bar_ms) * bar_ms
            rows: list[list[Any]] = []
            for open_ms in range(start_ms, until_ms + 1, bar_ms)[:limit]:
                prices = candle(lambda ts_ms: value(path, ts_ms), open_ms, bar_ms, now_ms)
                told = [plain(price, 8) for price in prices]
                rows.append([open_ms, *told, "0", open_ms + bar_ms - 1, "0", 60, "0", "0", "0"])
            return web.json_response(rows)

        return answer
