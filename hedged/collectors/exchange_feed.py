"""An exchange's adapter, fed: its markets are listed by REST, then followed by streams where their dialect is known.

Any other venue that ccxt knows is followed by polls alone.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import structlog

from hedged.adapters.cex.data import CexData
from hedged.collectors.binance import binance
from hedged.collectors.bybit import bybit
from hedged.collectors.feed import FeedStatus, Patience, Poll, VenueFeed
from hedged.collectors.okx import okx
from hedged.collectors.reconnecting import Pace, Route
from hedged.collectors.updates import Dialect, Hours, Instrument, Top
from hedged.domain.clock import Clock
from hedged.domain.errors import Retryable
from hedged.domain.market import decimal_of

log = structlog.get_logger(__name__)

DIALECTS: Mapping[str, Callable[[Sequence[Instrument], Hours], list[Dialect]]] = {
    "binanceusdm": binance,
    "bybit": bybit,
    "okx": okx,
}
"""By ccxt's id."""
FALLBACK_S = 10.0
SNAPSHOT_S = 300.0
"""REST tells everything anew this often, whatever the streams say: new intervals, OKX's indices, delisted markets."""
DETAILS_S = 60.0
HISTORY_S = 60.0
FIRST_RETRY_S = 1.0


class ExchangeFeed:
    """Keeps one adapter's board current. `run` is one task with one owner."""

    def __init__(
        self,
        data: CexData,
        clock: Clock,
        rng: np.random.Generator,
        route: Route | None = None,
        pace: Pace | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.venue = data.venue
        self._data, self._clock, self._rng = data, clock, rng
        self._route, self._pace, self._patience = route, pace or Pace(), patience
        self._feed: VenueFeed | None = None

    async def run(self) -> None:
        """Follow the markets that are told now until cancelled; others join at the next start."""
        self._data.fed()
        await self._listed()
        self._feed = self._made()
        await self._feed.run()

    def status(self) -> FeedStatus | None:
        """Tell how the feed stands; None before the markets are known."""
        return self._feed.status() if self._feed else None

    async def _listed(self) -> None:
        """Wait until the venue has told its markets and where they stand."""
        tries = 0
        while True:
            try:
                return await self._data.snapshot()
            except Retryable as error:
                if not tries:
                    log.warning("venue_not_listed", venue=self.venue, why=str(error))
            limit_s = min(self._pace.longest_retry_s, FIRST_RETRY_S * 2**tries)
            tries = min(tries + 1, 16)
            await asyncio.sleep(float(self._rng.uniform(0.5, 1.0)) * limit_s)

    def _made(self) -> VenueFeed:
        data = self._data
        instruments = [
            Instrument(symbol, data.exchange.markets[one.name]["id"], float(one.contract))
            for symbol in data.symbols
            for one in [data.perpetuals[symbol]]
        ]
        speak = DIALECTS.get(data.profile.ccxt_id)
        return VenueFeed(
            self.venue,
            data.symbols,
            speak(instruments, self._hours) if speak and instruments else [],
            data.board,
            self._clock,
            self._rng,
            [
                Poll("rates", data.snapshot, FALLBACK_S, while_stale=True),
                Poll("all rates", data.snapshot, SNAPSHOT_S, at_once=False),
                Poll("details", data.details, DETAILS_S),
                Poll("history", data.load, HISTORY_S),
            ],
            self._route,
            self._pace,
            self._patience,
            self._top,
        )

    def _hours(self, symbol: str) -> float | None:
        schedule = self._data.board.schedule(symbol, self._clock.now_ms())
        return schedule.interval_h if schedule else None

    def _top(self, symbol: str, received_ms: int, top: Top) -> None:
        self._data.put_touch(symbol, received_ms, decimal_of(top.bid), decimal_of(top.ask))
