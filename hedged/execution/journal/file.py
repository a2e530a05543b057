"""The journal as a file: opened and checked, lifted to this program's version, written in whole transactions.

What is wrong is said, never mended in secret: a damaged, foreign or newer file is refused and stays as it is.
"""

import os
import sqlite3
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from hedged.directories import make_private_file
from hedged.domain.clock import perf_s
from hedged.domain.errors import Fatal, NoJournal
from hedged.execution.journal.backups import FOLDER, back_up, latest_backup
from hedged.execution.journal.faults import damaged, fault, ways_on

JOURNAL_FILE = "journal.sqlite"
"""In the state directory."""
VERSION = 5
MIGRATIONS = {version: f"migrate_{version}_to_{version + 1}.sql" for version in range(1, VERSION)}
"""The script that lifts a journal from each earlier version to the next; it sets the version itself."""
CHECK_S = 1.0
"""So long a start looks for damage; a journal that is larger than can be read in that time is checked in part."""
CHECK_STEPS = 10_000  # of SQLite's virtual machine, between two looks at the time
LOCKED_S = 5.0
"""So long another program's lock is waited for."""
ROOM = 256 * 1024
"""Bytes that must be writable before a failed journal counts as mended: some hundred orders."""
MEMORY = ":memory:"


class JournalFile:
    """One SQLite file. `durable` makes every commit survive a power cut (WAL, synchronous=FULL)."""

    def __init__(self, path: str, *, durable: bool, check: bool = False) -> None:
        """`check`: look for damage first. Raises NoJournal for what can pass, Fatal for what a person must mend."""
        self.path = None if path == MEMORY else Path(path)
        where = Path(path)
        if self.path:
            _refuse_emptied(self.path)
            _make_private(self.path)
        try:
            self._db = sqlite3.connect(path, LOCKED_S, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise fault(error, where) from error
        try:
            self._prepare(where, durable=durable, check=check)
        except sqlite3.Error as error:
            self._db.close()
            raise fault(error, where) from error
        except UnicodeDecodeError as error:
            self._db.close()
            raise damaged(where, "a text in it is none") from error
        except OSError as error:
            self._db.close()
            raise NoJournal(
                f"journal: no copy of {where} can be made before it is lifted: {error}"
            ) from error
        except BaseException:
            self._db.close()
            raise
        self._identity = _identity(self.path)

    def _prepare(self, path: Path, *, durable: bool, check: bool) -> None:
        """Set the file up, make the tables when it is new, lift it when it is old."""
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
        if tables and "meta" not in tables:
            raise Fatal(f"{path} is a database, but no journal of this program: name another state_dir")
        if tables and check:
            self._look_for_damage(path)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        self._db.execute("PRAGMA foreign_keys = ON")
        if not tables:
            self._script("schema.sql")
        version = self._version(path)
        if version in MIGRATIONS and self.path:
            back_up(self._db, path.parent / FOLDER / f"{path.stem}-version-{version}.sqlite")
        while version in MIGRATIONS:
            self._script(MIGRATIONS[version])
            version = self._version(path)
        if version > VERSION:
            raise Fatal(
                f"the journal {path} has version {version}, this program reads up to {VERSION}: run the newer program "
                f"that wrote it. {_older_copy(path)}"
            )
        if version != VERSION:
            raise damaged(path, f"version {version}")

    def _version(self, path: Path) -> int:
        row = self._db.execute("SELECT version FROM meta").fetchone()
        if row is None:
            raise damaged(path, "it tells no version")
        return int(row[0])

    def _look_for_damage(self, path: Path) -> None:
        """Let SQLite check its structure, for a bounded time. Raises Fatal for what is damaged."""
        until_s = perf_s() + CHECK_S
        self._db.set_progress_handler(lambda: int(perf_s() > until_s), CHECK_STEPS)
        try:
            (said,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            said = "ok"  # as far as it came
        finally:
            self._db.set_progress_handler(None, 0)
        if said != "ok":
            raise damaged(path, " ".join(str(said).split()))

    def _script(self, name: str) -> None:
        """Run a script as one transaction: a crash in the middle leaves the journal as it was."""
        script = resources.files("hedged.execution.journal").joinpath(name).read_text(encoding="utf-8")
        self._db.executescript(f"BEGIN IMMEDIATE; {script} COMMIT;")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def try_writing(self) -> None:
        """Write and take back as much as some hundred orders need, durably. Raises sqlite3.Error where that fails."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO states VALUES ('room', ?)", ("0" * ROOM,))
        with self.transaction():
            self._db.execute("DELETE FROM states WHERE name = 'room'")

    def write(self, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        """Run statements as one durable transaction; for tables that have a module of their own."""
        with self.transaction():
            for sql, parameters in statements:
                self._db.execute(sql, parameters)

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds; for tables that have a module of their own."""
        return list(self._db.execute(sql, parameters))

    def transaction(self) -> "_Transaction":
        """Return a block that is written whole or not at all. Raises Fatal when the file is no more where it was."""
        self.still_there()
        return _Transaction(self._db)

    def still_there(self) -> None:
        """Raise Fatal when the file is no more where it was: what is written now would be lost with the process."""
        if self.path is not None and _identity(self.path) != self._identity:
            raise self._taken_away(self.path)

    def _taken_away(self, path: Path) -> Fatal:
        """Save what is known: the file that is open has no name any more, and would be gone with this process."""
        saved = path.parent / FOLDER / f"{path.stem}-rescued.sqlite"
        try:
            back_up(self._db, saved)
            where = f"all that it held is in {saved}: copy that to {path}"
        except (sqlite3.Error, OSError) as error:
            where = f"what it held could not be saved ({error}). {ways_on(path)}"
        return Fatal(f"the journal {path} was moved, deleted or replaced while the daemon ran: {where}")


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK on any error."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # an error before, or a commit that failed (disk full)
                self._db.execute("ROLLBACK")


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Tell one file from another of the same name; None where there is none."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _refuse_emptied(path: Path) -> None:
    """Raise Fatal where a journal was lost: nothing is there, and its backups say that there should be something."""
    if latest_backup(path) is not None and (not path.exists() or not path.stat().st_size):
        state = "is empty" if path.exists() else "is gone"
        raise Fatal(f"the journal {path} {state}, but there are backups of it. {ways_on(path)}")


def _make_private(path: Path) -> None:
    """Make a new journal its owner's alone; SQLite gives the files beside it the same rights."""
    try:
        make_private_file(path)
    except OSError:
        pass  # SQLite says better what is wrong with it


def _older_copy(path: Path) -> str:
    copies = sorted((path.parent / FOLDER).glob(f"{path.stem}-version-*.sqlite"))
    if not copies:
        return ways_on(path)
    return (
        f"The copy from before it was lifted, {copies[-1]}, lacks all that was done since: never trade on it"
    )
