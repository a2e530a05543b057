"""The journal's file: refused when it is not what it should be, lifted when it is old, whole after any crash."""

import os
import signal
import sqlite3
import subprocess
import sys
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import NOW_MS, THERE, approve, intent

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.errors import Fatal
from hedged.domain.orders import Execution, Side
from hedged.execution.journal import file as journal_file
from hedged.execution.journal.backups import KEPT, back_up_daily
from hedged.execution.journal.store import JournalStore

OLD = Path(__file__).parents[3] / "support" / "old_journals"
"""The schemas of earlier versions as they were."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def opened(path: Path) -> JournalStore:
    return JournalStore(str(path), durable=True, check=True)


def script(name: str) -> str:
    return resources.files("hedged.execution.journal").joinpath(name).read_text(encoding="utf-8")


def old(path: Path, version: int) -> None:
    """Write a journal as the program of that version did, with an order, a fill and a kill in it."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript((OLD / f"{version}.sql").read_text(encoding="utf-8"))
    more, turned = (("c1", 0, "take"), ", 'mine', 'cli'") if version > 2 else ((), "")
    for client_id, told in (
        ("c1", ""),
        ("c2", "cancelled filled 0.5"),
        ("c3", "filled filled 2.00"),
        ("c4", ""),
    ):
        one = (client_id, 5, 4, *THERE, "sell", "1.50", "99", "100", "hedge_open", 0, "m", "f", "c", *more)
        db.execute(f"INSERT INTO intents VALUES ({','.join('?' * len(one))})", one)
        ways = [("attempt", "")] if client_id == "c1" else [("attempt", ""), ("acknowledged", told)]
        for ts_ms, (event, text) in enumerate(ways, 5):
            detail, _, filled = text.partition(" filled ")
            row = (detail, filled or None) if version > 3 else (text,)
            values = (client_id, ts_ms, event, *row)
            db.execute(f"INSERT INTO order_events VALUES ({','.join('?' * len(values))})", values)
    db.execute(
        "INSERT INTO executions VALUES ('binance', 'e1', 6, 'BTC', 'c1', 'sell', '1.50', '100', '0.1')"
    )
    db.execute("INSERT INTO kill_latch VALUES (7, 1, 'by hand'" + turned + ")")
    db.commit()
    db.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_an_old_journal_is_lifted_whole_and_a_copy_is_kept(path: Path, version: int) -> None:
    """If this fails, an update of the program loses what the one before did, or leaves no way back."""
    old(path, version)
    store = opened(path)
    assert store.unresolved() == [("c1", THERE)]
    assert [str(fill.execution.quantity) for fill in store.fills()] == ["1.50"]
    assert (store.latch().level, store.latch().reason) == (1, "by hand")
    assert store.rows("SELECT parent, attempt, kind FROM intents LIMIT 1") == [("c1", 0, "take")]
    assert store.acknowledged_since(0) == [
        ("c2", "binance", Decimal("0.5")), ("c3", "binance", Decimal(2))
    ]  # fmt: skip
    details = store.rows("SELECT detail FROM order_events WHERE event = 'acknowledged'")
    assert details == [("cancelled",), ("filled",), ("",)]
    store.record_attempt(approve(intent(THERE)), NOW_MS, attempt=1)
    fresh = sqlite3.connect(":memory:")
    fresh.executescript(script("schema.sql"))

    def columns(db: Any) -> dict[str, list[str]]:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for name in sorted(tables)}

    assert columns(store._db) == columns(fresh)
    store.close()
    fresh.close()
    kept = sqlite3.connect(path.parent / "journal-backups" / f"journal-version-{version}.sqlite")
    assert kept.execute("SELECT version FROM meta").fetchone() == (version,)
    assert kept.execute("SELECT count(*) FROM intents").fetchone() == (4,)
    kept.close()


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_lift_that_breaks_off_leaves_the_older_journal(
    path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a crash during an update leaves a journal that no version of the program can read."""
    old(path, 1)
    whole = JournalStore._script

    def breaking(self: JournalStore, name: str) -> None:
        if name != journal_file.MIGRATIONS[step]:
            return whole(self, name)
        half = script(name).rpartition("UPDATE meta")[0]
        return self._db.executescript(f"BEGIN IMMEDIATE; {half} SELECT no_such_thing; COMMIT;") and None

    monkeypatch.setattr(JournalStore, "_script", breaking)
    with pytest.raises(Fatal, match="no_such_thing"):
        opened(path)
    db = sqlite3.connect(path)
    assert db.execute("SELECT version FROM meta").fetchone() == (step,)
    assert db.execute("SELECT DISTINCT quantity FROM intents").fetchall() == [("1.50",)]
    db.close()
    monkeypatch.undo()
    store = opened(path)
    assert store.unresolved() == [("c1", THERE)]
    store.close()


def fill(path: Path, rows: int = 400) -> None:
    store = opened(path)
    store.write([("INSERT INTO states VALUES (?, ?)", (f"s{n}", "y" * 500)) for n in range(rows)])
    store.record_attempt(approve(intent(THERE)), NOW_MS)
    store.close()


def overwrite(path: Path, at: int, what: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(what)


@pytest.mark.parametrize("how", ["head", "middle", "truncated", "text"])
def test_a_damaged_journal_is_refused_untouched_and_says_what_to_do(path: Path, how: str) -> None:
    """If this fails, the daemon trades on half a memory, or wipes what a repair could have saved."""
    fill(path)
    back_up_daily(path, NOW_MS)
    size = path.stat().st_size
    if how == "head":
        overwrite(path, 0, b"\0" * 100)
    elif how == "middle":
        for at in range(4096, size, 4096):
            overwrite(path, at, b"\xa5" * 64)
    elif how == "truncated":
        with path.open("r+b") as file:
            file.truncate(size // 2 // 4096 * 4096)
    else:
        path.write_text("this is no journal\n" * 300)
    before = path.read_bytes()
    with pytest.raises(Fatal, match="is damaged") as told:
        opened(path)
    said = str(told.value)
    assert "journal-2025-06-15.sqlite" in said
    assert "begin a new one" in said
    assert "disown_before" in said
    assert path.read_bytes() == before


def test_the_backup_that_the_error_names_is_a_journal(path: Path) -> None:
    """If this fails, the way back that the daemon offers leads nowhere."""
    fill(path, 3)
    assert back_up_daily(path, NOW_MS)
    assert not back_up_daily(path, NOW_MS + HOUR_MS)
    path.write_bytes(b"")
    with pytest.raises(Fatal, match="is empty, but there are backups"):
        opened(path)
    for file in path.parent.glob("journal.sqlite*"):
        file.unlink()
    (kept,) = path.parent.glob("journal-backups/*")
    path.write_bytes(kept.read_bytes())
    store = opened(path)
    assert [key for _, key in store.unresolved()] == [THERE]
    store.close()


def test_only_the_last_backups_are_kept(path: Path) -> None:
    """If this fails, the copies fill the disk that the journal needs."""
    fill(path, 1)
    for day in range(KEPT + 3):
        assert back_up_daily(path, NOW_MS + day * DAY_MS)
    kept = sorted(file.name for file in path.parent.glob("journal-backups/*"))
    assert len(kept) == KEPT
    assert kept[0] == "journal-2025-06-18.sqlite"


def test_a_newer_journal_and_a_foreign_database_are_refused(path: Path, tmp_path: Path) -> None:
    """If this fails, an older program misreads a newer journal, or writes its tables into somebody's database."""
    old(path, 2)
    opened(path).close()
    db = sqlite3.connect(path)
    db.execute("UPDATE meta SET version = ?", (journal_file.VERSION + 1,))
    db.commit()
    db.close()
    with pytest.raises(Fatal, match=r"has version \d, this program reads up to \d: run the newer program"):
        opened(path)
    other = tmp_path / "other.sqlite"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE things (a)")
    db.commit()
    db.close()
    with pytest.raises(Fatal, match="no journal of this program"):
        opened(other)


def test_old_decisions_are_dropped_and_what_was_traded_is_kept(path: Path) -> None:
    """If this fails, the journal grows for ever, or nobody can say any more why an old order was sent."""
    store = opened(path)
    traded_ms = NOW_MS // HOUR_MS * HOUR_MS + HOUR_MS
    one = approve(intent(THERE, cycle_ts_ms=traded_ms + 900_000))
    store.record_attempt(one, traded_ms)
    for n in range(-8, 16):
        store.record_cycle(traded_ms + n * 900_000, {"BTC": {"reason": str(n)}}, {}, {})
    assert store.prune(traded_ms + 8 * 900_000) == 12
    assert [row["reason"] for row in store.decisions()] == [str(n) for n in (*range(4), *range(8, 16))]
    assert store.prune(traded_ms + 8 * 900_000) == 0
    assert len(store.intents()) == 1
    store.close()


WRITER = """
import sys
from fakes import NOW_MS, THERE, approve, intent
from hedged.execution.journal.store import JournalStore
store = JournalStore(sys.argv[1], durable=True)
for n in range(1_000_000):
    one = approve(intent(THERE, cycle_ts_ms=NOW_MS + n))
    store.record_attempt(one, NOW_MS + n)
    print(one.client_id, flush=True)
"""


def test_what_was_committed_outlives_a_kill_in_the_middle_of_commits(path: Path) -> None:
    """If this fails, an order is sent whose journal entry a crash takes back."""
    support = Path(__file__).parents[3] / "support"
    told: list[str] = []
    command = [sys.executable, "-c", WRITER, str(path)]
    found_by = os.environ | {"PYTHONPATH": str(support)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=found_by) as writer:
        assert writer.stdout is not None
        while len(told) < 150:
            told.append(writer.stdout.readline().strip())
        writer.send_signal(signal.SIGKILL)
        told += [line.strip() for line in writer.stdout if line.endswith("\n")]
    store = opened(path)
    found = [client_id for client_id, _ in store.unresolved()]
    assert found[: len(told)] == told
    assert len(found) - len(told) in (0, 1)  # committed, and killed before it could say so
    assert store.rows("SELECT count(*) FROM order_events") == [(len(found),)]
    store.close()


def test_a_torn_log_loses_whole_transactions_from_its_end_alone(path: Path, tmp_path: Path) -> None:
    """If this fails, a power cut leaves half an order in the journal, or loses an earlier one and keeps a later."""
    store, log = opened(path), path.with_name(f"{path.name}-wal")
    ids, sizes = [], []
    for n in range(40):
        one = approve(intent(THERE, cycle_ts_ms=NOW_MS + n))
        store.record_attempt(one, NOW_MS + n)
        ids.append(one.client_id)
        sizes.append(log.stat().st_size)
    whole, main = log.read_bytes(), path.read_bytes()
    store.close()
    rng = np.random.default_rng(7)
    for cut in sorted(rng.integers(0, len(whole), 60)):
        torn = tmp_path / f"torn{cut}" / path.name
        torn.parent.mkdir(exist_ok=True)
        torn.write_bytes(main)
        end = (
            bytes(rng.integers(0, 256, 200, dtype=np.uint8)) if cut % 2 else b""
        )  # what a disk may leave behind
        torn.with_name(log.name).write_bytes(whole[:cut] + end)
        again = opened(torn)
        found = [client_id for client_id, _ in again.unresolved()]
        assert found == ids[: sum(size <= cut for size in sizes)]
        assert again.rows("SELECT count(*) FROM order_events") == [(len(found),)]
        again.close()


def test_a_fill_leads_to_its_order_its_outcome_and_its_reason(path: Path) -> None:
    """If this fails, the question that the manual answers (who filled what, and why) has no answer."""
    manual = (Path(__file__).parents[4] / "docs" / "journal.md").read_text(encoding="utf-8")
    query = manual.partition("```sql\n")[2].partition("```")[0]
    store = opened(path)
    first, second = (approve(intent(THERE, cycle_ts_ms=NOW_MS + n)) for n in range(2))
    store.record_attempt(first, NOW_MS, kind="rest")
    store.record_event(first.client_id, NOW_MS + 1, "absent", "")
    store.record_attempt(second, NOW_MS + 2, parent=first.client_id, attempt=1)
    store.record_event(second.client_id, NOW_MS + 3, "acknowledged", "")
    store.record_cycle(NOW_MS + 1, {"BTC": {"reason": "it pays"}}, {}, {})
    ours, theirs = (
        Execution(NOW_MS + n, THERE, str(n), client_id, Side.SELL, Decimal(1), Decimal(100), Decimal(0))
        for n, client_id in ((4, second.client_id), (5, None))
    )
    store.record_executions([ours, theirs])
    names = [column[0] for column in store._db.execute(query).description]
    mine, other = (dict(zip(names, row, strict=True)) for row in store.rows(query))
    assert (mine["parent"], mine["attempt"], mine["kind"]) == (first.client_id, 1, "take")
    assert (mine["became"], mine["reason"]) == ("attempt → acknowledged", "it pays")
    assert other["parent"] is None
    store.close()
