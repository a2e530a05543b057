"""What holds the daemon, or would, as `hedged check` tells it: lease, latch, KILL file, token, journal."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing

from hedged.config import Config
from hedged.control.api import read_token
from hedged.control.kill_file import FILE, read_kill_file
from hedged.control.lease import lease_directory, read_sign
from hedged.control.switch import latch_text
from hedged.directories import open_to_others
from hedged.domain.errors import ConfigError
from hedged.execution.journal.decision_log import read_only
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.latch import last_turn
from hedged.risk.kill import KillLevel


def holding(config: Config, environ: Mapping[str, str] = os.environ) -> tuple[list[str], list[str]]:
    """Return lines to know and lines to heed. Nothing is changed. Raises ConfigError for a token that is no good."""
    known, heeded = _journal(config)
    known.append(_lease(config, environ))
    if others := open_to_others(config.state_dir):
        heeded.append(others)
    if (asked := read_kill_file(config.state_dir)) is not None:
        heeded.append(f"{config.state_dir / FILE} exists and latches {asked.level.label}: {asked.reason}")
    told = (
        "is refused: no telemetry.token_file or token_env is set"
        if read_token(config, environ) is None
        else "works"
    )
    known.append(f"/api/kill {told}")
    return known, heeded


def _journal(config: Config) -> tuple[list[str], list[str]]:
    """Tell whether the journal is whole, and what it has latched."""
    path = config.state_dir / JOURNAL_FILE
    if not path.exists():
        return [f"journal: none yet, the first start makes {path}"], []
    try:
        with closing(read_only(path)) as db:
            damage = [text for (text,) in db.execute("PRAGMA quick_check(3)") if text != "ok"]
            latch = last_turn(db)
    except (ConfigError, sqlite3.Error) as error:
        return [], [f"journal: {error}; the daemon will not start with it (docs/journal.md)"]
    if damage:
        return [], [f"journal: {path} is damaged: {'; '.join(damage)} (docs/journal.md)"]
    known = [f"journal: {path} is whole"]
    if latch.level is KillLevel.NONE:
        return known, []
    return known, [f"latched: {latch_text(latch)}; `hedged resume` clears it"]


def _lease(config: Config, environ: Mapping[str, str]) -> str:
    """Tell who has the lease."""
    where = f"{config.state_dir}"
    if config.mode == "live":
        where += f", account {config.account} in {lease_directory(config, environ)}"
    sign = read_sign(config.state_dir)
    if sign is None or not sign.alive:
        return f"lease: free ({where})"
    silent = f"last sign of life {sign.silent_s:.0f} s ago"
    return f"lease: held by the {sign.role}, pid {sign.pid}, {silent} ({where})"
