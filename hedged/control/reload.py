"""A changed configuration, taken over between two cycles as a whole, or refused as a whole with the reason.

What may change while the daemon runs is listed here; all else needs a restart, and a change of it refuses the rest too:
half a new configuration is one that nobody has written.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from hedged.app import App
from hedged.config import Config, load_config
from hedged.config.difference import Changes, changes, said
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
    count: int = 0

    async def reload(self) -> str:
        """Read, check, take over or refuse; return the outcome in words. Never raises for a wrong file."""
        self.count += 1
        try:
            found, after = await self._read()
            if found:
                await self.app.reconfigure(after)
                self.applied(after)
        except ConfigError as error:
            return await self._tell("refused", str(error), [])
        return await self._tell("applied" if found else "unchanged", "", said(found))

    async def _read(self) -> tuple[Changes, Config]:
        """Return the new configuration and what it changes. Raises ConfigError for one that cannot be taken over."""
        if self.path is None:
            raise ConfigError("there is no file that this daemon was started with")
        after = await asyncio.get_running_loop().run_in_executor(None, load_config, self.path)
        found = changes(self.app.parts.config, after)
        if names := need_restart(found):
            raise ConfigError(
                f"{', '.join(names)} cannot change while the daemon runs: restart it for that, or take that "
                "change back and reload the others"
            )
        return found, after

    async def _tell(self, outcome: str, why: str, lines: list[str]) -> str:
        """Say what became of it: in the log, as a metric, and in the journal for whoever asked."""
        config_hash, now_ms = self.app.parts.config.hash, self.app.parts.clock.now_ms()
        tell = log.error if outcome == "refused" else log.warning
        tell(f"reload_{outcome}", changes=lines, config=config_hash, **({"why": why} if why else {}))
        self.app.metrics.reloads.labels(outcome).inc()
        body = {"ts_ms": now_ms, "outcome": outcome, "why": why, "changes": lines, "config": config_hash}
        try:
            await self.app.parts.journal(JournalStore.save_state, STATE, body)
        except NoJournal as error:
            log.error("reload_not_journalled", why=str(error))
        return f"{outcome}: {why}" if why else outcome


def _below(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
