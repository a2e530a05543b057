"""A changed configuration, taken over between two cycles as a whole, or refused as a whole with the reason.

What may change while the daemon runs is listed here; all else needs a restart, and a change of it refuses the rest too:
half a new configuration is one that nobody has written.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from hedged.alerts.post import read_addresses
from hedged.app import App
from hedged.config import Config, load_config
from hedged.config.difference import Changes, changes, said
from hedged.control.messages import Outcome, Reloaded
from hedged.domain.errors import ConfigError, NoJournal
from hedged.execution.journal.store import JournalStore

STATE = "reload"
"""Name of the state in the journal that says what became of the last one."""
LIVE = (
    "alerts", "book.protect", "control", "cycle.guard_accounts_s", "cycle.guard_interval_s", "cycle.interval_s",
    "cycle.stale_after_s", "execution", "hedge", "live_acknowledgement", "risk", "strategies", "telemetry.log_level",
)  # fmt: skip
"""Settings that a running daemon takes over, each with all that is below it ..."""
NOT_LIVE = (
    "control.lease_dir", "control.stall_exit_s", "control.stall_told_s", "hedge.collateral_share", "hedge.forecaster",
    "hedge.model", "hedge.venues", "risk.liquidation_cushion", "risk.max_leverage", "risk.min_liquidation_distance",
    "strategies.cascade_hedge.crowded_share", "strategies.cascade_hedge.enabled", "strategies.divergence.enabled",
    "strategies.divergence.symbols",
)  # fmt: skip
"""... but for these: venues, forecaster or followed markets are made from them at the start."""

log = structlog.get_logger(__name__)


def need_restart(found: Changes) -> list[str]:
    """Return the names of those changes that a running daemon cannot take over."""
    return [name for name in found if not _below(name, LIVE) or _below(name, NOT_LIVE)]


@dataclass(slots=True)
class Reloader:
    """Reads the file again when asked to. `applied`: told the configuration that is in force from now on."""

    path: Path | None
    app: App
    applied: Callable[[Config], None] = lambda _: None
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reload(self, *, dry_run: bool = False) -> Reloaded:
        """Read, check, take over or refuse; tell what came of it. Never raises for a wrong file.

        `dry_run`: take over nothing, and leave no trace.
        """
        async with self._one:
            found: Changes = {}
            try:
                after = await self._read()
                found = changes(self.app.parts.config, after)
                _must_fit(found)
                await self._reaches(after)
                if dry_run:
                    return self._told("would apply" if found else "unchanged", found)
                if found:
                    await self.app.reconfigure(after)
                    self.applied(after)
            except ConfigError as error:
                told = self._told("refused", found, str(error))
                return told if dry_run else await self._tell(told)
            return await self._tell(self._told("applied" if found else "unchanged", found))

    async def _reaches(self, after: Config) -> None:
        """Raise ConfigError for addresses of alerts that cannot be read: the teller takes them over later."""
        if after.alerts != self.app.parts.config.alerts:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, read_addresses, after.alerts, os.environ)

    async def _read(self) -> Config:
        """Return what the file says now. Raises ConfigError."""
        if self.path is None:
            raise ConfigError("there is no file that this daemon was started with")
        return await asyncio.get_running_loop().run_in_executor(None, _loaded, self.path)

    def _told(self, outcome: Outcome, found: Changes, why: str = "") -> Reloaded:
        return Reloaded(
            outcome=outcome, why=why, changes=said(found), restart=need_restart(found),
            config=self.app.parts.config.hash,
        )  # fmt: skip

    async def _tell(self, told: Reloaded) -> Reloaded:
        """Say what became of it: in the log, as a metric, and in the journal for whoever asked."""
        tell = log.error if told.outcome == "refused" else log.warning
        why = {"why": told.why} if told.why else {}
        tell(f"reload_{told.outcome}", changes=told.changes, config=told.config, **why)
        self.app.metrics.reloads.labels(told.outcome).inc()
        body = told.model_dump() | {"ts_ms": self.app.parts.clock.now_ms()}
        try:
            await self.app.parts.journal(JournalStore.save_state, STATE, body)
        except NoJournal as error:
            log.error("reload_not_journalled", why=str(error))
        return told


def _loaded(path: Path) -> Config:
    """Read a configuration, and what it names and is read again with it. Raises ConfigError."""
    config = load_config(path)
    if config.alerts.targets or config.alerts.heartbeat:
        read_addresses(config.alerts, os.environ)
    return config


def _must_fit(found: Changes) -> None:
    """Raise ConfigError for changes that a running daemon cannot take over."""
    if names := need_restart(found):
        raise ConfigError(
            f"{', '.join(names)} cannot change while the daemon runs: restart it for that, or take that change back "
            "and reload the others"
        )


def _below(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
