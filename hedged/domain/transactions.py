"""Signed transactions: what a chain venue keeps of them, so that a restart can tell what became of each.

The only retry of a transaction is to send the same bytes again, so the bytes are kept before the first send.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class TxOutcome(StrEnum):
    """What is known of a signed transaction."""

    PENDING = "pending"  # it may have been sent; nothing is proven
    REFUSED = "refused"  # the node said no on the first send: it never entered a mempool
    INCLUDED = "included"  # in a block, executed
    FAILED = "failed"  # in a block, but its messages had no effect
    DEAD = "dead"  # past its timeout height and not on the chain: it can never be included


@dataclass(frozen=True, slots=True)
class SignedTx:
    """One signed transaction. `tx_hash`: upper-case hex of the SHA-256 of `raw`; heights in blocks.

    `client_ids` are the orders that it would create (empty for a cancellation).
    """

    tx_hash: str
    venue: str
    signer: str
    sequence: int
    timeout_height: int
    created_ms: int
    client_ids: tuple[str, ...]
    raw: bytes
    outcome: TxOutcome = TxOutcome.PENDING
    detail: str = ""


class TxJournal(Protocol):
    """Where signed transactions are kept. Every write is durable when it returns; Fatal when it cannot be."""

    async def record(self, tx: SignedTx) -> None:
        """Keep a transaction as pending, before it is sent."""
        ...

    async def settle(self, tx_hash: str, outcome: TxOutcome, detail: str) -> None:
        """Note what became of a transaction."""
        ...

    async def pending(self, signer: str) -> Sequence[SignedTx]:
        """Return the transactions of a key whose outcome is not known, oldest first."""
        ...

    async def of_order(self, client_id: str) -> Sequence[SignedTx]:
        """Return every transaction that was to create this order, oldest first."""
        ...
