"""The journal off the event loop: one thread, one SQLite connection, calls in order.

No journal, no send: every write that precedes a send is awaited, and an error there stops the send.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

from hedged.directories import make_directory
from hedged.domain.errors import Fatal
from hedged.execution.store import JournalStore

P = ParamSpec("P")
T = TypeVar("T")


class Journal:
    """Runs `JournalStore` methods on the journal's own thread: `await journal(JournalStore.fills)`."""

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    @classmethod
    def open(cls, path: Path | None, *, durable: bool = True) -> Self:
        """Open or create the journal at `path`; None keeps it in memory (backtests)."""
        if path is not None:
            make_directory(path.parent)
        return cls(JournalStore(str(path) if path else ":memory:", durable=durable))

    async def __call__(
        self, method: Callable[Concatenate[JournalStore, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one store method on the journal's thread and return its result. Raises Fatal when SQLite fails."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: method(self._store, *args, **kwargs))
        except sqlite3.Error as error:
            raise Fatal(
                f"the journal cannot be used, so nothing is sent: {error}; free the disk or mend it"
            ) from error

    def close(self) -> None:
        """Finish what is queued and close the file."""
        self._thread.shutdown(wait=True)
        self._store.close()
