"""Binance's USDⓈ-M history: oldest first from startTime, without one the latest; settlements stamped some ms late."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from aiohttp import web

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.sandbox.cex.history import (
    FAR_MS,
    Answer,
    Budget,
    Past,
    Remembered,
    VenuePast,
    candle,
    chance,
    complaint,
    integer,
    interest,
    premium,
    price,
    rate,
)

VENUE = "binance"
LATE_MS = 9


class BinancePast(VenuePast):
    """fapi.binance.com."""

    host = "fapi.binance.com"

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._weight, self._funding, self._statistics = (
            Budget(2_400, 60),
            Budget(500, 300),
            Budget(1_000, 300),
        )

    def endpoints(self) -> dict[str, Answer]:
        """Return what answers each path."""
        return {
            "/fapi/v1/exchangeInfo": self._listing,
            "/fapi/v1/fundingInfo": self._info,
            "/fapi/v1/fundingRate": self._prints,
            "/fapi/v1/klines": self._klines,
            "/fapi/v1/premiumIndexKlines": self._premiums,
            "/futures/data/openInterestHist": self._interests,
        }

    def _listing(self, _: web.Request) -> Any:
        self._weight.spend()
        rows = [
            {
                "symbol": f"{m.symbol}USDT", "baseAsset": m.symbol, "quoteAsset": "USDT",
                "contractType": "PERPETUAL", "onboardDate": m.listed_ms,
            }
            for m in self.past.markets
        ]  # fmt: skip
        dated = {**rows[0], "symbol": f"{rows[0]['symbol']}_260327", "contractType": "CURRENT_QUARTER"}
        return {"symbols": [*rows, dated]}

    def _info(self, _: web.Request) -> Any:
        """Those alone whose interval was adjusted."""
        self._funding.spend()
        adjusted = [m for m in self.past.markets if m.intervals[-1][1] != 8]
        return [{"symbol": f"{m.symbol}USDT", "fundingIntervalHours": m.intervals[-1][1]} for m in adjusted]

    def _prints(self, request: web.Request) -> Any:
        self._funding.spend()
        market, start, end, size = self._asked(request, 100, 1_000)
        stamped = (
            (ts, ts + int(LATE_MS * chance(ts))) for ts in self.past.settlements(market, start - LATE_MS, end)
        )
        return [
            {
                "symbol": f"{market.symbol}USDT", "fundingTime": stamp, "fundingRate": rate(VENUE, market.symbol, ts),
                "markPrice": f"{price(VENUE, market.symbol, ts):.8f}",
            }
            for ts, stamp in islice(((ts, at) for ts, at in stamped if start <= at <= end), size)
        ]  # fmt: skip

    def _klines(self, request: web.Request) -> Any:
        market, hours = self._hours(request)
        return [self._row(ts, candle(VENUE, market.symbol, ts)) for ts in hours]

    def _premiums(self, request: web.Request) -> Any:
        market, hours = self._hours(request)
        return [self._row(ts, [*[premium(VENUE, market.symbol, ts + HOUR_MS)] * 4, "0"]) for ts in hours]

    def _hours(self, request: web.Request) -> tuple[Remembered, range]:
        market, start, end, size = self._asked(request, 500, 1_500)
        limit = integer(request, "limit", 500)
        self._weight.spend(10 if limit > 1_000 else 5 if limit >= 500 else 2 if limit >= 100 else 1)
        hours = self.past.hours(market, start, end)
        return market, hours[:size] if "startTime" in request.query else hours[-size:]

    @staticmethod
    def _row(ts: int, told: Sequence[str]) -> list[Any]:
        return [ts, *told, ts + HOUR_MS - 1, "0", 12, "0", "0", "0"]

    def _interests(self, request: web.Request) -> Any:
        self._statistics.spend()
        market, start, end, size = self._asked(request, 30, 500)
        kept_ms = self.past.now_ms() - 30 * DAY_MS
        if "startTime" in request.query and start < kept_ms:
            raise complaint({"code": -1130, "msg": "parameter 'startTime' is invalid."}, 400)
        rows = []
        for ts in self.past.hours(market, max(start, kept_ms), end)[:size]:
            coins = interest(VENUE, market.symbol, ts)
            usd = f"{coins * price(VENUE, market.symbol, ts):.8f}"
            rows.append({"sumOpenInterest": f"{coins:.8f}", "sumOpenInterestValue": usd, "timestamp": ts})
        return rows

    def _asked(self, request: web.Request, limit: int, most: int) -> tuple[Remembered, int, int, int]:
        market = self.past.market(request.query.get("symbol", "").removesuffix("USDT"))
        if market is None:
            raise complaint({"code": -1121, "msg": "Invalid symbol."}, 400)
        size = integer(request, "limit", limit)
        if size > most:
            raise complaint({"code": -1130, "msg": "Data sent for parameter 'limit' is not valid."}, 400)
        start, end = integer(request, "startTime", 0), integer(request, "endTime", FAR_MS)
        return market, start, end, self.size(size)
