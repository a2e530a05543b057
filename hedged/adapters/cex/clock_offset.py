"""How far this machine's clock is from the exchange's: signed requests carry the exchange's time."""

from collections.abc import Sequence
from typing import Any

import structlog

from hedged.adapters.cex.errors import reading
from hedged.domain.clock import MINUTE_MS, SECOND_MS, Clock
from hedged.domain.errors import Retryable

log = structlog.get_logger(__name__)

MOST_MS = 30 * SECOND_MS
"""A clock that is further off makes every timestamp of ours wrong: no order is sent."""
LIFE_MS = 10 * MINUTE_MS


class ClockOffset:
    """Keeps ccxt's `timeDifference` (local − exchange) current. `offset_ms` is the latest measurement."""

    def __init__(self, venue: str, exchanges: Sequence[Any], clock: Clock, most_ms: int = MOST_MS) -> None:
        """`exchanges`: ccxt instances of one venue; the first one is asked."""
        self._venue, self._exchanges, self._clock, self.most_ms = venue, tuple(exchanges), clock, most_ms
        self._measured_ms: int | None = None
        self.offset_ms = 0
        for exchange in self._exchanges:
            exchange.hedged_time_refused = self.doubt

    async def measure(self) -> int:
        """Ask the exchange for its time; return local − exchange, ms. Raises Retryable.

        The answer is taken as made halfway between question and receipt.
        """
        asked_ms = self._clock.now_ms()
        with reading(f"{self._venue}, time"):
            theirs_ms = int(await self._exchanges[0].fetch_time())
        received_ms = self._clock.now_ms()
        self.offset_ms = (asked_ms + received_ms) // 2 - theirs_ms
        self._measured_ms = received_ms
        for exchange in self._exchanges:
            exchange.options["timeDifference"] = self.offset_ms
        return self.offset_ms

    async def current(self) -> int:
        """Return the offset, measured anew when that was long ago. Raises Retryable, also when it is too large."""
        if self._measured_ms is None or self._clock.now_ms() - self._measured_ms > LIFE_MS:
            await self.measure()
        if abs(self.offset_ms) > self.most_ms:
            offset_s, self._measured_ms = self.offset_ms / SECOND_MS, None
            raise Retryable(
                f"{self._venue}: this machine's clock is {offset_s:+.1f} s from the exchange's: set it (NTP)"
            )
        return self.offset_ms

    @property
    def doubted(self) -> bool:
        """Whether the exchange has refused a time since the last measurement."""
        return self._measured_ms is None

    def doubt(self) -> None:
        """Measure anew before the next use."""
        self._measured_ms = None
