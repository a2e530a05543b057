"""Bybit's linear history: newest first up to the end, 200 rows of funding and interest, 1,000 candles a page.

A start alone is refused for funding, so pages are walked back by their end, also where a cursor is offered: an instant
can be gone on from after a restart, a cursor cannot. 600 requests in five seconds are allowed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import aiohttp
import numpy as np

from hedged.domain.clock import MINUTE_MS
from hedged.domain.errors import Rejected, Retryable
from hedged.download.http import Api, Patience
from hedged.download.paging import Span
from hedged.download.source import (
    BAR,
    BAR_MS,
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

HOST = "https://api.bybit.com"
ROWS, KLINE_ROWS, LISTED_ROWS = 200, 1_000, 1_000
PASSING = frozenset({10000, 10006, 10016, 10018})
"""Codes that come with HTTP 200: server timeout, too many visits, server error, too many from this address."""


class Bybit:
    """Bybit."""

    venue = "bybit"
    lacking: Mapping[str, str] = {}

    def __init__(
        self, session: aiohttp.ClientSession, rng: np.random.Generator, patience: Patience | None = None
    ) -> None:
        self._api = Api(self.venue, session, rng, checked, patience)
        self._pace = self._api.pace(15.0, burst=15.0)

    async def markets(self, symbols: Collection[str]) -> Mapping[str, Listed]:
        """Return the USDT perpetuals. Raises Retryable."""
        listed: list[Listed] = []
        cursor = ""
        while True:
            query = {"category": "linear", "limit": LISTED_ROWS, "cursor": cursor}
            answer = await self._api.ask(f"{HOST}/v5/market/instruments-info", self._pace, query)
            for row in answer["list"]:
                if row.get("contractType") == "LinearPerpetual" and row.get("quoteCoin") == "USDT":
                    symbol, coins = symbol_of(row["baseCoin"])
                    hours = int(row["fundingInterval"]) / 60
                    listed.append(Listed(symbol, row["symbol"], "USDT", int(row["launchTime"]), hours, coins))
            cursor = answer.get("nextPageCursor") or ""
            if not answer["list"] or not cursor:
                return preferred(listed, symbols)

    def histories(self, market: Listed) -> Sequence[History]:
        """Return funding, candles, premium and open interest."""

        async def funding(span: Span) -> Page:
            rows = await self._rows(
                "funding/history", market, span, ROWS, "startTime", "endTime", early_ms=MINUTE_MS
            )
            return {"funding": [_print(market, row) for row in rows]}

        async def klines(span: Span) -> Page:
            rows = await self._rows("kline", market, span, KLINE_ROWS, "start", "end", interval="60")
            return {"ohlcv": [candle(market, int(row[0]), row[1:5], row[5]) for row in rows]}

        async def premium(span: Span) -> Page:
            opens = Span(span.from_ms - BAR_MS, span.to_ms - BAR_MS)  # a row stands at its candle's close
            rows = await self._rows(
                "premium-index-price-kline", market, opens, KLINE_ROWS, "start", "end", interval="60"
            )
            told = [{"ts": int(r[0]) + BAR_MS, "kind": PREMIUM_KIND, "premium": number(r[4])} for r in rows]
            return {"premium": told}

        async def interest(span: Span) -> Page:
            rows = await self._rows(
                "open-interest", market, span, ROWS, "startTime", "endTime", intervalTime=BAR
            )
            return {"open_interest": [_interest(market, row) for row in rows]}

        return (
            History("funding", funding, ROWS, newest_first=True, step_ms=None, infer=True),
            History("ohlcv", klines, KLINE_ROWS, newest_first=True, closes_ms=BAR_MS),
            History("premium", premium, KLINE_ROWS, newest_first=True, begins_ms=BAR_MS),
            History("open_interest", interest, ROWS, newest_first=True),
        )

    async def present(self, market: Listed, now_ms: int) -> Page:
        """Tell nothing: all of it has a history."""
        return {}

    async def _rows(
        self,
        kind: str,
        market: Listed,
        span: Span,
        limit: int,
        start: str,
        end: str,
        early_ms: int = 0,
        **more: str,
    ) -> Sequence[Any]:
        """Both ends of a request are inclusive."""
        query = {
            "category": "linear", "symbol": market.id, start: span.from_ms - early_ms, end: span.to_ms - 1 + early_ms,
            "limit": limit, **more,
        }  # fmt: skip
        rows: Sequence[Any] = (await self._api.ask(f"{HOST}/v5/market/{kind}", self._pace, query))["list"]
        return rows


def checked(body: Any) -> Any:
    """Return the result. Raises Retryable or Rejected for an error that came with HTTP 200."""
    code = body.get("retCode") if isinstance(body, dict) else None
    if code == 0:
        return body["result"]
    why = (
        f"bybit: {body.get('retMsg')} ({code})"
        if code is not None
        else f"bybit: an odd answer ({body!r:.160})"
    )
    raise Retryable(why) if code is None or code in PASSING else Rejected(why)


def _print(market: Listed, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ts": due_ms(int(row["fundingRateTimestamp"])),
        "quote": market.quote,
        "funding_rate": number(row["fundingRate"]),
    }


def _interest(market: Listed, row: Mapping[str, Any]) -> dict[str, Any]:
    base = scaled(row["openInterest"], market.coins)
    return {"ts": int(row["timestamp"]), "bar": BAR, "open_interest_base": base}
