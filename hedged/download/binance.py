"""Binance's USDⓈ-M history: oldest first from startTime on, so many rows a page.

Funding prints carry the mark but not their interval, which fundingInfo tells of the present alone. The request budget
is 2,400 weight a minute; funding has one of its own, 500 requests in five minutes, and so has futures/data, 1,000.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import aiohttp
import numpy as np

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.download.http import Api, Patience
from hedged.download.paging import Span
from hedged.download.source import (
    BAR,
    BAR_MS,
    DAYS_MS,
    PREMIUM_KIND,
    History,
    Listed,
    Page,
    candle,
    due_ms,
    number,
    preferred,
    scaled,
    symbol_of,
)

HOST = "https://fapi.binance.com"
FUNDING_ROWS, KLINE_ROWS, INTEREST_ROWS = 1_000, 1_000, 500
KLINE_WEIGHT = 5.0
USUAL_INTERVAL_H = 8.0
"""What fundingInfo does not list was never adjusted."""


class Binance:
    """Binance."""

    venue = "binance"
    lacking: Mapping[str, str] = {"open_interest": "30 days are told"}

    def __init__(
        self, session: aiohttp.ClientSession, rng: np.random.Generator, patience: Patience | None = None
    ) -> None:
        self._api = Api(self.venue, session, rng, patience=patience)
        self._weight = self._api.pace(20.0, burst=40.0)  # half of what is allowed
        self._funding = self._api.pace(1.2, burst=20.0)
        self._statistics = self._api.pace(2.5, burst=20.0)

    async def markets(self, symbols: Collection[str]) -> Mapping[str, Listed]:
        """Return the USDT perpetuals. Raises Retryable."""
        rows = (await self._api.ask(f"{HOST}/fapi/v1/exchangeInfo", self._weight))["symbols"]
        told = await self._api.ask(f"{HOST}/fapi/v1/fundingInfo", self._funding)
        hours = {row["symbol"]: float(row["fundingIntervalHours"]) for row in told}
        listed = []
        for row in rows:
            if row.get("contractType") == "PERPETUAL" and row.get("quoteAsset") == "USDT":
                symbol, coins = symbol_of(row["baseAsset"])
                interval_h = hours.get(row["symbol"], USUAL_INTERVAL_H)
                listed.append(
                    Listed(symbol, row["symbol"], "USDT", int(row["onboardDate"]), interval_h, coins)
                )
        return preferred(listed, symbols)

    def histories(self, market: Listed) -> Sequence[History]:
        """Return funding, candles, premium and open interest."""

        async def funding(span: Span) -> Page:
            query = _between(market, span, FUNDING_ROWS, early_ms=MINUTE_MS)
            rows = await self._api.ask(f"{HOST}/fapi/v1/fundingRate", self._funding, query)
            return {"funding": [_print(market, row) for row in rows]}

        async def klines(span: Span) -> Page:
            rows = await self._klines("klines", market, span)
            return {"ohlcv": [candle(market, int(row[0]), row[1:5], row[5]) for row in rows]}

        async def premium(span: Span) -> Page:
            opens = Span(span.from_ms - BAR_MS, span.to_ms - BAR_MS)  # a row stands at its candle's close
            rows = await self._klines("premiumIndexKlines", market, opens)
            told = [{"ts": int(r[0]) + BAR_MS, "kind": PREMIUM_KIND, "premium": number(r[4])} for r in rows]
            return {"premium": told}

        async def interest(span: Span) -> Page:
            query = {"period": BAR, **_between(market, span, INTEREST_ROWS)}
            rows = await self._api.ask(f"{HOST}/futures/data/openInterestHist", self._statistics, query)
            return {"open_interest": [_interest(market, row) for row in rows]}

        return (
            History("funding", funding, FUNDING_ROWS, newest_first=False, step_ms=None, infer=True),
            History("ohlcv", klines, KLINE_ROWS, newest_first=False, closes_ms=BAR_MS),
            History("premium", premium, KLINE_ROWS, newest_first=False, begins_ms=BAR_MS),
            # a day less than it keeps: an earlier start is refused
            History("open_interest", interest, INTEREST_ROWS, newest_first=False, reach_ms=29 * DAYS_MS),
        )

    async def present(self, market: Listed, now_ms: int) -> Page:
        """Tell nothing: all of it has a history."""
        return {}

    async def _klines(self, kind: str, market: Listed, span: Span) -> Sequence[Sequence[Any]]:
        query = {"interval": BAR, **_between(market, span, KLINE_ROWS)}
        rows: Sequence[Sequence[Any]] = await self._api.ask(
            f"{HOST}/fapi/v1/{kind}", self._weight, query, cost=KLINE_WEIGHT
        )
        return rows


def _between(market: Listed, span: Span, limit: int, early_ms: int = 0) -> dict[str, Any]:
    """Both ends of a request are inclusive."""
    return {
        "symbol": market.id, "startTime": span.from_ms - early_ms, "endTime": span.to_ms - 1 + early_ms, "limit": limit,
    }  # fmt: skip


def _print(market: Listed, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ts": due_ms(int(row["fundingTime"])),
        "quote": market.quote,
        "funding_rate": number(row["fundingRate"]),
        "mark_price": scaled(row.get("markPrice"), 1 / market.coins),
    }


def _interest(market: Listed, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ts": round(int(row["timestamp"]) / HOUR_MS) * HOUR_MS,
        "bar": BAR,
        "open_interest_base": scaled(row["sumOpenInterest"], market.coins),
        "open_interest_usd": number(row["sumOpenInterestValue"]),
    }
