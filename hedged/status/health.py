"""How the daemon is: what runs, whether it is well, what is latched, when it decides next."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from hedged import __version__
from hedged.app import App
from hedged.collectors.feed import FeedStatus
from hedged.config import Config
from hedged.domain.alert import Alert
from hedged.domain.clock import SECOND_MS, next_boundary_ms
from hedged.execution.journal.latch import Latch
from hedged.forecast.models.standings import Contest
from hedged.forecast.record.measures import Reckoning
from hedged.risk.kill import KillLevel
from hedged.status import document
from hedged.status.document import About, AlertRow, Cycle, Health

PAPER_DAYS = 90
"""So long it is traded on paper before money is (requirement C10)."""


class Running(Protocol):
    """The process of the daemon, from its first moment. `app`: None until there is one."""

    config: Config
    app: App | None

    @property
    def feeds(self) -> Mapping[str, FeedStatus]:
        """How the venues that are followed stand, by name."""
        ...

    @property
    def drift(self) -> tuple[str | None, str | None]:
        """What the market is like, and whether the model has drifted, in words; None where that is not known."""
        ...

    @property
    def latch(self) -> Latch:
        """The turn of the kill switch that is in force."""
        ...

    @property
    def latched(self) -> str:
        """The same in words; empty where nothing is latched."""
        ...

    @property
    def scored(self) -> Reckoning | None:
        """How the forecasts did; None before any was taken."""
        ...

    @property
    def contests(self) -> Sequence[Contest]:
        """How challengers stand against the champion."""
        ...

    def doing(self) -> Literal["starting", "running", "stopping"]:
        """What it is at."""
        ...

    def not_ready(self) -> list[str]:
        """Why it is not ready."""
        ...

    def not_alive(self) -> list[str]:
        """Why it should be restarted."""
        ...

    def backfilled(self) -> float:
        """The share of the window that is filled."""
        ...

    @property
    def training(self) -> str | None:
        """Say what a training is at; None where there is none."""
        ...

    def announced(self, now_ms: int) -> str | None:
        """What venues announce; None where that is not followed."""
        ...


def about(process: Running, started_ms: int, now_ms: int, days: int | None) -> About:
    """Return what runs."""
    config, app = process.config, process.app
    book = config.book
    held = ", ".join(sorted(book.positions)) or "nothing"
    return About(
        version=__version__,
        mode=config.mode,
        account=config.account,
        book=f"{book.address}/{book.subaccount}" if book.address else f"of the configuration: {held}",
        data=config.data.source,
        forecaster=config.hedge.forecaster,
        config_hash=config.hash,
        model_hash=app.parts.forecaster.model_hash if app else None,
        feature_hash=app.parts.forecaster.feature_hash if app else None,
        started_ms=started_ms,
        now_ms=now_ms,
        paper_days=days if config.mode == "paper" else None,
        paper_days_goal=PAPER_DAYS,
        training=process.training,
        announced=process.announced(now_ms),
        market=process.drift[0],
        drift=process.drift[1],
    )


def health(process: Running) -> Health:
    """Return how the daemon is."""
    latch, not_ready, not_alive = process.latch, process.not_ready(), process.not_alive()
    app = process.app
    report = app.progress.last if app else None
    halted = [f"a limit on losses is reached: {report.loss_limit}"] if report and report.loss_limit else []
    if app and report and app.cycle.model_failed:
        halted.append(f"the forecaster fails: {app.cycle.model_failed}")
    return Health(
        state=process.doing(),
        ready=not not_ready,
        alive=not not_alive,
        reasons=tuple(not_ready),
        not_alive=tuple(not_alive),
        latch=None
        if latch.level is KillLevel.NONE
        else document.Latch(
            level=latch.level.label,
            reason=latch.reason,
            by=latch.source or "hand",
            at_ms=latch.ts_ms,
            text=process.latched,
        ),
        halted=tuple(halted),
        backfilled=None if app and app.progress.prepared else process.backfilled(),
    )


def cycle(process: Running, now_ms: int) -> Cycle:
    """Return when decisions are made."""
    interval_s = process.config.cycle.interval_s
    progress = process.app.progress if process.app else None
    due = progress is not None and progress.prepared
    return Cycle(
        interval_s=interval_s,
        last_ms=progress.last.now_ms if progress and progress.last else None,
        next_ms=next_boundary_ms(now_ms, interval_s * SECOND_MS) if due else None,
        took_s=progress.took_s if progress else None,
        missed=progress.missed if progress else 0,
    )


def alert_rows(alerts: Sequence[Alert]) -> list[AlertRow]:
    """Tell the alerts that stand, in their order."""
    return [
        AlertRow(
            kind=one.kind,
            severity=one.severity.label,
            subject=one.subject,
            text=one.text,
            since_ms=one.since_ms,
        )
        for one in alerts
    ]
