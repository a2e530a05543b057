"""Keeps one exchange's board current by polls: rates often, depth and settlements less so."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
import structlog

from hedged.adapters.cex.data import CexData
from hedged.domain.errors import Retryable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between polls. All rates come in one or two requests; depth and settlements market by market."""

    rates_s: float = 5.0
    details_s: float = 60.0
    settled_s: float = 30.0
    longest_retry_s: float = 60.0


class CexFeed:
    """`run` is one task with one owner; whoever cancels it has ended it."""

    def __init__(self, data: CexData, rng: np.random.Generator, pace: Pace | None = None) -> None:
        self._data, self._rng, self._pace = data, rng, pace or Pace()
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Poll until cancelled."""
        self._data.fed()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep("rates", self._data.snapshot, self._pace.rates_s))
            group.create_task(self._keep("details", self._data.details, self._pace.details_s))
            group.create_task(self._keep("settled", self._data.load, self._pace.settled_s))

    async def _keep(self, kind: str, ask: Callable[[], Awaitable[None]], every_s: float) -> None:
        """Ask again and again, more and more slowly while it fails."""
        failures = 0
        while True:
            failures = 0 if await self._ask(kind, ask) else failures + 1
            wait_s = min(self._pace.longest_retry_s, every_s * 2 ** min(failures, 8)) if failures else every_s
            await asyncio.sleep(wait_s * float(self._rng.uniform(0.8, 1.0)))

    async def _ask(self, kind: str, ask: Callable[[], Awaitable[None]]) -> bool:
        """Ask; log once when the first kind of question fails and once when all are answered again."""
        try:
            await ask()
        except Retryable as error:
            if not self._failing:
                log.warning("exchange_polls_failing", venue=self._data.venue, why=str(error))
            self._failing.add(kind)
            return False
        if kind in self._failing:
            self._failing.discard(kind)
            if not self._failing:
                log.info("exchange_polls_back", venue=self._data.venue)
        return True
