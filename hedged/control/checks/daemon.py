"""What holds the daemon, or would: lease, latch, KILL file, journal. Nothing is changed."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing

from hedged.config import Config
from hedged.control.checks.finding import Finding, Found, fail, note, ok, warn
from hedged.control.kill_file import FILE, read_kill_file
from hedged.control.lease import lease_directory, read_sign
from hedged.control.switch import latch_text
from hedged.domain.errors import ConfigError
from hedged.execution.journal.decision_log import read_only
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.latch import last_turn
from hedged.risk.kill import KillLevel


def journal(config: Config) -> Found:
    """Tell whether the journal is whole, and what it has latched."""
    path = config.state_dir / JOURNAL_FILE
    if not path.exists():
        return [note("journal", f"none yet, the first start makes {path}")]
    try:
        with closing(read_only(path)) as db:
            damage = [text for (text,) in db.execute("PRAGMA quick_check(3)") if text != "ok"]
            latch = last_turn(db)
    except (ConfigError, sqlite3.Error) as error:
        return [fail("journal", str(error), "the daemon will not start with it: docs/journal.md")]
    if damage:
        return [fail("journal", f"{path} is damaged: {'; '.join(damage)}", "docs/journal.md")]
    found = [ok("journal", f"{path} is whole")]
    if latch.level is not KillLevel.NONE:
        found.append(warn("latch", latch_text(latch), "`hedged resume` clears it"))
    return found


def kill_file(config: Config) -> Found:
    """Tell whether a file latches."""
    asked = read_kill_file(config.state_dir)
    if asked is None:
        return []
    path = config.state_dir / FILE
    return [warn("latch", f"{path} exists and latches {asked.level.label}: {asked.reason}", f"remove {path}")]


def lease(config: Config, environ: Mapping[str, str] = os.environ) -> Found:
    """Tell who has the lease."""
    where = f"{config.state_dir}"
    if config.mode == "live":
        where += f", account {config.account} in {lease_directory(config, environ)}"
    sign = read_sign(config.state_dir)
    if sign is None or not sign.alive:
        return [ok("lease", f"free ({where})")]
    text = f"held by the {sign.role}, pid {sign.pid}, last sign of life {sign.silent_s:.0f} s ago ({where})"
    if sign.silent_s <= config.control.silent_after_s:
        return [ok("lease", text), *_same(sign.config, config)]
    return [fail("lease", f"{text}: it hangs", "`hedged kill --level cancel` ends it and takes over")]


def _same(running: str, config: Config) -> list[Finding]:
    if running == config.hash:
        return []
    todo = "`hedged config diff` shows the difference, `hedged reload` takes it over"
    return [note("lease", f"that daemon runs with configuration {running}, this file is {config.hash}", todo)]
