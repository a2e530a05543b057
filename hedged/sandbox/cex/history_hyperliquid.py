"""Hyperliquid's history: oldest first from startTime, 500 prints; of candles the latest 5,000. All POSTed to /info."""

import json
from collections.abc import Mapping
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
    chance,
    interest,
    premium,
    price,
    rate,
)

VENUE = "hyperliquid"
LATE_MS = 100


class HyperliquidPast(VenuePast):
    """api.hyperliquid.xyz."""

    host = "api.hyperliquid.xyz"
    method = "POST"

    def __init__(self, past: Past) -> None:
        super().__init__(past)
        self._budget = Budget(1_200, 60)

    def endpoints(self) -> dict[str, Answer]:
        """Return what answers the path."""
        return {"/info": self._info}

    async def _info(self, request: web.Request) -> Any:
        asked = json.loads(await request.text())
        kinds = {
            "metaAndAssetCtxs": self._contexts,
            "fundingHistory": self._prints,
            "candleSnapshot": self._candles,
        }
        return kinds[asked["type"]](asked)

    def _contexts(self, _: Mapping[str, Any]) -> Any:
        self._budget.spend(20)
        now_ms = self.past.now_ms()
        universe = [{"name": m.symbol, "szDecimals": 3, "maxLeverage": 20} for m in self.past.markets]
        contexts = [
            {
                "openInterest": f"{interest(VENUE, m.symbol, now_ms):.3f}",
                "markPx": f"{price(VENUE, m.symbol, now_ms):.4f}",
            }
            for m in self.past.markets
        ]
        return [{"universe": universe}, contexts]

    def _prints(self, asked: Mapping[str, Any]) -> Any:
        market = self._market(asked["coin"])
        start, end = int(asked["startTime"]), int(asked.get("endTime", FAR_MS))
        instants = self.past.settlements(market, start - LATE_MS, end)
        stamped = ((ts, ts + int(LATE_MS * chance(ts))) for ts in instants)
        page = [
            {
                "coin": market.symbol, "time": stamp, "fundingRate": rate(VENUE, market.symbol, ts),
                "premium": premium(VENUE, market.symbol, ts),
            }
            for ts, stamp in islice(((ts, at) for ts, at in stamped if start <= at <= end), self.size(500))
        ]  # fmt: skip
        self._budget.spend(20 + len(page) // 20)
        return page

    def _candles(self, asked: Mapping[str, Any]) -> Any:
        request = asked["req"]
        market = self._market(request["coin"])
        opens = self.past.hours(market, int(request["startTime"]), int(request["endTime"]))[-5_000:]
        self._budget.spend(20 + len(opens) // 60)
        rows = []
        for ts in opens:
            o, h, low, c, v = candle(VENUE, market.symbol, ts)
            rows.append({"t": ts, "T": ts + HOUR_MS - 1, "o": o, "h": h, "l": low, "c": c, "v": v, "n": 7})
        return rows

    def _market(self, coin: str) -> Remembered:
        market = self.past.market(coin)
        if market is None:
            raise web.HTTPInternalServerError(text="null")  # how it answers a coin that it does not list
        return market
