"""The process of `hedged run` from its first moment: what its page says before the app exists, how it is stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry

from hedged.app import App
from hedged.config import Config
from hedged.control.stop import CYCLE_SHARE, SENDING_SHARE, Ending
from hedged.control.switch import Switch
from hedged.domain.clock import iso
from hedged.domain.errors import Fatal
from hedged.domain.venue_events import VenueEvents
from hedged.risk.gate import KillLevel
from hedged.telemetry.feeds import FeedReports
from hedged.telemetry.logs import configure_logs

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
    switch: Switch | None = None
    ending: Ending = field(default_factory=Ending)
    failure: Fatal | None = None
    reload_asked: asyncio.Event = field(default_factory=asyncio.Event)
    _signalled: list[tuple[KillLevel, str]] = field(default_factory=list)
    trouble: str = ""
    _start: asyncio.Timeout | None = None

    def stop(self) -> None:
        """End a start at once, a running cycle when it is done or half of the time is over; asked twice, at once."""
        loop, again = asyncio.get_running_loop(), self.ending.ask()
        self.stopping = True
        if self.app:
            self.app.stop()
            if again:
                self.app.abandon(sending=True)
            else:
                within_s = self.config.control.stop_within_s
                loop.call_later(CYCLE_SHARE * within_s, self.app.abandon)
                loop.call_later(SENDING_SHARE * within_s, partial(self.app.abandon, sending=True))
        if self._start:
            self._start.reschedule(loop.time())

    def runs(self, app: App) -> None:
        """Speak for this app from now on; one that comes too late ends before it begins."""
        self.app = app
        if self.stopping:
            app.stop()

    def give_up(self, failure: Fatal) -> None:
        """End in order, for a reason that is raised in the end."""
        self.failure = self.failure or failure
        self.stop()

    def signalled(self, level: KillLevel, name: str) -> None:
        """Take a signal that turns the kill switch, also while there is no switch yet."""
        self._signalled.append((level, name))
        self._pass_on()

    def switched(self, switch: Switch) -> None:
        """Turn this switch from now on."""
        self.switch = switch
        self._pass_on()

    def _pass_on(self) -> None:
        while self.switch is not None and self._signalled:
            self.switch.signalled(*self._signalled.pop(0))

    def reconfigured(self, config: Config) -> None:
        """Go by another configuration from now on; the app does already."""
        self.config = config
        if self.app:
            configure_logs(
                self.app.parts.clock.now_ms, config.telemetry.log_level, config.telemetry.log_format
            )

    def doing(self) -> str:
        """What the process is at, in a word."""
        if self.stopping:
            return "stopping"
        return "running" if self.switch and self.switch.hand else "starting"

    def at_work(self) -> str:
        """What the process is at, in a line: while it is not ready, why."""
        return "stopping" if self.stopping else "; ".join(self.not_ready()) or self.doing()

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
        if self.switch and self.switch.text:
            about |= {"kill latch": self.switch.latch.level.label, "latched": self.switch.text}
        if last and last.loss_limit:
            about["only reductions"] = last.loss_limit
        if self.app and self.venue_events:
            about["venues"] = self.venue_events(self.app.parts.clock.now_ms()).text
        return about
