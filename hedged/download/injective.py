"""Injective's history: funding from the indexer, which has no start to ask for and six decimals; closes from trades.

Of open interest the chain tells the present alone. injective-py carries stubs of a chart service with candles but
neither a method nor an address for it, so an hour's close is its last trade, for so many days as are affordable.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import numpy as np

from hedged.adapters.injective.markets import Perpetual, by_symbol, read_perpetual
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.prints import certain
from hedged.adapters.injective.queries import PAGE, ChainQueries, IndexerQueries
from hedged.config import InjectiveConfig
from hedged.domain.clock import Clock
from hedged.domain.errors import Retryable
from hedged.domain.market import Costs
from hedged.download.http import Patience
from hedged.download.paging import Span
from hedged.download.source import BAR, BAR_MS, DAYS_MS, History, Listed, Page

T = TypeVar("T")
PRICE_DAYS = 30
_NO_COSTS = Costs(Decimal(0), Decimal(0), Decimal(0), Decimal(1))
"""What trading costs is not asked about here."""


class Injective:
    """Injective."""

    venue = "injective"
    lacking: Mapping[str, str] = {
        "open_interest": "the present alone is told: kept each time this runs",
        "ohlcv": f"closes of the last {PRICE_DAYS} days, from the indexer's trades",
        "premium": "the present alone is told: a running daemon records it",
    }

    def __init__(
        self,
        config: InjectiveConfig,
        clock: Clock,
        rng: np.random.Generator,
        patience: Patience | None = None,
    ) -> None:
        """Raises ConfigError for an address that is none."""
        self._rng, self._patience = rng, patience or Patience()
        self._network, self._clock = InjectiveNetwork.from_config(config), clock
        self._chain = ChainQueries(self._network.create_chain_grpc_channel())
        self._indexer = IndexerQueries(self._network.create_exchange_grpc_channel())
        self._perpetuals: dict[str, Perpetual] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._network.close()

    async def markets(self, symbols: Collection[str]) -> Mapping[str, Listed]:
        """Return the perpetuals. Raises Retryable."""
        read = (read_perpetual(full, _NO_COSTS) for full in await self._patiently(self._chain.markets))
        found = by_symbol(one for one in read if one is not None)
        self._perpetuals = {symbol: one for symbol, one in found.items() if symbol in symbols}
        return {
            symbol: Listed(symbol, one.market_id, _quote(one), interval_h=one.rule.interval_s / 3_600)
            for symbol, one in self._perpetuals.items()
        }

    def histories(self, market: Listed) -> Sequence[History]:
        """Return funding and closes."""
        perpetual = self._perpetuals[market.symbol]

        async def funding(span: Span) -> Page:
            read = await self._patiently(lambda: self._indexer.prints(perpetual, span.from_ms - 1))
            sure = certain(read, None, perpetual.rule.interval_s, self._clock.now_ms())
            rows = [
                {
                    "ts": one.ts_ms, "quote": market.quote, "funding_rate": float(one.rate),
                    "interval_hours": market.interval_h, "known_ts": max(one.ts_ms, one.known_ms),
                }
                for one in sure
            ]  # fmt: skip
            return {"funding": rows}

        async def closes(span: Span) -> Page:
            until_ms, since_ms = span.to_ms + BAR_MS - 1, span.from_ms - 1
            told = await self._patiently(lambda: self._indexer.prices(perpetual, until_ms, since_ms, BAR_MS))
            last = {ms // BAR_MS * BAR_MS: float(price) for ms, price in told}
            rows = [{"ts": ts, "market": "perp", "bar": BAR, "close": price} for ts, price in last.items()]
            return {"ohlcv": rows}

        return (
            History("funding", funding, PAGE, newest_first=False, step_ms=None),
            History(
                "ohlcv", closes, PAGE, newest_first=False, reach_ms=PRICE_DAYS * DAYS_MS, closes_ms=BAR_MS
            ),
        )

    async def present(self, market: Listed, now_ms: int) -> Page:
        """Tell the open interest, one side counted. Raises Retryable."""
        perpetual = self._perpetuals[market.symbol]
        base = float(await self._patiently(lambda: self._chain.open_interest(perpetual)))
        row = {"ts": now_ms, "bar": BAR, "open_interest_base": base, "known_ts": now_ms}
        return {"open_interest": [row]}

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again what was not answered: the channel goes to the next node meanwhile. Raises Retryable in the end."""
        for attempt in range(self._patience.tries - 1):
            try:
                return await ask()
            except Retryable:
                await asyncio.sleep(self._patience.wait_s(attempt, self._rng))
        return await ask()


def _quote(perpetual: Perpetual) -> str:
    return perpetual.ticker.partition("/")[2].split(" ")[0]
