"""An exchange's adapter, fed: its markets are listed by REST, then followed by streams where their dialect is known.

Any other venue that ccxt knows is followed by polls alone.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
FIRST_RETRY_S = 1.0
LEAST_POLL_S = 0.5
MARKET_BY_MARKET_S = 600.0
"""Bound of polls that ask for each market by itself, at the pace that the venue's request limit allows."""


@dataclass(frozen=True, slots=True)
class Polls:
    """Seconds between polls. `everything_s`: whatever streams say (new intervals, OKX's indices, delisted markets)."""

    silent_s: float = 10.0
    everything_s: float = 300.0
    details_s: float = 60.0
    settled_s: float = 30.0

    def at_speed(self, speed: float) -> "Polls":
        """Poll as often as the clock's time asks for, as far as a venue can answer."""
        waits_s = (self.silent_s, self.everything_s, self.details_s, self.settled_s)
        return Polls(*(max(LEAST_POLL_S, wait_s / speed) for wait_s in waits_s))


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
        speed: float = 1.0,
        *,
        streams: bool = True,
    ) -> None:
        """`speed`: of the clock; ages are measured in its time, waits are not. Without `streams`: polls alone."""
        self.venue = data.venue
        self._data, self._clock, self._rng = data, clock, rng
        self._route, self._pace = route, pace or Pace()
        self._patience, self._polls = (patience or Patience()).at_speed(speed), Polls().at_speed(speed)
        self._speak = DIALECTS.get(data.profile.ccxt_id) if streams else None
        self._feed: VenueFeed | None = None

    async def run(self) -> None:
        """Follow the markets that are told now until cancelled; others join at the next start."""
        await self._listed()
        self._data.fed()  # not before: until then what was read at the start may be old, and is no silence
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
        data, polls = self._data, self._polls
        instruments = [
            Instrument(symbol, data.exchange.markets[one.name]["id"], float(one.contract))
            for symbol in data.symbols
            for one in [data.perpetuals[symbol]]
        ]
        speak = self._speak
        return VenueFeed(
            self.venue,
            data.symbols,
            speak(instruments, self._hours) if speak and instruments else [],
            data.board,
            self._clock,
            self._rng,
            [
                Poll("rates", data.snapshot, polls.silent_s, while_stale=True),
                Poll("all rates", data.snapshot, polls.everything_s, at_once=False),
                Poll("details", data.details, polls.details_s, deadline_s=MARKET_BY_MARKET_S),
                Poll("history", data.load, polls.settled_s, deadline_s=MARKET_BY_MARKET_S),
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
