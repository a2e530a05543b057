"""The process of `hedged run` from its first moment: what it says before the app exists, how it is stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from prometheus_client import CollectorRegistry

from hedged.alerts.facts import Facts, Seen, gather
from hedged.alerts.teller import Teller
from hedged.app import App
from hedged.collectors.feed import FeedStatus
from hedged.config import Config
from hedged.control.reload import Reloader
from hedged.control.stop import CYCLE_SHARE, SENDING_SHARE, Ending
from hedged.control.switch import Switch
from hedged.cycle import CycleReport
from hedged.domain.alert import Alert
from hedged.domain.errors import Fatal
from hedged.domain.venue_events import VenueEvents
from hedged.execution.journal.latch import Latch
from hedged.forecast.models.standings import Contest
from hedged.forecast.record.measures import Reckoning
from hedged.risk.gate import KillLevel
from hedged.telemetry.feeds import FeedReports
from hedged.telemetry.logs import configure_logs
from hedged.wiring.models.life import ModelLife

Doing = Literal["starting", "running", "stopping"]

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
    reloader: Reloader | None = None
    teller: Teller | None = None
    models: ModelLife | None = None
    gas_inj: float | None = None
    grants_end_ms: int | None = None
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

    def doing(self) -> Doing:
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

    @property
    def feeds(self) -> Mapping[str, FeedStatus]:
        """How the venues that are followed stand, by name."""
        return self.reports.told if self.reports else {}

    @property
    def scored(self) -> Reckoning | None:
        """How the forecasts did; None before any was taken."""
        return self.models.scoring.told if self.models else None

    @property
    def contests(self) -> Sequence[Contest]:
        """How challengers stand against the champion."""
        return self.models.contests.standings if self.models else ()

    @property
    def latch(self) -> Latch:
        """The turn of the kill switch that is in force; none before the journal is open."""
        return self.switch.latch if self.switch else Latch()

    @property
    def latched(self) -> str:
        """The same in words; empty where nothing is latched."""
        return self.switch.text if self.switch else ""

    def announced(self, now_ms: int) -> str | None:
        """Say what venues announce; None where that is not followed."""
        return self.venue_events(now_ms).text if self.venue_events else None

    @property
    def training(self) -> str | None:
        """Say what a training is at; None where there is none."""
        return (self.models.retraining.text or None) if self.models else None

    def alerts(self) -> tuple[Alert, ...]:
        """Return the alerts that stand, the worst first."""
        return self.teller.book.active() if self.teller else ()

    def facts(self) -> Facts | None:
        """Return what alerts are judged by; None before there is an app."""
        app, switch = self.app, self.switch
        if app is None or switch is None:
            return None
        seen = Seen(
            latch=switch.latch,
            left=tuple(switch.hand.left) if switch.hand else (),
            prepared_ms=app.progress.prepared_ms,
            compared=app.narrator.compared,
            price_ages_s=self.reports.price_ages_s() if self.reports else {},
            gas_inj=self.gas_inj,
            grants_end_ms=self.grants_end_ms,
            model_refused=self.models.follower.refused if self.models else "",
            model_damaged=self.models.follower.damaged if self.models else "",
            model_demoted=self.models.follower.demotion.told if self.models else "",
            model_better=self.models.contests.would_promote if self.models else "",
            model_drifts=self.models.drift.drifts if self.models else "",
            inputs_silent=self.models.drift.silent if self.models else "",
            training_failing=self.models.retraining.alarming if self.models else "",
        )
        cycle = app.cycle if app.progress.prepared else None
        return gather(
            app.parts.clock.now_ms(), self.config, seen, app.parts.journal.trouble, cycle, app.seen_by_guard,
            app.progress.last,
        )  # fmt: skip

    @property
    def drift(self) -> tuple[str | None, str | None]:
        """Return what the market is like, and whether the model has drifted, in words."""
        return self.models.drift.told if self.models else (None, None)

    def report(self) -> CycleReport | None:
        """Return the report of the last cycle."""
        return self.app.progress.last if self.app else None

    def well(self) -> bool:
        """Tell whether it is ready and its cycles complete."""
        return not self.stopping and not self.not_ready() and not self.not_alive()
