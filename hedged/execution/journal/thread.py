"""The journal off the event loop: one thread, one SQLite connection, calls in order.

No journal, no send: every write that precedes a send is awaited, and an error there stops the send. Once a call has
failed by what can pass (a full disk), every further one is refused until `mend` has opened the file anew and written
to it: whoever works with the journal then reads it again, as after a restart, for memory and file may have parted.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import InvalidOperation
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

import structlog

from hedged.directories import make_private_directory
from hedged.domain.errors import HedgedError, NoJournal
from hedged.execution.journal.backups import back_up_daily
from hedged.execution.journal.faults import damaged, fault
from hedged.execution.journal.store import JournalStore

UNREADABLE = (UnicodeDecodeError, json.JSONDecodeError, InvalidOperation)
"""What a row ends in whose text was damaged in a way that SQLite does not see."""

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Journal:
    """Runs `JournalStore` methods on the journal's own thread: `await journal(JournalStore.fills)`.

    `trouble`: why nothing can be written now, and what to do; empty while all is well.
    """

    def __init__(self, store: JournalStore, reopen: Callable[[], JournalStore] | None = None) -> None:
        self._store = store
        self._reopen = reopen or (lambda: store)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self.trouble = ""

    @classmethod
    def open(cls, path: Path | None, *, durable: bool = True) -> Self:
        """Open or create the journal at `path`; None keeps it in memory (backtests).

        Raises NoJournal for what can pass, Fatal for what a person must mend.
        """
        if path is None:
            return cls(JournalStore(":memory:", durable=durable))
        make_private_directory(path.parent)

        def opened() -> JournalStore:
            return JournalStore(str(path), durable=durable, check=True)

        return cls(opened(), opened)

    async def __call__(
        self, method: Callable[Concatenate[JournalStore, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one store method on the journal's thread and return its result.

        Raises NoJournal while it cannot be written, Fatal for what does not pass.
        """

        def call() -> T:
            if self.trouble:  # an earlier call of the queue failed
                raise NoJournal(self.trouble)
            try:
                return method(self._store, *args, **kwargs)
            except sqlite3.Error as error:
                raise self._failed(error) from error
            except UNREADABLE as error:
                where = self._store.path or Path("in memory")
                raise damaged(where, f"a row cannot be read: {type(error).__name__}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def mend(self) -> bool:
        """Try whether a journal that failed can be written again; return whether it can.

        Raises Fatal where it turns out to be damaged or replaced.
        """
        if not self.trouble:
            return True
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._open_anew)
        except NoJournal as error:
            self.trouble = str(error)
            return False
        self.trouble = ""
        log.warning(
            "journal_works_again", next="all is read from it and the venues again before anything is sent"
        )
        return True

    async def back_up(self, now_ms: int) -> bool:
        """Copy the journal if this day has no copy yet, beside all other work. Raises sqlite3.Error and OSError."""
        path = self._store.path
        if path is None or self.trouble:
            return False
        return await asyncio.get_running_loop().run_in_executor(None, back_up_daily, path, now_ms)

    def close(self) -> None:
        """Finish what is queued and close the file."""
        self._thread.shutdown(wait=True)
        self._store.close()

    def _failed(self, error: sqlite3.Error) -> HedgedError:
        """Say what a failure means; refuse all further calls if it may pass."""
        meant = fault(error, self._store.path or Path("in memory"))
        if isinstance(meant, NoJournal):
            self.trouble = str(meant)
            log.error("journal_failing", why=self.trouble)
        return meant

    def _open_anew(self) -> None:
        """Read what is really in the file: after a failed write SQLite's memory of it is not to be trusted."""
        self._store.still_there()
        self._store.close()
        try:
            self._store = self._reopen()
            self._store.try_writing()
        except sqlite3.Error as error:
            raise fault(error, self._store.path or Path("in memory")) from error
