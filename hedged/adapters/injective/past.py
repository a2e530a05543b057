"""What a market was before the daemon looked: funding prints and hourly prices, as the indexer remembers them."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from hedged.adapters.injective.board import Ticker
from hedged.adapters.injective.prints import certain
from hedged.adapters.injective.queries import IndexerQueries
from hedged.domain.clock import DAY_MS, HOUR_MS, SECOND_MS, Clock

log = structlog.get_logger(__name__)

PRICE_DAYS = 14
"""Days of hourly prices that are read from the trades: what volatility is first measured on."""
RESUME_OVERLAP_MS = DAY_MS
"""Where bars are held already, the past is read from so long before their end: a price holds for a day."""
COMPLETE_OVERLAP_MS = 3 * HOUR_MS
"""The indexer may be behind when it is asked: this much is read again the next time."""


class Past:
    """Fills in the markets' past: once, and again where it turns out to be incomplete. Raises Retryable."""

    def __init__(self, indexer: IndexerQueries, clock: Clock, history_days: int) -> None:
        self._indexer, self._clock, self._history_ms = indexer, clock, history_days * DAY_MS
        self._resumed: dict[str, int] = {}
        self._complete: set[str] = set()  # symbols whose prints are complete
        self._loading = asyncio.Lock()  # of its own: polls go on while history is read

    def doubt(self, ticker: Ticker) -> None:
        """Note that a market had settlements that its prints do not tell."""
        self._complete.discard(ticker.perpetual.symbol)

    def resume(self, held_to_ms: Mapping[str, int]) -> None:
        """Note up to when bars are held, by symbol: the past of these is read from there on."""
        self._resumed = {symbol: ts_ms - RESUME_OVERLAP_MS for symbol, ts_ms in held_to_ms.items()}

    async def reach_back(self, tickers: Iterable[Ticker], since_ms: int) -> None:
        """Let settlements be read from an earlier instant than bars are: somebody is owed them."""
        async with self._loading:
            for ticker in tickers:
                symbol = ticker.perpetual.symbol
                if since_ms < self._resumed.get(symbol, 0):
                    # and the price that the first of them was settled at
                    self._resumed[symbol] = since_ms - RESUME_OVERLAP_MS
                    self._complete.discard(symbol)
                    ticker.complete_to_ms, ticker.priced = 0, False

    async def load(self, tickers: Iterable[Ticker]) -> None:
        """Read what is missing of these markets."""
        async with self._loading:
            missing = [ticker for ticker in tickers if ticker.perpetual.symbol not in self._complete]
            await asyncio.gather(*(self._load(ticker) for ticker in missing))

    async def read_again(self, ticker: Ticker) -> None:
        """Read the latest funding prints of a market anew."""
        async with self._loading:
            await self._read_prints(ticker)

    async def _read_prints(self, ticker: Ticker) -> None:
        perpetual, now_ms = ticker.perpetual, self._clock.now_ms()
        since_ms = max(
            now_ms - self._history_ms, ticker.complete_to_ms, self._resumed.get(perpetual.symbol, 0)
        )
        read = await self._indexer.prints(perpetual, since_ms, ticker.prints.due_of)
        before = ticker.prints.last_before(read[0].ts_ms) if read else None
        sure = certain(read, before, perpetual.rule.interval_s, now_ms)
        for one in sure:
            ticker.record(one)
        if len(sure) == len(read):
            self._complete.add(perpetual.symbol)
            ticker.complete_to_ms = now_ms - COMPLETE_OVERLAP_MS

    async def _load(self, ticker: Ticker) -> None:
        now_ms, symbol = self._clock.now_ms(), ticker.perpetual.symbol
        await self._read_prints(ticker)
        if ticker.priced:
            return
        price_from_ms = now_ms - min(self._history_ms, PRICE_DAYS * DAY_MS)
        price_from_ms = max(price_from_ms, self._resumed.get(symbol, 0))
        days = f"{(now_ms - price_from_ms) / DAY_MS:.1f}"
        log.info("injective_history", symbol=symbol, reading=f"prices of {days} days")
        ticker.prices = await self._indexer.prices(ticker.perpetual, now_ms, price_from_ms, HOUR_MS)
        ticker.priced = True
        took_s = (self._clock.now_ms() - now_ms) / SECOND_MS
        log.info("injective_history", symbol=symbol, prices=len(ticker.prices), took_s=took_s)
