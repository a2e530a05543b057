"""The kill latch in the journal: every turn of the switch, of which the last is in force."""

import sqlite3
from dataclasses import dataclass

from hedged.risk.kill import KillLevel

TURNS = "SELECT rowid, ts_ms, level, reason, account, source FROM kill_latch"
BY_DAEMON = "daemon"
"""Source of a turn that the daemon made by itself."""


@dataclass(frozen=True, slots=True)
class Latch:
    """One turn of the switch. `turn` counts them from 1; 0: it was never turned. `source`: cli, signal, file, http or
    daemon.
    """

    turn: int = 0
    ts_ms: int = 0
    level: KillLevel = KillLevel.NONE
    reason: str = ""
    account: str = ""
    source: str = ""


def last_turn(db: sqlite3.Connection, source: str | None = None) -> Latch:
    """Return the turn that is in force; of one `source` alone, its last one."""
    where, values = ("", ()) if source is None else (" WHERE source = ?", (source,))
    row = db.execute(f"{TURNS}{where} ORDER BY rowid DESC LIMIT 1", values).fetchone()
    if row is None:
        return Latch()
    turn, ts_ms, level, reason, account, of = row
    return Latch(turn, ts_ms, KillLevel(level), reason, account, of)
