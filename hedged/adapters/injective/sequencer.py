"""The sequence of one key: each transaction must carry the next one, so signing goes through one lock.

It is counted up only for what a node has accepted, and asked for anew after anything else. A node tells the sequence as
of its newest block, so what it has accepted but not yet put into a block comes on top.
"""

import asyncio
import re

from hedged.adapters.injective.chain import AccountPoint, Chain
from hedged.domain.errors import Rejected


class Sequencer:
    """Owns the sequence of one address. Call everything with `lock` held."""

    def __init__(self, chain: Chain, address: str) -> None:
        self.lock = asyncio.Lock()
        self._chain = chain
        self._address = address
        self._next: AccountPoint | None = None
        self._accepted = 0  # one more than the highest sequence that a node has accepted and not yet lost

    async def next(self) -> AccountPoint:
        """Return the account number and the sequence to sign with. Raises Retryable, or Rejected for no account."""
        if self._next is None:
            found = await self._chain.account(self._address)
            if found is None:
                raise Rejected(f"{self._address} does not exist on this chain yet: send it some INJ for gas")
            self._next = AccountPoint(found.number, max(found.sequence, self._accepted))
        return self._next

    def accepted(self, sequence: int) -> None:
        """Note that a node has taken a transaction with this sequence."""
        self._accepted = max(self._accepted, sequence + 1)
        if self._next is not None:
            self._next = AccountPoint(self._next.number, sequence + 1)

    def doubt(self) -> None:
        """Ask the chain next time: something was not accepted, or may not have been."""
        self._next = None

    def told(self, text: str) -> None:
        """Take over the sequence that a node names when it refuses another: its mempool may be ahead of its blocks."""
        expected = re.search(r"account sequence mismatch, expected (\d+)", text)
        if expected:
            self._accepted = int(expected[1])

    def lost(self) -> None:
        """An accepted transaction proved dead: only the chain's own count holds."""
        self._accepted = 0
        self._next = None
