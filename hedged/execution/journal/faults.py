"""What a failure of SQLite means for the daemon: something that passes, or a journal that must not be gone on with."""

import sqlite3
from pathlib import Path

from hedged.domain.errors import Fatal, HedgedError, NoJournal
from hedged.execution.journal.backups import latest_backup

PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full: free space on {directory}",
    sqlite3.SQLITE_IOERR: "the disk fails: look into the system's log, and at {directory}",
    sqlite3.SQLITE_READONLY: "it may not be written: make {path} and {directory} writable again",
    sqlite3.SQLITE_PERM: "it may not be written: make {path} and {directory} writable again",
    sqlite3.SQLITE_BUSY: "another program holds it: end what has {path} open (an sqlite3 shell, a backup)",
    sqlite3.SQLITE_LOCKED: "another program holds it: end what has {path} open (an sqlite3 shell, a backup)",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: look at {directory}, its owner and its rights",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_PROTOCOL: "another program holds it: end what has {path} open (an sqlite3 shell, a backup)",
}
"""Primary result codes of what can pass by itself or by the operator's doing, and what that is."""
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def fault(error: sqlite3.Error, path: Path) -> HedgedError:
    """Return what is to be raised in place of an error of SQLite: NoJournal for what can pass, else Fatal."""
    code = (
        getattr(error, "sqlite_errorcode", 0) & 0xFF
    )  # the rest of an extended code tells where it happened
    if code in PASSING:
        remedy = PASSING[code].format(path=path, directory=path.parent)
        return NoJournal(f"journal: {remedy} ({error}); until then nothing is sent")
    if code in DAMAGE:
        return damaged(path, str(error))
    return Fatal(f"the journal {path} cannot be used, so nothing is sent: {error}")


def damaged(path: Path, how: str) -> Fatal:
    """Return the error for a journal whose content cannot be trusted: what there is to go on with, and what is lost."""
    return Fatal(
        f"the journal {path} is damaged ({how}); nothing of it was changed, and nothing is sent without it. "
        + ways_on(path)
    )


def ways_on(path: Path) -> str:
    """Say how to go on without the journal that is there: its backup, or a new one."""
    kept = latest_backup(path)
    back = (
        f"Go on from its last backup: move {path}* away, then `cp {kept} {path}`; what was ordered since that was made "
        "is not in it: its fills are known by their tag, and their coins stay frozen until you say whose they are. Or"
        if kept
        else f"There is no backup in {path.parent}. What can be saved: `sqlite3 {path} .recover`. Or"
    )
    return (
        f"{back} begin a new one: close the daemon's hedges and give back its cuts by hand, move {path}* and its "
        "backups away, and set `reconcile: {disown_before: <now>}`. Without that, coins of which a fill of the last "
        "days is found stay frozen, and all older ones are taken for your own (docs/journal.md)"
    )
