"""Hyperliquid's history: oldest first from startTime on, 500 prints a page, each with its premium.

A request costs weight by the rows of its answer, 1,200 a minute: a page of prints 45. Of candles the latest 5,000 are
kept, of open interest nothing but the present.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import aiohttp
import numpy as np

from hedged.domain.clock import MINUTE_MS
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
)

URL = "https://api.hyperliquid.xyz/info"
ROWS, CANDLES_KEPT = 500, 5_000
WEIGHT = 20.0


class Hyperliquid:
    """Hyperliquid."""

    venue = "hyperliquid"
    lacking: Mapping[str, str] = {
        "ohlcv": "5,000 candles are told, seven months of hours",
        "open_interest": "the present alone is told: kept each time this runs",
    }

    def __init__(
        self, session: aiohttp.ClientSession, rng: np.random.Generator, patience: Patience | None = None
    ) -> None:
        self._api = Api(self.venue, session, rng, patience=patience)
        self._weight = self._api.pace(14.0, burst=200.0)
        self._contexts: dict[str, Mapping[str, Any]] = {}

    async def markets(self, symbols: Collection[str]) -> Mapping[str, Listed]:
        """Return the perpetuals. Raises Retryable."""
        meta, contexts = await self._info({"type": "metaAndAssetCtxs"}, WEIGHT)
        names = [row["name"] for row in meta["universe"]]
        self._contexts = dict(zip(names, contexts, strict=True))
        listed = []
        for name in names:
            thousands = len(name) > 1 and name[0] == "k" and name[1:].isupper()  # kPEPE: a thousand of them
            symbol, coins = (name[1:], 1e3) if thousands else (name, 1.0)
            listed.append(Listed(symbol, name, "USDC", None, 1.0, coins))
        return preferred(listed, symbols)

    def histories(self, market: Listed) -> Sequence[History]:
        """Return funding with its premium, and candles."""

        async def funding(span: Span) -> Page:
            request = {
                "type": "fundingHistory", "coin": market.id, "startTime": span.from_ms - MINUTE_MS,
                "endTime": span.to_ms - 1 + MINUTE_MS,
            }  # fmt: skip
            rows = await self._info(request, WEIGHT + ROWS / 20)
            told = [(due_ms(int(row["time"])), row) for row in rows]
            return {
                "funding": [
                    {"ts": ts, "quote": market.quote, "funding_rate": number(row["fundingRate"])}
                    for ts, row in told
                ],
                "premium": [
                    {"ts": ts, "kind": PREMIUM_KIND, "premium": number(row["premium"])} for ts, row in told
                ],
            }

        async def candles(span: Span) -> Page:
            asked = {"coin": market.id, "interval": BAR, "startTime": span.from_ms, "endTime": span.to_ms - 1}
            hours = min(CANDLES_KEPT, (span.to_ms - span.from_ms) // BAR_MS + 1)
            rows = await self._info({"type": "candleSnapshot", "req": asked}, WEIGHT + hours / 60)
            return {
                "ohlcv": [
                    candle(market, int(row["t"]), (row["o"], row["h"], row["l"], row["c"]), row["v"])
                    for row in rows
                ]
            }

        return (
            History(
                "funding", funding, ROWS, newest_first=False, step_ms=None, also=("premium",), infer=True
            ),
            History(
                "ohlcv",
                candles,
                CANDLES_KEPT,
                newest_first=True,
                reach_ms=CANDLES_KEPT * BAR_MS,
                closes_ms=BAR_MS,
            ),
        )

    async def present(self, market: Listed, now_ms: int) -> Page:
        """Tell the open interest as of the listing."""
        context = self._contexts[market.id]
        base, mark = (
            scaled(context["openInterest"], market.coins),
            scaled(context["markPx"], 1 / market.coins),
        )
        usd = base * mark if base is not None and mark is not None else None
        row = {
            "ts": now_ms,
            "bar": BAR,
            "open_interest_base": base,
            "open_interest_usd": usd,
            "known_ts": now_ms,
        }
        return {"open_interest": [row]}

    async def _info(self, request: Mapping[str, Any], weight: float) -> Any:
        return await self._api.ask(URL, self._weight, body=request, cost=weight)
