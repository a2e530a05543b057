"""Copies of the journal beside it: one a day, the last few kept, and one before each lift to a newer version."""

import os
import sqlite3
from pathlib import Path

from hedged.directories import make_private_file
from hedged.domain.clock import iso

FOLDER = "journal-backups"
KEPT = 3
"""Daily copies; one is as large as the journal."""


def latest_backup(path: Path) -> Path | None:
    """Return the newest copy of a journal; None where there is none."""
    found = [file for file in (path.parent / FOLDER).glob(f"{path.stem}-*.sqlite") if file.is_file()]
    return max(found, key=lambda file: file.stat().st_mtime_ns, default=None)


def daily(path: Path, now_ms: int) -> Path:
    """Return where the copy of a day (UTC) lies, or will."""
    return path.parent / FOLDER / f"{path.stem}-{iso(now_ms)[:10]}.sqlite"


def back_up(source: sqlite3.Connection, target: Path) -> None:
    """Copy a database as of one instant, whole or not at all. Raises sqlite3.Error and OSError."""
    target.parent.mkdir(exist_ok=True, mode=0o700)
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    make_private_file(part)
    copy = sqlite3.connect(part)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file that needs no other beside it
    finally:
        copy.close()
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)


def back_up_file(path: Path, target: Path) -> None:
    """Copy a journal that another may be writing. Raises sqlite3.Error and OSError.

    Reads by a connection of its own, so that nothing waits for it.
    """
    source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        back_up(source, target)
    finally:
        source.close()


def back_up_daily(path: Path, now_ms: int) -> bool:
    """Copy a journal if this day has no copy yet, and drop the oldest daily ones. Returns whether it made one.

    Raises sqlite3.Error and OSError.
    """
    target = daily(path, now_ms)
    if target.exists():
        return False
    back_up_file(path, target)
    dated = sorted(target.parent.glob(f"{path.stem}-????-??-??.sqlite"))
    for old in dated[:-KEPT]:
        old.unlink()
    return True
