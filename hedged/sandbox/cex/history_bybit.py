"""Bybit's linear history: newest first up to the end; errors come with HTTP 200, a start alone is one for funding."""

from itertools import islice
from typing import Any

from aiohttp import web

from hedged.domain.clock import HOUR_MS
from hedged.sandbox.cex.history import (
    FAR_MS,
    Answer,
    Budget,
    Past,
    Remembered,
    VenuePast,
    candle,
    complaint,
    integer,
    interest,
    premium,
    rate,
)

VENUE = "bybit"


class BybitPast(VenuePast):
    """api.bybit.com."""

    host = "api.bybit.com"

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._budget = Budget(600, 5)

    def endpoints(self) -> dict[str, Answer]:
        """Return what answers each path."""
        return {
            "/v5/market/instruments-info": self._listing,
            "/v5/market/funding/history": self._prints,
            "/v5/market/kline": self._klines,
            "/v5/market/premium-index-price-kline": self._premiums,
            "/v5/market/open-interest": self._interests,
        }

    def _told(self, **result: Any) -> Any:
        now_ms = self.past.now_ms()
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}

    def _listing(self, request: web.Request) -> Any:
        """A market a page, as if there were thousands."""
        self._budget.spend()
        at = integer(request, "cursor", 0)
        rows = [
            {
                "symbol": f"{m.symbol}USDT", "contractType": "LinearPerpetual", "baseCoin": m.symbol,
                "quoteCoin": "USDT", "launchTime": str(m.listed_ms), "fundingInterval": m.intervals[-1][1] * 60,
            }
            for m in self.past.markets[at : at + 1]
        ]  # fmt: skip
        following = str(at + 1) if at + 1 < len(self.past.markets) else ""
        return self._told(category="linear", list=rows, nextPageCursor=following)

    def _prints(self, request: web.Request) -> Any:
        if "startTime" in request.query and "endTime" not in request.query:
            raise complaint({"retCode": 10001, "retMsg": "EndTime is required", "result": {}}, 200)
        market, start, end, size = self._asked(request, "startTime", "endTime", 200, 200)
        instants = self.past.settlements(market, start, end, newest_first=True)
        rows = [
            {"fundingRate": rate(VENUE, market.symbol, ts), "fundingRateTimestamp": str(ts)}
            for ts in islice(instants, size)
        ]
        return self._told(category="linear", list=rows)

    def _klines(self, request: web.Request) -> Any:
        market, hours = self._hours(request, "start", "end", 1_000)
        rows = [[str(ts), *candle(VENUE, market.symbol, ts), "0"] for ts in hours]
        return self._told(category="linear", list=rows)

    def _premiums(self, request: web.Request) -> Any:
        market, hours = self._hours(request, "start", "end", 1_000)
        rows = [[str(ts), *[premium(VENUE, market.symbol, ts + HOUR_MS)] * 4] for ts in hours]
        return self._told(category="linear", list=rows)

    def _interests(self, request: web.Request) -> Any:
        market, hours = self._hours(request, "startTime", "endTime", 200)
        rows = [
            {"openInterest": f"{interest(VENUE, market.symbol, ts):.8f}", "timestamp": str(ts)}
            for ts in hours
        ]
        return self._told(list=rows, nextPageCursor="lastid%3D1")

    def _hours(self, request: web.Request, start: str, end: str, most: int) -> tuple[Remembered, range]:
        market, from_ms, to_ms, size = self._asked(request, start, end, 200, most)
        return market, self.past.hours(market, from_ms, to_ms)[::-1][:size]

    def _asked(
        self, request: web.Request, start: str, end: str, limit: int, most: int
    ) -> tuple[Remembered, int, int, int]:
        self._budget.spend()
        market = self.past.market(request.query.get("symbol", "").removesuffix("USDT"))
        if market is None or request.query.get("category") != "linear":
            raise complaint({"retCode": 10001, "retMsg": "Not supported symbols", "result": {}}, 200)
        size = min(integer(request, "limit", limit), most)
        return market, integer(request, start, 0), integer(request, end, FAR_MS), self.size(size)
