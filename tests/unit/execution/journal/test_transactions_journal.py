"""Signed transactions are in the journal before they are sent, and outlive the process and the schema's versions."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from hedged.domain.errors import Fatal
from hedged.domain.transactions import SignedTx, TxOutcome
from hedged.execution.journal.file import VERSION
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.journal.transactions import JournalledTransactions

TX = SignedTx("AB" * 32, "injective", "inj1key", 7, 1_020, 1_750_000_000_000, ("one", "two"), b"\x00\xffraw")


def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def through(path: Path, script) -> object:
    """Run a script against the journal, in a life of its own."""
    journal = Journal.open(path)
    try:
        return asyncio.run(script(JournalledTransactions(journal)))
    finally:
        journal.close()


def test_the_bytes_are_on_disk_when_record_returns(tmp_path: Path) -> None:
    """If this fails, a crash between send and commit leaves a transaction that no restart can look up."""

    async def script(transactions: JournalledTransactions) -> None:
        await transactions.record(TX)
        other = sqlite3.connect(file(tmp_path))
        assert other.execute("SELECT tx_hash, raw, outcome FROM transactions").fetchall() == [
            (TX.tx_hash, TX.raw, "pending")
        ]
        other.close()

    through(file(tmp_path), script)


def test_a_restart_finds_exactly_what_has_no_outcome(tmp_path: Path) -> None:
    """If this fails, a transaction of an earlier life is forgotten, or looked up for ever."""
    later = replace(TX, tx_hash="CD" * 32, sequence=8, created_ms=TX.created_ms + 1, client_ids=("three",))
    foreign = replace(TX, tx_hash="EF" * 32, signer="inj1other", client_ids=())

    async def before(transactions: JournalledTransactions) -> None:
        for tx in (later, TX, foreign):
            await transactions.record(tx)

    async def after(transactions: JournalledTransactions) -> None:
        assert list(await transactions.pending("inj1key")) == [TX, later]
        assert list(await transactions.pending("inj1other")) == [foreign]
        for n, outcome in enumerate(set(TxOutcome) - {TxOutcome.PENDING}):
            await transactions.settle(TX.tx_hash, outcome, f"why {n}")
            assert list(await transactions.pending("inj1key")) == [later]
            assert list(await transactions.of_order("two")) == [
                replace(TX, outcome=outcome, detail=f"why {n}")
            ]

    through(file(tmp_path), before)
    through(file(tmp_path), after)


def test_all_attempts_at_an_order_are_found_by_its_client_id(tmp_path: Path) -> None:
    """If this fails, an order that was signed anew is looked up by the wrong one of its transactions."""
    anew = replace(TX, tx_hash="CD" * 32, created_ms=TX.created_ms + 1, client_ids=("one",))

    async def script(transactions: JournalledTransactions) -> None:
        await transactions.record(TX)
        await transactions.settle(TX.tx_hash, TxOutcome.REFUSED, "sequence")
        await transactions.record(anew)
        assert [tx.tx_hash for tx in await transactions.of_order("one")] == [TX.tx_hash, anew.tx_hash]
        assert [tx.tx_hash for tx in await transactions.of_order("two")] == [TX.tx_hash]
        assert list(await transactions.of_order("never")) == []

    through(file(tmp_path), script)


def test_the_same_transaction_is_not_recorded_twice(tmp_path: Path) -> None:
    """If this fails, an outcome that is known can be overwritten by pending."""

    async def script(transactions: JournalledTransactions) -> None:
        await transactions.record(TX)
        with pytest.raises(Fatal):
            await transactions.record(TX)
        assert len(await transactions.of_order("one")) == 1
        await transactions.settle(TX.tx_hash, TxOutcome.REFUSED, "sequence")
        await transactions.record(TX)  # signed again bit by bit: no node has it
        assert list(await transactions.of_order("one")) == [TX]
        await transactions.settle(TX.tx_hash, TxOutcome.DEAD, "")
        with pytest.raises(Fatal):
            await transactions.record(TX)

    through(file(tmp_path), script)


LATER = "DROP TABLE orphans; DROP TABLE shown; DROP TABLE forecast_sheets; DROP INDEX executions_by_time;"


def as_version_1(path: Path) -> None:
    """Turn a new journal into one that an earlier program left."""
    db = sqlite3.connect(path)
    later = {
        "intents": ("parent", "attempt", "kind"),
        "kill_latch": ("account", "source"),
        "order_events": ("filled",),
    }
    columns = "".join(
        f"ALTER TABLE {table} DROP COLUMN {name};" for table, names in later.items() for name in names
    )
    db.executescript(
        f"DROP TABLE transaction_orders; DROP TABLE transactions; {columns} {LATER} UPDATE meta SET version = 1;"
    )
    db.execute("INSERT INTO kill_latch VALUES (1, 2, 'before')")
    db.commit()
    db.close()


def test_a_journal_of_version_1_is_lifted_with_all_it_holds(tmp_path: Path) -> None:
    """If this fails, an update of the program loses the account's history or refuses to start."""
    JournalStore(str(file(tmp_path)), durable=True).close()
    db = sqlite3.connect(file(tmp_path))
    tables = (
        "SELECT name, sql FROM sqlite_master WHERE name LIKE 'transaction%' OR name IN"
        " ('orphans', 'shown', 'executions_by_time', 'forecast_sheets') ORDER BY name"
    )
    made = db.execute(tables).fetchall()
    db.close()
    as_version_1(file(tmp_path))

    async def script(transactions: JournalledTransactions) -> None:
        await transactions.record(TX)
        assert list(await transactions.pending("inj1key")) == [TX]

    through(file(tmp_path), script)
    store = JournalStore(str(file(tmp_path)), durable=True)
    assert (store.latch().level, store.latch().reason) == (2, "before")
    store.close()
    db = sqlite3.connect(file(tmp_path))
    assert db.execute("SELECT version FROM meta").fetchall() == [(VERSION,)]
    assert db.execute(tables).fetchall() == made
    db.close()
