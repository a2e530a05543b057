"""OKX's swap history: newest first before a cursor that is an instant, so pages are walked back.

`after` and `end` mean *earlier than*. Funding reaches back about three months, interest 1,440 rows; candles and
interest are told in contracts and in coins, of which the coins are taken. `realizedRate` is what was charged.
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
    DAYS_MS,
    History,
    Listed,
    Page,
    candle,
    due_ms,
    number,
    preferred,
    symbol_of,
)

HOST = "https://www.okx.com"
ROWS = 100
INTEREST_REACH = 1_440
FUNDING_REACH_DAYS = 95
PASSING = frozenset({"50001", "50004", "50011", "50013", "50026", "50061"})
"""Codes of a venue that is busy or away for a moment."""


class Okx:
    """OKX."""

    venue = "okx"
    lacking: Mapping[str, str] = {
        "funding": "about three months are told",
        "open_interest": "the latest 60 days are told",
        "premium": "told minute by minute only, a hundred rows a request: not downloaded",
    }

    def __init__(
        self, session: aiohttp.ClientSession, rng: np.random.Generator, patience: Patience | None = None
    ) -> None:
        self._api = Api(self.venue, session, rng, checked, patience)
        # allowed in two seconds, for each market: 10 of funding and of interest, 20 of candles for all together
        self._pace, self._candles = self._api.pace(3.0, burst=3.0), self._api.pace(6.0, burst=6.0)

    async def markets(self, symbols: Collection[str]) -> Mapping[str, Listed]:
        """Return the USDT swaps. Raises Retryable."""
        rows = await self._api.ask(f"{HOST}/api/v5/public/instruments", self._pace, {"instType": "SWAP"})
        listed = []
        for row in rows:
            if row.get("ctType") == "linear" and row.get("settleCcy") == "USDT":
                symbol, coins = symbol_of(row["instId"].partition("-")[0])
                listed_ms = int(row["listTime"]) if row.get("listTime") else None
                listed.append(Listed(symbol, row["instId"], "USDT", listed_ms, None, coins))
        return preferred(listed, symbols)

    def histories(self, market: Listed) -> Sequence[History]:
        """Return funding, candles and open interest."""

        async def funding(span: Span) -> Page:
            query = {"instId": market.id, "after": span.to_ms + MINUTE_MS, "limit": ROWS}
            rows = await self._api.ask(f"{HOST}/api/v5/public/funding-rate-history", self._pace, query)
            return {"funding": [_print(market, row) for row in rows]}

        async def candles(span: Span) -> Page:
            query = {"instId": market.id, "bar": "1H", "after": span.to_ms, "limit": ROWS}
            rows = await self._api.ask(f"{HOST}/api/v5/market/history-candles", self._candles, query)
            # [ts, open, high, low, close, contracts, coins, quote, whether it is complete]
            done = [row for row in rows if row[8] == "1"]
            return {"ohlcv": [candle(market, int(row[0]), row[1:5], row[6]) for row in done]}

        async def interest(span: Span) -> Page:
            query = {"instId": market.id, "period": "1H", "end": span.to_ms, "limit": ROWS}
            url = f"{HOST}/api/v5/rubik/stat/contracts/open-interest-history"
            rows = await self._api.ask(url, self._pace, query)
            # [ts, contracts, coins, USD]
            told = [
                {
                    "ts": int(row[0]), "bar": BAR, "open_interest_base": number(row[2]),
                    "open_interest_usd": number(row[3]),
                }
                for row in rows
            ]  # fmt: skip
            return {"open_interest": told}

        return (
            History(
                "funding", funding, ROWS, newest_first=True, step_ms=None, infer=True,
                reach_ms=FUNDING_REACH_DAYS * DAYS_MS,
            ),
            History("ohlcv", candles, ROWS, newest_first=True, closes_ms=BAR_MS),
            History("open_interest", interest, ROWS, newest_first=True, reach_ms=INTEREST_REACH * BAR_MS),
        )  # fmt: skip

    async def present(self, market: Listed, now_ms: int) -> Page:
        """Tell nothing: all that is taken has a history."""
        return {}


def checked(body: Any) -> Any:
    """Return the data. Raises Retryable or Rejected for an error that came with HTTP 200."""
    code = body.get("code") if isinstance(body, dict) else None
    if code == "0":
        return body["data"]
    why = f"okx: {body.get('msg')} ({code})" if code is not None else f"okx: an odd answer ({body!r:.160})"
    raise Retryable(why) if code is None or code in PASSING else Rejected(why)


def _print(market: Listed, row: Mapping[str, Any]) -> dict[str, Any]:
    rate = number(row.get("realizedRate"))
    return {
        "ts": due_ms(int(row["fundingTime"])),
        "quote": market.quote,
        "funding_rate": number(row["fundingRate"]) if rate is None else rate,
    }
