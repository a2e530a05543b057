"""The journal's life in a daemon: waited for, claimed, copied, kept small."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fakes import NOW_MS

from hedged.config import parse_config
from hedged.domain.clock import DAY_MS
from hedged.domain.errors import Fatal
from hedged.execution.journal import backups
from hedged.execution.journal import file as journal_file
from hedged.execution.journal.claim import claim_journal
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.wiring.journal import DECISIONS_KEPT_MS, JournalUpkeep, open_journal


class At:
    """A clock that stands."""

    slice_s = 1.0

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms


def test_a_start_waits_for_a_journal_and_says_why(
    tmp_path: Path, logs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a locked journal ends the start, or it waits for ever although it was told to end."""
    monkeypatch.setattr(journal_file, "LOCKED_S", 0.05)
    path = tmp_path / "journal.sqlite"
    Journal.open(path).close()
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("PRAGMA locking_mode = EXCLUSIVE")
    shell.execute("BEGIN EXCLUSIVE")
    said: list[str] = []
    waits = iter([True, False])

    async def wait(_: float) -> bool:
        return next(waits)

    async def main() -> None:
        assert await open_journal(parse_config({}), path, said.append, wait) is None
        shell.close()
        journal = await open_journal(parse_config({}), path, said.append, wait)
        assert journal is not None
        journal.close()

    asyncio.run(main())
    assert "until then nothing is sent" in said[0]
    assert said[-1] == ""
    assert [e["event"] for e in logs] == ["journal_failing"]


@pytest.mark.parametrize(
    ("account", "book", "said"),
    [
        ("other", "inj1a/0", "is of account main, the configuration says other"),
        ("main", "inj1b/0", "is of book inj1a/0"),
    ],
)
def test_a_live_journal_of_another_account_is_refused(account: str, book: str, said: str) -> None:
    """If this fails, one account's fills are taken off another's position, and unwound there."""

    async def main() -> None:
        journal = Journal.open(None)
        await claim_journal(journal, "live", "main", "inj1a/0")
        await claim_journal(journal, "live", "main", "inj1a/0")
        with pytest.raises(Fatal, match=said):
            await claim_journal(journal, "live", account, book)
        journal.close()

    asyncio.run(main())


def test_upkeep_copies_once_a_day_prunes_and_costs_no_order(
    tmp_path: Path, logs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, there is no backup when one is needed, or a failing one takes the daemon with it."""

    async def main() -> None:
        journal, clock = Journal.open(tmp_path / "journal.sqlite"), At(NOW_MS)
        upkeep = JournalUpkeep(journal, clock)
        await journal(
            JournalStore.record_cycle, NOW_MS - DECISIONS_KEPT_MS - 1, {"BTC": {"reason": "old"}}, {}, {}
        )
        await journal(JournalStore.record_cycle, NOW_MS, {"BTC": {"reason": "new"}}, {}, {})
        await upkeep.once()
        await upkeep.once()
        assert [row["reason"] for row in await journal(JournalStore.decisions)] == ["new"]
        clock.ms += DAY_MS
        monkeypatch.setattr(backups, "back_up", no_room)
        await upkeep.once()
        await upkeep.once()
        monkeypatch.undo()
        await upkeep.once()
        journal.close()

    def no_room(*_: object) -> None:
        raise OSError("No space left on device")

    asyncio.run(main())
    kept = sorted(file.name for file in (tmp_path / "journal-backups").iterdir())
    assert kept == ["journal-2025-06-15.sqlite", "journal-2025-06-16.sqlite"]
    assert [e["event"] for e in logs] == ["journal_backed_up", "journal_not_backed_up", "journal_backed_up"]
