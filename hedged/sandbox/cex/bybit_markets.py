"""Bybit v5, the public half: market paths of the linear category."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.sandbox.cex.faults import Fault
from hedged.sandbox.cex.instruments import Instrument
from hedged.sandbox.cex.path import Path, candle
from hedged.sandbox.cex.protocol import CoinFirst, Complaint, aligned, places, plain
from hedged.sandbox.cex.refusals import Reason, Refusal

PARAMETERS = 10_001
BARS_MS: Mapping[str, int] = {
    "1": MINUTE_MS,
    "5": 5 * MINUTE_MS,
    "15": 15 * MINUTE_MS,
    "60": HOUR_MS,
    "240": 4 * HOUR_MS,
}
INTEREST_MS: Mapping[str, int] = {
    "5min": 5 * MINUTE_MS,
    "15min": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
}

CODES: Mapping[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (PARAMETERS, "params error: symbol invalid"),
    Reason.PRICE_OFF_TICK: (PARAMETERS, "params error: price invalid"),
    Reason.QUANTITY_OFF_STEP: (PARAMETERS, "Qty invalid"),
    Reason.QUANTITY_TOO_SMALL: (PARAMETERS, "The number of contracts exceeds minimum limit allowed"),
    Reason.NOTIONAL_TOO_SMALL: (110_094, "Order does not meet minimum order value 5USDT"),
    Reason.PRICE_OUT_OF_BAND: (110_003, "Order price exceeds the allowable range."),
    Reason.NO_MARGIN: (110_007, "ab not enough for new order"),
    Reason.REDUCE_ONLY: (110_017, "current position is zero, cannot fix reduce-only order qty"),
    Reason.DUPLICATE_CLIENT_ID: (110_072, "OrderLinkedID is duplicate"),
    Reason.BAD_CLIENT_ID: (PARAMETERS, "params error: orderLinkId invalid"),
    Reason.NO_SUCH_ORDER: (110_001, "order not exists or too late to cancel"),
    Reason.ORDER_GONE: (110_001, "order not exists or too late to cancel"),
    Reason.BAD_LEVERAGE: (110_013, "cannot set leverage [{}] gt maxLeverage by risk limit"),
    Reason.LEVERAGE_UNCHANGED: (110_043, "leverage not modified"),
    Reason.REDUCING_ALONE: (
        110_023,
        "This contract only supports position reduction operation, please contact customer service for details",
    ),
    Reason.DELISTED: (110_074, "This contract is not live"),
    Reason.WRONG_SIDE: (PARAMETERS, "position idx not match position mode"),
}


class BybitMarkets(CoinFirst):
    """instruments-info, tickers and what else is public."""

    hosts = ("api.bybit.com",)
    order_path = "/v5/order/create"
    per_minute = 6_000

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the public paths."""
        for path, handler in {
            "/v5/market/time": self._time,
            "/v5/market/instruments-info": self._instruments,
            "/v5/market/tickers": self._tickers,
            "/v5/market/funding/history": self._funding_history,
            "/v5/market/open-interest": self._open_interest,
            "/v5/market/orderbook": self._orderbook,
            "/v5/market/mark-price-kline": self._klines(Path.mark),
            "/v5/market/index-price-kline": self._klines(Path.index),
            "/v5/market/premium-index-price-kline": self._klines(Path.premium_exact),
        }.items():
            router.add_get(path, handler)

    def answer(self, result: Any, code: int = 0, message: str = "OK", status: int = 200) -> web.Response:
        """Wrap a result as Bybit does: errors come with status 200 too."""
        body = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": self.now_ms}
        return web.json_response(body, status=status)

    def complain(self, complaint: Complaint) -> web.Response:
        """Word a complaint."""
        if complaint.status != 200:
            return web.Response(status=complaint.status, text=complaint.message)
        return self.answer({}, int(complaint.code), complaint.message)

    def of_refusal(self, refusal: Refusal) -> Complaint:
        """Translate a reason."""
        return Complaint(*CODES.get(refusal.reason, (10_016, "Server error.")), 200)

    def of_fault(self, fault: Fault) -> Complaint:
        """Word what the exchange says of itself."""
        if fault is Fault.MAINTENANCE:
            return Complaint(10_016, "Server error.", 200)
        if fault is Fault.BANNED:
            return Complaint(0, "403, access too frequent", 403)
        return Complaint(10_006, "Too many visits. Exceeded the API Rate Limit.", 200)

    async def _time(self, _: web.Request) -> web.Response:
        return self.answer(
            {"timeSecond": str(self.now_ms // 1_000), "timeNano": str(self.now_ms * 1_000_000)}
        )

    async def _instruments(self, request: web.Request) -> web.Response:
        query = request.query
        category = query.get("category", "")
        there = category == "linear" and query.get("status") != "PreLaunch"
        rows = [self._listing(one) for one in self.exchange.listed.values()] if there else []
        return self.answer({"category": category, "list": rows, "nextPageCursor": ""})

    def _listing(self, one: Instrument) -> dict[str, Any]:
        return {
            "symbol": self.symbol(one.coin),
            "contractType": "LinearPerpetual",
            "status": "Trading",
            "baseCoin": one.coin,
            "quoteCoin": one.quote,
            "settleCoin": one.quote,
            "launchTime": "1585526400000",
            "deliveryTime": str(self.exchange.ends.get(one.coin, 0)),
            "deliveryFeeRate": "",
            "priceScale": str(places(one.tick)),
            "leverageFilter": {
                "minLeverage": "1",
                "maxLeverage": f"{one.max_leverage}.00",
                "leverageStep": "0.01",
            },
            "priceFilter": {
                "minPrice": plain(one.tick),
                "maxPrice": "1999999.80",
                "tickSize": plain(one.tick),
            },
            "lotSizeFilter": {
                "maxOrderQty": "1190.000",
                "minOrderQty": plain(one.step),
                "qtyStep": plain(one.step),
                "postOnlyMaxOrderQty": "1190.000",
                "maxMktOrderQty": "119.000",
                "minNotionalValue": plain(one.min_notional),
            },
            "unifiedMarginTrade": True,
            "fundingInterval": 60 * self.exchange.paths[one.coin].interval_h(self.exchange.now_ms),
            "copyTrading": "both",
            "upperFundingRate": "0.02",
            "lowerFundingRate": "-0.02",
        }

    async def _tickers(self, request: web.Request) -> web.Response:
        asked = request.query.get("symbol")
        coins = [self.coin(asked)] if asked else list(self.exchange.listed)
        return self.answer({"category": "linear", "list": [self._ticker(coin) for coin in coins]})

    def _ticker(self, coin: str) -> dict[str, Any]:
        path, now_ms, one = self.exchange.paths[coin], self.exchange.now_ms, self.exchange.instruments[coin]
        bids, asks = self.exchange.book(coin)
        interest = path.open_interest(now_ms)
        return {
            "symbol": self.symbol(coin),
            "lastPrice": aligned(bids[0][0], one),
            "indexPrice": aligned(path.index(now_ms), one),
            "markPrice": plain(path.mark(now_ms)),
            "prevPrice24h": aligned(bids[0][0], one),
            "price24hPcnt": "0",
            "openInterest": plain(interest),
            "openInterestValue": plain(interest * path.mark(now_ms), 4),
            "turnover24h": "4686694853.0470",
            "volume24h": "243730.2520",
            "fundingRate": plain(path.estimate(now_ms)),
            "nextFundingTime": str(path.next_settlement_ms(now_ms)),
            "fundingIntervalHour": str(path.interval_h(now_ms)),
            "ask1Size": plain(asks[0][1]),
            "bid1Price": aligned(bids[0][0], one),
            "ask1Price": aligned(asks[0][0], one),
            "bid1Size": plain(bids[0][1]),
        }

    async def _funding_history(self, request: web.Request) -> web.Response:
        """Newest first; a start without an end is refused, as Bybit does."""
        query, now_ms = request.query, self.exchange.now_ms
        if "startTime" in query and "endTime" not in query:
            raise Complaint(PARAMETERS, "params error: endTime missing", 200)
        coin, limit = self.coin(query.get("symbol")), min(int(query.get("limit", 200)), 200)
        until_ms = min(int(query.get("endTime", now_ms)), now_ms)
        since_ms = int(query.get("startTime", until_ms - 200 * 8 * HOUR_MS)) - 1
        rows = self.exchange.paths[coin].prints(since_ms, until_ms)[::-1][:limit]
        return self.answer(
            {
                "category": "linear",
                "list": [
                    {
                        "symbol": self.symbol(coin),
                        "fundingRate": plain(one.rate),
                        "fundingRateTimestamp": str(one.ts_ms),
                    }
                    for one in rows
                ],
            }
        )

    async def _open_interest(self, request: web.Request) -> web.Response:
        query, now_ms = request.query, self.exchange.now_ms
        coin, bar_ms = self.coin(query.get("symbol")), INTEREST_MS[query["intervalTime"]]
        limit = min(int(query.get("limit", 50)), 200)
        newest_ms = min(int(query.get("endTime", now_ms)), now_ms) // bar_ms * bar_ms
        times = [newest_ms - n * bar_ms for n in range(limit)]
        times = [ts_ms for ts_ms in times if ts_ms >= int(query.get("startTime", 0))]
        path = self.exchange.paths[coin]
        rows = [{"openInterest": plain(path.open_interest(ts)), "timestamp": str(ts)} for ts in times]
        return self.answer(
            {"symbol": self.symbol(coin), "category": "linear", "list": rows, "nextPageCursor": ""}
        )

    async def _orderbook(self, request: web.Request) -> web.Response:
        coin = self.coin(request.query.get("symbol"))
        one, limit = self.exchange.instruments[coin], min(int(request.query.get("limit", 25)), 500)
        bids, asks = (
            [[aligned(price, one), plain(coins)] for price, coins in side[:limit]]
            for side in self.exchange.book(coin)
        )
        now_ms = self.now_ms
        told = {
            "s": self.symbol(coin),
            "b": bids,
            "a": asks,
            "ts": now_ms,
            "u": now_ms,
            "seq": now_ms,
            "cts": now_ms,
        }
        return self.answer(told)

    def _klines(self, value: Callable[[Path, int], Decimal]) -> Any:
        async def answer(request: web.Request) -> web.Response:
            query, now_ms = request.query, self.exchange.now_ms
            path = self.exchange.paths[self.coin(query.get("symbol"))]
            bar_ms, limit = BARS_MS[query["interval"]], min(int(query.get("limit", 200)), 1_000)
            until_ms = min(int(query.get("end", now_ms)), now_ms)
            first_ms = int(query.get("start", until_ms - (limit - 1) * bar_ms))
            opens = range(-(-first_ms // bar_ms) * bar_ms, until_ms + 1, bar_ms)[:limit]
            rows = [
                [str(ts), *map(plain, candle(lambda at: value(path, at), ts, bar_ms, now_ms))]
                for ts in reversed(opens)
            ]
            return self.answer({"symbol": query["symbol"], "category": "linear", "list": rows})

        return answer
