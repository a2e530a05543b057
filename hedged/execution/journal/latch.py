"""The kill latch in the journal: every turn of the switch, of which the last is in force."""

from dataclasses import dataclass

from hedged.execution.journal.store import JournalStore
from hedged.risk.kill import KillLevel

COLUMNS = "SELECT rowid, ts_ms, level, reason, account, source FROM kill_latch"


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


def read_latch(store: JournalStore) -> Latch:
    """Return the turn that is in force."""
    return last_latch(store.rows(f"{COLUMNS} ORDER BY rowid DESC LIMIT 1", ()))


def read_latch_of(store: JournalStore, source: str) -> Latch:
    """Return the last turn from one source."""
    return last_latch(store.rows(f"{COLUMNS} WHERE source = ? ORDER BY rowid DESC LIMIT 1", (source,)))


def last_latch(rows: list[tuple[int, int, int, str, str, str]]) -> Latch:
    """Return the turn that a query for the last one has found."""
    if not rows:
        return Latch()
    turn, ts_ms, level, reason, account, source = rows[0]
    return Latch(turn, ts_ms, KillLevel(level), reason, account, source)
