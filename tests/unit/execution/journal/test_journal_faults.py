"""A journal that cannot be written: nothing is sent, nothing is forgotten, and it goes on once it can be again."""

import asyncio
import resource
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import NOW_MS, THERE, FakeVenue, approve, intent

from hedged.backtest.virtual_time import run_virtually
from hedged.domain.clock import LoopClock
from hedged.domain.errors import Fatal, HedgedError, NoJournal
from hedged.domain.market import INJECTIVE
from hedged.execution.accounts import Accounts
from hedged.execution.journal.faults import fault
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.working.executor import Executor

REACHED = 200_000
"""Bytes: more than any other file that pytest writes meanwhile, less than a mended journal must be able to write."""
Script = Callable[[Journal], Coroutine[Any, Any, None]]


def on(path: Path, script: Script) -> None:
    async def main() -> None:
        journal = Journal.open(path)
        await journal(lambda store: store._db.execute("PRAGMA busy_timeout = 20"))
        try:
            await script(journal)
        finally:
            journal.close()

    asyncio.run(main())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file of this process grow beyond what the journal has reached, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (REACHED, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def read_only(store: JournalStore) -> None:
    store._db.execute("PRAGMA query_only = ON")


def test_a_full_disk_is_told_refuses_all_and_passes(path: Path, logs: list[dict[str, Any]]) -> None:
    """If this fails, a full disk ends the daemon, or it goes on sending what it cannot write down."""
    one, other = approve(intent()), approve(intent(THERE))

    async def script(journal: Journal) -> None:
        while path.with_name(f"{path.name}-wal").stat().st_size < REACHED:
            await journal(JournalStore.save_state, "s", {"x": "y" * 4_000})
        await journal(JournalStore.record_attempt, one, NOW_MS)
        with no_room():
            for _ in range(2):
                with pytest.raises(NoJournal, match=r"free space on|the disk fails.*nothing is sent"):
                    await journal(JournalStore.record_attempt, other, NOW_MS)
            with pytest.raises(NoJournal):  # not even read: memory and file may have parted
                await journal(JournalStore.unresolved)
            assert not await journal.mend()
            assert journal.trouble
        assert await journal.mend()
        assert not journal.trouble
        assert [cid for cid, _ in await journal(JournalStore.unresolved)] == [one.client_id]
        await journal(JournalStore.record_attempt, other, NOW_MS)
        assert await journal(JournalStore.load_state, "room") == {}

    on(path, script)
    assert [e["event"] for e in logs] == ["journal_failing", "journal_works_again"]


def test_a_locked_journal_passes(path: Path) -> None:
    """If this fails, an sqlite3 shell that was left open in a transaction ends the daemon."""

    async def script(journal: Journal) -> None:
        shell = sqlite3.connect(path, isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(NoJournal, match="another program holds it"):
            await journal(JournalStore.set_kill, NOW_MS, 1, "why")
        shell.execute("ROLLBACK")
        shell.close()
        assert await journal.mend()
        await journal(JournalStore.set_kill, NOW_MS, 1, "why")

    on(path, script)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (sqlite3.SQLITE_FULL, NoJournal, "free space on /state"),
        (sqlite3.SQLITE_IOERR_FSYNC, NoJournal, "the disk fails"),
        (sqlite3.SQLITE_IOERR_WRITE, NoJournal, "the disk fails"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, NoJournal, "make /state/journal.sqlite and /state writable"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, NoJournal, "another program holds it"),
        (sqlite3.SQLITE_CANTOPEN, NoJournal, "cannot be opened"),
        (sqlite3.SQLITE_CORRUPT_VTAB, Fatal, "is damaged"),
        (sqlite3.SQLITE_NOTADB, Fatal, "is damaged"),
        (sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, Fatal, "cannot be used"),
        (None, Fatal, "cannot be used"),
    ],
)
def test_what_passes_is_told_from_what_does_not(code: int | None, kind: type[HedgedError], said: str) -> None:
    """If this fails, the daemon waits for a damaged journal to heal, or dies of a disk that is full for a minute."""
    error = sqlite3.OperationalError("no luck")
    if code is not None:
        error.sqlite_errorcode = code
    meant = fault(error, Path("/state/journal.sqlite"))
    assert type(meant) is kind
    assert said in str(meant)


def test_a_journal_that_is_taken_away_is_noticed_and_saved(path: Path, tmp_path: Path) -> None:
    """If this fails, what is written after somebody deleted the journal is lost with the process, and no one knows."""
    one = approve(intent())

    async def script(journal: Journal) -> None:
        await journal(JournalStore.record_attempt, one, NOW_MS)
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink()
        with pytest.raises(Fatal, match="moved, deleted or replaced") as told:
            await journal(JournalStore.set_kill, NOW_MS, 1, "why")
        assert "journal-rescued.sqlite" in str(told.value)

    on(path, script)
    saved = sqlite3.connect(tmp_path / "journal-backups" / "journal-rescued.sqlite")
    assert saved.execute("SELECT client_id FROM intents").fetchall() == [(one.client_id,)]
    saved.close()
    with pytest.raises(Fatal, match="is gone, but there are backups"):
        JournalStore(str(path), durable=True)


class Life:
    """Executor and accounts on one exchange and a journal file."""

    def __init__(self, path: Path, venue: FakeVenue) -> None:
        self.journal, self.venues = (
            Journal.open(path),
            {venue.venue: venue, INJECTIVE: FakeVenue(INJECTIVE, 10)},
        )

    async def begin(self) -> Executor:
        self.accounts = Accounts(self.venues, self.journal, NOW_MS)
        await self.accounts.load()
        executor = Executor(self.venues, self.journal, self.accounts, LoopClock(NOW_MS))
        await executor.load()
        return executor


@pytest.mark.parametrize("fails", ["before the send", "after the send"])
def test_what_cannot_be_written_around_a_send_is_looked_up_later(path: Path, fails: str) -> None:
    """If this fails, an order that was sent is forgotten because its acknowledgement could not be written."""
    venue = FakeVenue("binance")
    one, later = approve(intent(THERE)), approve(intent(THERE, "1", cycle_ts_ms=NOW_MS + 1))

    async def script() -> None:
        life = Life(path, venue)
        executor = await life.begin()
        if fails == "before the send":
            await life.journal(read_only)
        else:
            venue.watch = lambda _: read_only(life.journal._store)
        with pytest.raises(NoJournal):
            await executor.execute([one, later])
        venue.watch = lambda _: None
        sent = fails == "after the send"
        assert len(venue.placed) == sent
        assert list(executor.unresolved) == [one.client_id] * sent
        with pytest.raises(NoJournal):  # nor does it send while the journal has not been read again
            await executor.execute([later])
        assert len(venue.placed) == sent
        assert await life.journal.mend()
        again = await life.begin()
        assert again.unresolved == {}
        assert venue.lookups == sent
        assert (await life.accounts.refresh(NOW_MS)).attributed == ({THERE: Decimal(-1)} if sent else {})
        await again.execute([later])
        life.journal.close()

    run_virtually(script)
    db = sqlite3.connect(path)
    told = db.execute("SELECT event FROM order_events WHERE client_id = ?", (one.client_id,)).fetchall()
    db.close()
    assert told == ([("attempt",), ("acknowledged",)] if fails == "after the send" else [])
