"""The process of `hedged run` from its first moment: what its page says before the app exists, how it is stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from hedged.app import App
from hedged.config import Config
from hedged.domain.clock import iso
from hedged.domain.venue_events import VenueEvents
from hedged.telemetry.feeds import FeedReports

READING_SHARE = 0.95
"""Share of a start that reading the past takes; laying it out is the rest."""


@dataclass(slots=True)
class Process:
    """The process from its first moment: the page must answer before the app exists."""

    config: Config
    registry: CollectorRegistry
    app: App | None = None
    stopping: bool = False
    reports: FeedReports | None = None
    reading: Callable[[], float] | None = None
    venue_events: Callable[[int], VenueEvents] | None = None
    trouble: str = ""
    _start: asyncio.Timeout | None = None

    def stop(self) -> None:
        """End a start at once, a running cycle when it is done."""
        self.stopping = True
        if self.app:
            self.app.stop()
        if self._start:
            self._start.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """Do a part of the start, which waits for venues, until it is done or `stopping`."""
        try:
            async with asyncio.timeout(0 if self.stopping else None) as self._start:
                yield
        except TimeoutError:
            if not self.stopping:
                raise
        finally:
            self._start = None

    async def wait(self, seconds: float) -> bool:
        """Wait during a start; False when it was stopped meanwhile."""
        async with self.starting():
            await asyncio.sleep(seconds)
        return not self.stopping

    def not_ready(self) -> list[str]:
        """Say why it is not ready; empty when it is."""
        if self.app:
            return self.app.not_ready()
        if self.backfilled():
            return [f"backfilling {self.backfilled():.0%}"]
        return [self.trouble or "starting: opening the journal, asking the venues"]

    def say(self, trouble: str) -> None:
        """Keep what a start waits for; empty when it goes on."""
        self.trouble = trouble

    def backfilled(self) -> float:
        """Return the share of the window that is filled: reading the past takes minutes, laying it out seconds."""
        if self.app:
            return self.app.progress.backfilled
        return READING_SHARE * self.reading() if self.reading else 0.0

    def not_alive(self) -> list[str]:
        """Say why it should be restarted; empty while it need not be."""
        return self.app.not_alive() if self.app else []

    def book(self) -> list[dict[str, str]]:
        """Rows of the status page: one per protected symbol."""
        return self.app.book() if self.app else []

    def ahead(self) -> list[dict[str, str]]:
        """Rows of the status page: the book's funding over each span."""
        return self.app.ahead() if self.app else []

    def feeds(self) -> list[dict[str, str]]:
        """Rows of the status page: one per venue that is followed."""
        return self.reports.rows() if self.reports else []

    def quarantined(self) -> list[dict[str, str]]:
        """Rows of the status page: one per series in quarantine."""
        return self.app.quarantined() if self.app else []

    def stops(self) -> list[dict[str, str]]:
        """Rows of the status page: one per hedge that is held or rests after a stop."""
        return self.app.stops() if self.app else []

    def disagreements(self) -> list[dict[str, str]]:
        """Rows of the status page: one per market on which what venues tell does not agree."""
        return self.app.disagreements() if self.app else []

    def about(self) -> dict[str, str]:
        """What runs, in words."""
        last = self.app.progress.last if self.app else None
        about = {
            "mode": self.config.mode,
            "data": self.config.data.source,
            "forecaster": self.config.hedge.forecaster,
            "config": self.config.hash,
            "last cycle": iso(last.now_ms) if last else "none yet",
            "kill latch": self.app.cycle.desk.kill.label if last and self.app else "unknown",
        }
        if last and last.loss_limit:
            about["only reductions"] = last.loss_limit
        if self.app and self.venue_events:
            about["venues"] = self.venue_events(self.app.parts.clock.now_ms()).text
        return about
