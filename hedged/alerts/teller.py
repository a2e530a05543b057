"""Looks at the app every few seconds, tells what is new, and says goodbye. One task, which no cycle waits for.

Nothing in the app calls it, so nothing in the app can be held up or broken by it.
"""

import asyncio
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

import structlog

from hedged import __version__
from hedged.alerts import kept
from hedged.alerts.book import AlertBook, Rules
from hedged.alerts.conditions import conditions, endings, judge
from hedged.alerts.events import events
from hedged.alerts.facts import Facts
from hedged.alerts.lives import Lives
from hedged.alerts.post import Addresses, Post, read_addresses
from hedged.alerts.wording import coins, line
from hedged.config import AlertsConfig, Config
from hedged.cycle import CycleReport
from hedged.domain.alert import Alert, Severity
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import ConfigError, reason
from hedged.domain.market import INJECTIVE
from hedged.telemetry.metrics import Metrics

LEAST_S = 0.5
"""However fast the clock runs, the app is looked at no more often, wall time."""
SAVED_EVERY_MS = 60 * SECOND_MS
GOODBYE_S = 5.0
"""For the last messages, at the end of the process."""

log = structlog.get_logger(__name__)


class Source(Protocol):
    """What it looks at: the process."""

    def facts(self) -> Facts | None:
        """What is so now; None before there is an app."""
        ...

    def report(self) -> CycleReport | None:
        """The report of the last cycle; None before there is one."""
        ...

    def well(self) -> bool:
        """Whether it is ready and its cycles complete."""
        ...


class Teller:
    """`config`: the one in force; `source`: what it looks at."""

    def __init__(
        self,
        config: Callable[[], Config],
        addresses: Addresses,
        clock: Clock,
        metrics: Metrics,
        source: Source,
    ) -> None:
        self._config, self._clock, self._metrics = config, clock, metrics
        self._alerts, self._source = config().alerts, source
        self.post = Post(clock, metrics, source.well)
        self.post.open(self._alerts, addresses)
        self.book = AlertBook(_rules(self._alerts), self.post.wants)
        self.lives = Lives()
        self._told: CycleReport | None = None  # the latest report that was looked at
        self._begun = False
        self._saved_ms = 0
        self._failing = False
        self._go_on()

    async def run(self) -> None:
        """Look and deliver until cancelled."""
        while True:
            async with asyncio.TaskGroup() as group:
                tasks = self.post.start(group)
                await self._watch()
                for task in tasks:
                    task.cancel()

    async def _watch(self) -> None:
        """Look every few seconds, until there are other addresses to deliver to."""
        while True:
            config = self._config()
            if config.alerts != self._alerts and await self._readdress(config.alerts):
                return
            await self._look_safely()
            await asyncio.sleep(max(LEAST_S, config.cycle.guard_interval_s / config.clock.speed))

    async def _look_safely(self) -> None:
        """Look once. A fault of this package must not end a daemon that trades: it is logged once, and counted."""
        try:
            if self.look():
                await self._save()
        except Exception:
            self._metrics.alerts_broken.inc()
            if not self._failing:
                log.error("alerts_broken", exc_info=True)
            self._failing = True
        else:
            self._failing = False

    def look(self) -> bool:
        """Look at the app once and hand over what is to be told; tell whether that is worth saving."""
        facts = self._source.facts()
        if facts is None:
            return False
        messages = self.book.look(
            facts.now_ms, conditions(facts), judge(facts), self._events(facts), endings(facts)
        )
        for message in messages:
            self.post.put(message, facts.config)
        active = self.book.active()
        for severity in Severity:
            self._metrics.alerts_active.labels(severity.label).set(
                sum(alert.severity is severity for alert in active)
            )
        self.lives.seen_ms = facts.now_ms
        return bool(messages) or not 0 <= facts.now_ms - self._saved_ms < SAVED_EVERY_MS

    def _events(self, facts: Facts) -> list[Alert]:
        """Return what happened since the last look."""
        report, before = self._source.report(), self._told
        if not facts.judged or report is None or report is before:
            return []
        self._told = report
        found = events(report, before, facts.config.cycle.interval_s)
        if not self._begun:
            self._begun = True
            about = f"hedged {__version__}, {facts.config.mode}, configuration {facts.config.hash}"
            if (told := self.lives.begin(facts.now_ms, about, _held(report))) is not None:
                found.append(told)
        return found

    async def leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say why the daemon ends, and deliver what waits, within seconds. For the exit of a context; never raises."""
        del kind, trace
        try:
            self.look()  # what came since the last one is told too
            now_ms, report = self._clock.now_ms(), self._source.report()
            why = "it was asked to" if error is None else line(reason(error))
            held = _held(report) if report else None
            told = self.lives.end(now_ms, why, held, failed=error is not None)
            for message in self.book.look(now_ms, (), lambda _: False, [told] if told else []):
                self.post.put(message, self._config())
            await self.post.finish(GOODBYE_S)
            await self._save()
        except Exception:
            log.error("alerts_broken", exc_info=True)

    async def _readdress(self, alerts: AlertsConfig) -> bool:
        """Go by a changed configuration; where its addresses cannot be read those of before stay."""
        self._alerts = alerts
        loop = asyncio.get_running_loop()
        try:
            addresses = await loop.run_in_executor(None, read_addresses, alerts, os.environ)
        except ConfigError as error:
            log.error("alert_addresses_refused", why=str(error), next="the ones before are used")
            return False
        self.post.open(alerts, addresses)
        self.book.rules = _rules(alerts)
        return True

    def _go_on(self) -> None:
        """Go on from what an earlier life told."""
        state = kept.read(self._config().state_dir)
        if not state:
            return
        try:
            lives = Lives.from_json(state["lives"])
            self.book.go_on(state["book"])
            self.post.go_on(state["waiting"])
            self.lives = lives
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("alerts_told_before_unknown", why=f"{type(error).__name__}: {error}")

    async def _save(self) -> None:
        self._saved_ms = self._clock.now_ms()
        state: dict[str, Any] = {
            "lives": self.lives.to_json(), "book": self.book.to_json(), "waiting": self.post.to_json(),
        }  # fmt: skip
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, kept.write, self._config().state_dir, state)
        except OSError as error:  # a full disk: the journal says more of it
            log.warning("alerts_told_not_kept", why=str(error.strerror))


def _rules(alerts: AlertsConfig) -> Rules:
    return Rules(
        alerts.messages_per_hour,
        round(alerts.remind_after_s * SECOND_MS),
        round(alerts.over_after_s * SECOND_MS),
    )


def _held(report: CycleReport) -> str:
    """Write the hedges that are held, as of a report."""
    held = sorted((key, quantity) for key, quantity in report.account.attributed.items() if quantity)
    return ", ".join(
        f"{'+' if quantity > 0 else '−'}{coins(abs(quantity))} {key.symbol} "
        + ("of your own position" if key.venue == INJECTIVE else f"on {key.venue}")
        for key, quantity in held
    )
