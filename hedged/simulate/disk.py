"""The journal of a simulation: SQLite as ever, on a disk that fills up, fails and is slow, and survives crashes."""

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from hedged.domain.errors import Fatal, NoJournal
from hedged.execution.journal.faults import fault
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.simulate.faults import Fault

if TYPE_CHECKING:
    from hedged.simulate.life import Life

P = ParamSpec("P")
T = TypeVar("T")
NO_LIMIT = 1_073_741_823
WRITES = ("record_attempt", "record_event", "record_executions", "record_funding", "record_cycle", "set_kill")
"""What of the journal's writes is part of the history."""


class Disk:
    """Holds what was committed. In memory, or in a file where a seed asks for the real thing."""

    def __init__(self, *, file: bool) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hedged-simulate-") if file else None
        self._path = str(Path(self._directory.name) / "journal.sqlite") if self._directory else ":memory:"
        self.store = JournalStore(self._path, durable=False)

    def reopen(self) -> None:
        """Read the journal anew, as a restarted process does: what the old one kept in memory is gone."""
        before = self.store
        if self._directory is None:
            self.store = JournalStore(self._path, durable=False)
            before._db.backup(self.store._db)
            before.close()
        else:
            before.close()
            self.store = JournalStore(self._path, durable=False)

    def fill_up(self, *, full: bool) -> None:
        """Leave no page free, or as many as anyone wants."""
        ((pages,),) = self.store.rows("PRAGMA page_count", ())
        self.store.rows(f"PRAGMA max_page_count = {pages if full else NO_LIMIT}", ())

    def close(self) -> None:
        """Throw it away."""
        self.store.close()
        if self._directory is not None:
            self._directory.cleanup()


class SimJournal(Journal):
    """The journal of one life. A call takes a while; a crash on the way leaves it done or undone, never half."""

    def __init__(self, life: "Life") -> None:
        super().__init__(life.world.disk.store)
        self._life = life

    def _open_anew(self) -> None:
        """Read what was committed, on a disk that may be full still."""
        disk, faults, now_ms = self._life.world.disk, self._life.world.faults, self._life.world.now_ms()
        disk.reopen()
        self._store = disk.store
        disk.fill_up(full=faults.lasting(Fault.DISK_FULL, now_ms) is not None)
        try:
            if faults.strikes(Fault.DISK_ERROR, now_ms):
                raise _io_error()
            self._store.try_writing()
        except sqlite3.Error as error:
            raise fault(error, Path("in memory")) from error
        self._life.note("journal_mended")

    async def __call__(
        self, method: Callable[Concatenate[JournalStore, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one store method. Raises as the journal does when SQLite fails."""
        life, world = self._life, self._life.world
        life.alive()
        now_ms = world.now_ms()
        if world.faults.strikes(Fault.DISK_SLOW, now_ms):
            await life.wait(world.dice.between(0.2, 4))
        world.disk.fill_up(full=world.faults.lasting(Fault.DISK_FULL, now_ms) is not None)
        breaks = world.faults.strikes(Fault.DISK_ERROR, now_ms)
        name = method.__name__

        def done(store: JournalStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if life.dead:
                raise sqlite3.OperationalError("the process is dead")
            if breaks and world.dice.chance(0.5):
                raise _io_error()
            result = method(store, *args, **kwargs)
            if name in WRITES:
                life.note(name, args=args[:1] if name == "record_cycle" else args, **kwargs)
            if method is JournalStore.write and "INTO orphans" in args[0][0][0]:  # type: ignore[index]
                life.note("orphan", client_id=args[0][0][1][0])  # type: ignore[index]
            if name == "record_attempt":
                world.light_fuse(0.05)
            if breaks:
                raise _io_error()
            return result

        try:
            life.writing = True
            return await super().__call__(done, *args, **kwargs)
        except (Fatal, NoJournal) as error:
            life.note("journal_failed", method=name, error=type(error).__name__)
            raise


def _io_error() -> sqlite3.Error:
    """Return what SQLite raises where a write, or the sync of it, fails."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error
