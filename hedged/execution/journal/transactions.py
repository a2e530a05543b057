"""The journal of signed transactions: what a chain venue writes before it sends, and reads after a restart."""

from collections.abc import Sequence
from typing import Any

from hedged.domain.transactions import SignedTx, TxOutcome
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal

REFUSED = " AND tx_hash IN (SELECT tx_hash FROM transactions WHERE outcome = 'refused')"
"""Signatures are deterministic: what a node has refused may be signed again bit by bit, and is then pending anew."""
COLUMNS = "tx_hash, venue, signer, sequence, timeout_height, created_ms, raw, outcome, detail"


class JournalledTransactions:
    """A `TxJournal` on the daemon's journal: durable before it returns, NoJournal when the disk fails."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def record(self, tx: SignedTx) -> None:
        """Keep a transaction as pending, before it is sent."""
        await self._journal(_record, tx)

    async def settle(self, tx_hash: str, outcome: TxOutcome, detail: str) -> None:
        """Note what became of a transaction."""
        await self._journal(_settle, tx_hash, outcome, detail)

    async def pending(self, signer: str) -> Sequence[SignedTx]:
        """Return the transactions of a key whose outcome is not known, oldest first."""
        where = "signer = ? AND outcome = 'pending' ORDER BY created_ms, rowid"
        return await self._journal(_find, where, signer)

    async def of_order(self, client_id: str) -> Sequence[SignedTx]:
        """Return every transaction that was to create this order, oldest first."""
        where = "tx_hash IN (SELECT tx_hash FROM transaction_orders WHERE client_id = ?) ORDER BY created_ms, rowid"
        return await self._journal(_find, where, client_id)


def _record(store: JournalStore, tx: SignedTx) -> None:
    row = (
        tx.tx_hash, tx.venue, tx.signer, tx.sequence, tx.timeout_height, tx.created_ms, tx.raw, tx.outcome, tx.detail
    )  # fmt: skip
    statements: list[tuple[str, tuple[Any, ...]]] = [
        ("DELETE FROM transaction_orders WHERE tx_hash = ?" + REFUSED, (tx.tx_hash,)),
        ("DELETE FROM transactions WHERE tx_hash = ?" + REFUSED, (tx.tx_hash,)),
        (f"INSERT INTO transactions ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", row),
    ]
    orders = [("INSERT INTO transaction_orders VALUES (?,?)", (cid, tx.tx_hash)) for cid in tx.client_ids]
    store.write(statements + orders)


def _settle(store: JournalStore, tx_hash: str, outcome: TxOutcome, detail: str) -> None:
    store.write(
        [("UPDATE transactions SET outcome = ?, detail = ? WHERE tx_hash = ?", (outcome, detail, tx_hash))]
    )


def _find(store: JournalStore, where: str, parameter: str) -> list[SignedTx]:
    found = store.rows(f"SELECT {COLUMNS} FROM transactions WHERE {where}", (parameter,))
    return [
        SignedTx(
            tx_hash, venue, signer, sequence, timeout_height, created_ms, _orders(store, tx_hash), raw,
            TxOutcome(outcome), detail,
        )
        for tx_hash, venue, signer, sequence, timeout_height, created_ms, raw, outcome, detail in found
    ]  # fmt: skip


def _orders(store: JournalStore, tx_hash: str) -> tuple[str, ...]:
    found = store.rows(
        "SELECT client_id FROM transaction_orders WHERE tx_hash = ? ORDER BY rowid", (tx_hash,)
    )
    return tuple(client_id for (client_id,) in found)
