"""The poller: asks every venue what it knows now, and closes a bar in the ring buffer at each bar boundary."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import structlog

from hedged.buffer.ring import RingBuffer
from hedged.domain.bars import Field, Observation
from hedged.domain.errors import OutcomeUnknown, Retryable
from hedged.domain.market import SeriesKey, decimal_of
from hedged.domain.ports import MarketData

log = structlog.get_logger(__name__)

OnBar = Callable[[int, Sequence[Observation]], None]
"""Takes over what was known of every market at a bar's end."""


class Poller:
    """Keeps the latest observation of every series. A venue that fails is logged once, and once on recovery."""

    def __init__(
        self,
        sources: Mapping[str, MarketData],
        buffer: RingBuffer,
        deadline_s: float = 20.0,
        on_bar: OnBar = lambda *_: None,
    ) -> None:
        """`on_bar` is called with every bar that is closed, and must return at once."""
        self._sources, self._on_bar = sources, on_bar
        self._buffer = buffer
        self._deadline_s = deadline_s
        self._bad: set[str] = set()
        self._wanted = set(buffer.keys)
        self.latest: dict[SeriesKey, Observation] = {}

    async def poll(self, now_ms: int) -> None:
        """Observe every venue; at a bar boundary append the bar. Series without an answer become a gap."""
        answers = await asyncio.gather(*(self._observe(venue, now_ms) for venue in self._sources))
        seen = [_as_known(o, now_ms) for answer in answers for o in answer if o.key in self._wanted]
        for observation in seen:
            self.latest[observation.key] = observation
        last_ms = self._buffer.last_ms
        if now_ms % self._buffer.bar_ms == 0 and (last_ms is None or now_ms > last_ms):
            self._buffer.append(now_ms, seen)
            self._on_bar(now_ms, seen)

    def fresh_marks(self, now_ms: int, stale_after_ms: int) -> dict[SeriesKey, Decimal]:
        """Return the mark price of every series whose mark is known, positive and young enough."""
        marks = {}
        for key, seen in self.latest.items():
            mark = float(seen.values[Field.MARK])
            if mark > 0 and now_ms - int(seen.known_at_ms[Field.MARK]) <= stale_after_ms:
                marks[key] = decimal_of(mark)
        return marks

    def ages_s(self, now_ms: int) -> dict[SeriesKey, float]:
        """Return the age of every series' mark in seconds; series never seen are missing."""
        return {
            key: (now_ms - int(seen.known_at_ms[Field.MARK])) / 1_000
            for key, seen in self.latest.items()
            if seen.known_at_ms[Field.MARK]
        }

    async def _observe(self, venue: str, now_ms: int) -> Sequence[Observation]:
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await self._sources[venue].observe(now_ms)
        except (Retryable, OutcomeUnknown, TimeoutError) as error:
            if venue not in self._bad:
                self._bad.add(venue)
                log.warning("venue_data_lost", venue=venue, error=str(error) or type(error).__name__)
            return ()
        if venue in self._bad:
            self._bad.discard(venue)
            log.info("venue_data_back", venue=venue)
        return answer


def _as_known(observation: Observation, now_ms: int) -> Observation:
    """Leave out what was received after the instant that is decided on: it belongs to the next bar."""
    late = observation.known_at_ms > now_ms
    if not late.any():
        return observation
    values = np.where(late, np.nan, observation.values)
    return Observation(observation.key, now_ms, values, np.where(late, 0, observation.known_at_ms))
