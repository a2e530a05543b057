"""OKX's swap history: newest first before an exclusive cursor; the oldest row of a page stands twice."""

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
    complaint,
    integer,
    interest,
    price,
    rate,
)

VENUE = "okx"
CONTRACT = 0.01
"""Coins in a contract."""


class OkxPast(VenuePast):
    """www.okx.com."""

    host = "www.okx.com"

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._budget, self._candles_budget = Budget(10, 2), Budget(20, 2)

    def endpoints(self) -> dict[str, Answer]:
        """Return what answers each path."""
        return {
            "/api/v5/public/instruments": self._listing,
            "/api/v5/public/funding-rate-history": self._prints,
            "/api/v5/market/history-candles": self._candles,
            "/api/v5/rubik/stat/contracts/open-interest-history": self._interests,
        }

    @staticmethod
    def _told(rows: Sequence[Any]) -> Any:
        return {"code": "0", "msg": "", "data": [*rows, *rows[-1:]]}

    def _listing(self, _: web.Request) -> Any:
        self._budget.spend()
        rows = [
            {
                "instId": f"{m.symbol}-USDT-SWAP", "ctType": "linear", "settleCcy": "USDT",
                "listTime": str(m.listed_ms), "ctVal": str(CONTRACT), "ctValCcy": m.symbol,
            }
            for m in self.past.markets
        ]  # fmt: skip
        return self._told(rows)

    def _prints(self, request: web.Request) -> Any:
        """Three months; `fundingRate` is what had been predicted."""
        self._budget.spend()
        market, end, size = self._asked(request, "after")
        instants = self.past.settlements(market, self.past.now_ms() - 92 * DAY_MS, end, newest_first=True)
        rows = [
            {
                "instId": f"{market.symbol}-USDT-SWAP", "fundingTime": str(ts), "fundingRate": "0.00010000",
                "realizedRate": rate(VENUE, market.symbol, ts), "method": "current_period",
            }
            for ts in islice(instants, size)
        ]  # fmt: skip
        return self._told(rows)

    def _candles(self, request: web.Request) -> Any:
        """Volumes in contracts, coins and USDT; the last field says whether the candle is complete."""
        self._candles_budget.spend()
        market, end, size = self._asked(request, "after")
        rows = []
        for ts in self.past.hours(market, 0, end)[::-1][:size]:
            *prices, coins = candle(VENUE, market.symbol, ts)
            done = "1" if ts + HOUR_MS <= self.past.now_ms() else "0"
            rows.append([str(ts), *prices, f"{float(coins) / CONTRACT:.1f}", coins, "0", done])
        return self._told(rows)

    def _interests(self, request: web.Request) -> Any:
        """The latest 1,440 rows: contracts, coins, USD."""
        self._budget.spend()
        market, end, size = self._asked(request, "end")
        rows = []
        for ts in self.past.hours(market, self.past.now_ms() - 1_440 * HOUR_MS, end)[::-1][:size]:
            coins = interest(VENUE, market.symbol, ts)
            usd = coins * price(VENUE, market.symbol, ts)
            rows.append([str(ts), f"{coins / CONTRACT:.2f}", f"{coins:.4f}", f"{usd:.2f}"])
        return self._told(rows)

    def _asked(self, request: web.Request, cursor: str) -> tuple[Remembered, int, int]:
        market = self.past.market(request.query.get("instId", "").removesuffix("-USDT-SWAP"))
        if market is None:
            raise complaint({"code": "51001", "msg": "Instrument ID does not exist.", "data": []}, 200)
        size = min(integer(request, "limit", 100), 100)
        return market, integer(request, cursor, FAR_MS) - 1, self.size(size)
