"""The board: puts the status document together whenever somebody asks, at most once a second.

What changes with a cycle or with the account alone is made once for both, off the event loop.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from hedged.app import App
from hedged.cycle import CycleReport
from hedged.domain.clock import Clock
from hedged.domain.errors import NoJournal
from hedged.domain.market import SeriesKey
from hedged.execution.accounts import AccountState
from hedged.guard import Guard
from hedged.risk.margin import liquidation_distances
from hedged.status import book, decisions, forecasts, health, money, scores, stops, venues
from hedged.status.document import (
    AheadRow,
    AlertRow,
    BookRow,
    Decision,
    Doubt,
    Forecast,
    Saved,
    Status,
)
from hedged.status.outcomes import Outcomes
from hedged.status.records import Records
from hedged.telemetry.ahead import outlooks

log = structlog.get_logger(__name__)

FRESH_S = 1.0
"""A document so young is given to whoever asks next, unless the kill switch was turned: asking again costs nothing."""


@dataclass(frozen=True, slots=True)
class _OfCycle:
    """What rests on a cycle alone."""

    report: CycleReport
    decisions: tuple[Decision, ...]
    forecasts: tuple[Forecast, ...]


@dataclass(frozen=True, slots=True)
class _OfAccount:
    """What rests on a cycle and on what is held after it."""

    report: CycleReport
    account: AccountState
    book: tuple[BookRow, ...]
    ahead: tuple[AheadRow, ...]


@dataclass(slots=True)
class Board:
    """`records`: None until the journal is open; `alerts`: those that stand. `run` is one task with one owner."""

    process: health.Running
    clock: Clock
    alerts: Callable[[], Sequence[AlertRow]] = tuple
    records: Records | None = None
    started_ms: int = field(init=False)
    _outcomes: Outcomes = field(default_factory=Outcomes)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _made: tuple[float, str, Status] | None = None
    _failing: bool = False
    _kept: CycleReport | None = None  # the latest that was scored
    _cycle: _OfCycle | None = None
    _account: _OfAccount | None = None

    def __post_init__(self) -> None:
        self.started_ms = self.clock.now_ms()

    def on_cycle(self, _: CycleReport) -> None:
        """Take notice that a cycle is done."""
        self._made = None
        self._woken.set()

    async def run(self) -> None:
        """Keep what outlives a cycle, until cancelled."""
        while True:
            await self._keep_safely()
            await self._woken.wait()
            self._woken.clear()

    async def _keep_safely(self) -> None:
        """Keep it. A fault here must not end a daemon that trades: it is logged once, and what is shown is older."""
        try:
            await self._keep()
        except NoJournal:
            return  # told by the journal; the next cycle makes up for it
        except Exception:
            if not self._failing:
                log.error("status_broken", exc_info=True)
            self._failing = True
        else:
            self._failing = False
        self._made = None

    async def _keep(self) -> None:
        """Read what the journal knows, and score what has settled. Raises NoJournal."""
        app = self.process.app
        report = app.progress.last if app else None
        if app is not None and report is not None and report is not self._kept:
            self._kept = report
            self._outcomes.look(report, app.cycle.poller.latest.values())
        if self.records and report is None:
            await self.records.load()
        elif self.records and report is not None:
            await self.records.cycle(report.now_ms)

    async def status(self) -> Status:
        """Return the document as of now."""
        async with self._asking:
            now_s, latched = asyncio.get_running_loop().time(), self.process.latched
            if self._made is None or self._made[1] != latched or not 0 <= now_s - self._made[0] < FRESH_S:
                self._made = (now_s, latched, await self._make())
            return self._made[2]

    async def _make(self) -> Status:
        app = self.process.app
        report = app.progress.last if app else None
        if app is not None and report is not None:
            await self._think(app, report, app.cycle.desk.accounts.latest)
        # what follows is of one instant: nothing is awaited
        now_ms, records = self.clock.now_ms(), self.records
        guard = app.seen_by_guard if app else None
        far = _distances(guard, now_ms) if guard else {}
        config = self.process.config
        account = app.cycle.desk.accounts.latest if guard and app else AccountState()
        poller = app.cycle.poller if guard and app else None
        return Status(
            about=health.about(self.process, self.started_ms, now_ms, records.days if records else None),
            health=health.health(self.process),
            cycle=health.cycle(self.process, now_ms),
            alerts=tuple(self.alerts()),
            book=self._account.book if self._account else (),
            ahead=self._account.ahead if self._account else (),
            saved=self._saved(report),
            collateral=money.collateral_rows(account, app.parts.trading, far) if report and app else (),
            stops=stops.stop_rows(guard, far, now_ms) if guard else (),
            decisions=self._cycle.decisions if self._cycle else (),
            earlier=tuple(reversed(records.earlier)) if records else (),
            forecasts=self._cycle.forecasts if self._cycle else (),
            scores=scores.scores(self.process.scored),
            contests=scores.contests(self.process.contests),
            venues=venues.venue_rows(
                poller.buffer.keys if poller else (),
                poller.ages_s(now_ms) if poller else {},
                config.cycle.stale_after_s + config.cycle.interval_s,
                self.process.feeds,
                venues.venue_notes(account, poller.lost, report.closed) if poller and report else {},
            ),
            quarantined=venues.quarantined(poller.quarantined) if poller else (),
            disagreements=self._disagreements(app),
        )

    def _saved(self, report: CycleReport | None) -> Saved | None:
        if report is None:
            return None
        records = self.records
        received = records.received_usd if records else None
        return money.saved(report.pnl, received, records.began_ms if records else None)

    def _disagreements(self, app: App | None) -> tuple[Doubt, ...]:
        return venues.disagreements(app.cycle.desk.accounts) if app and app.progress.prepared else ()

    async def _think(self, app: App, report: CycleReport, account: AccountState) -> None:
        """Make what has changed with the cycle, or with the account, in a thread."""
        loop = asyncio.get_running_loop()
        if self._cycle is None or self._cycle.report is not report:
            past = forecasts.Past.of(app.cycle.buffer.window(), app.cycle.poller.latest.values())
            misses = app.cycle.desk.gate_facts.record.misses(report.now_ms)
            forecaster, outcomes = self.process.config.hedge.forecaster, self._outcomes.told()

            def of_cycle() -> _OfCycle:
                fans = forecasts.forecasts(report, past, outcomes, misses, forecaster)
                return _OfCycle(report, decisions.decisions(report), fans)

            self._cycle = await loop.run_in_executor(None, of_cycle)
        known = self._account
        if known is None or known.report is not report or known.account is not account:

            def of_account() -> _OfAccount:
                ahead = outlooks(report, account)
                rows = book.book_rows(report, account, ahead)
                return _OfAccount(report, account, rows, book.ahead_rows(report, ahead))

            self._account = await loop.run_in_executor(None, of_account)


def _distances(guard: Guard, now_ms: int) -> dict[SeriesKey, float]:
    """Return the adverse move to liquidation of legs and own positions: as the guard has just measured it, else now."""
    account, markets = guard.desk.accounts.latest, guard.desk.markets
    marks = guard.poller.believed(now_ms).marks
    return liquidation_distances(account, account.collateral_usd, marks, markets) | dict(guard.distances)
