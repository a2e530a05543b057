"""Transactions: signed, journalled, sent; and what became of each, proven.

The order of things is the safety of it:
1. sequence, gas and timeout height are known, or nothing is signed;
2. the signed bytes are in the journal, durably, before they are sent the first time;
3. the only retry is to send the same bytes, which the chain can include once at most;
4. other bytes for the same order are signed only when a node has refused the earlier ones on their *first* send: then
   they never were in a mempool;
5. a transaction is dead only when the chain is past its timeout height *and* a query made there does not find it;
6. everything else is of unknown outcome, and stays so until 5 or until it is found in a block.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from hedged.adapters.injective.chain import Chain, Head, TxResult
from hedged.adapters.injective.codes import (
    FEE,
    SEQUENCE,
    SIGN_ANEW,
    TIMEOUT,
    TX_IN_CACHE,
    explain,
    refusal,
    rejection,
)
from hedged.adapters.injective.gas import Gas
from hedged.adapters.injective.heights import Heights
from hedged.adapters.injective.keys import TradingKey
from hedged.adapters.injective.responses import failed_orders
from hedged.adapters.injective.sequencer import Sequencer
from hedged.adapters.injective.signing import Signing
from hedged.domain.clock import Clock
from hedged.domain.errors import HedgedError, OutcomeUnknown, Rejected, Retryable
from hedged.domain.transactions import SignedTx, TxJournal, TxOutcome

DEAD_MARGIN_BLOCKS = 3
"""Blocks beyond the timeout height before "not found" counts: a node indexes transactions a little after the block."""
SIGNINGS = 3
SENDS = 4
SEND_WAIT_S = 0.3  # doubled from send to send

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds, before an outcome counts as unknown; together less than the executor's deadline.

    `settle_s`: for a block with an accepted transaction. `fill_s`: for stream or indexer to tell of that block;
    `chain_s`: then for the chain's own state. `block_age_s`: a chain whose last block is older has halted, or the node
    lags: nothing is signed.
    """

    settle_s: float = 11.0
    fill_s: float = 6.0
    chain_s: float = 2.0
    poll_s: float = 0.3
    block_age_s: float = 30.0


@dataclass(frozen=True, slots=True)
class SendSettings:
    """`timeout_blocks`: how long a transaction may wait for a block."""

    chain_id: str
    timeout_blocks: int = 20
    patience: Patience = Patience()


class Transactions:
    """Everything that one key sends. `seen` tells whether the indexer knows an order; it backs a proof of death."""

    def __init__(
        self,
        chain: Chain,
        key: TradingKey,
        journal: TxJournal,
        gas: Gas,
        heights: Heights,
        clock: Clock,
        settings: SendSettings,
        seen: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._chain = chain
        self._key = key
        self._journal = journal
        self._gas = gas
        self._heights = heights
        self._settings = settings
        self._seen = seen
        self._sequencer = Sequencer(chain, key.address)
        self._signing = Signing(
            chain, key, gas, heights, self._sequencer, clock, settings.chain_id, settings.timeout_blocks
        )

    async def height_in(self, seconds: float) -> int:
        """Return the height that the chain will have in so many seconds, as fast as it goes now. Raises Retryable."""
        return await self._heights.latest() + self._heights.blocks(seconds)

    async def head(self) -> Head:
        """Return the newest block of the node that answers. Raises Retryable."""
        return await self._chain.head()

    async def send(self, messages: Sequence[Any], client_ids: Sequence[str] = ()) -> SignedTx:
        """Sign and send the messages; return the transaction once it is in a block and has worked.

        Raises Rejected or Retryable when it certainly had no effect, OutcomeUnknown while that is not proven, NoJournal
        when the journal cannot be written: before the send nothing was sent, after it the transaction stays pending.
        """
        async with self._sequencer.lock:
            for client_id in client_ids:
                if await self._journal.of_order(client_id):
                    raise Rejected(f"client id {client_id} was used before")
            try:
                tx = await self._accepted(messages, tuple(client_ids))
            except BaseException:  # cancellation too: whether the sequence was used up is not known
                self._sequencer.doubt()
                raise
        return await self._delivered(tx)

    async def resolve(self, tx: SignedTx) -> SignedTx:
        """Look a transaction up once; return it with what is proven by now. Raises Retryable when nobody answers."""
        if tx.outcome is not TxOutcome.PENDING:
            return tx
        found = await self._chain.find(tx.tx_hash)
        if found is not None:
            return await self._found(tx, found)
        if await self._is_dead(tx):
            self._sequencer.lost()
            return await self._settled(tx, TxOutcome.DEAD, f"not in any block by height {tx.timeout_height}")
        return tx

    async def block_of(self, tx: SignedTx) -> tuple[int, int] | None:
        """Return height and time (ms) of the block that a transaction is in; None where this node does not tell."""
        found = await self._chain.find(tx.tx_hash)
        return (found.height, found.ts_ms) if found and found.ts_ms else None

    async def recover(self) -> list[SignedTx]:
        """Look up what an earlier life left without an outcome; return what still has none."""
        pending = await self._journal.pending(self._key.address)
        resolved = [await self.resolve(tx) for tx in pending]
        return [tx for tx in resolved if tx.outcome is TxOutcome.PENDING]

    async def _accepted(self, messages: Sequence[Any], client_ids: tuple[str, ...]) -> SignedTx:
        """Sign, journal and send until a node accepts; sign anew only after a refusal that proves nothing happened."""
        refused, why = "", HedgedError()
        for signing in range(1, SIGNINGS + 1):
            tx, fee = await self._signing.sign(messages, client_ids)
            if tx.tx_hash == refused:
                raise why  # asked again, the chain gave the same figures that the node does not accept
            await self._journal.record(tx)
            answer = await self._sent(tx)
            if answer.code in (0, TX_IN_CACHE):
                self._sequencer.accepted(tx.sequence)
                self._gas.spent(fee)
                return tx
            said = explain(answer.codespace, answer.code, answer.log)
            await self._settled(tx, TxOutcome.REFUSED, said)
            self._doubt(answer)
            refused, why = tx.tx_hash, refusal(answer.codespace, answer.code, answer.log)
            if answer.codespace != "sdk" or answer.code not in SIGN_ANEW or signing == SIGNINGS:
                raise why
            log.warning("tx_refused_signed_anew", code=answer.code, reason=said, client_ids=client_ids)
        raise AssertionError("the loop either returns or raises")

    def _doubt(self, answer: TxResult) -> None:
        """Forget what the node contradicted."""
        self._sequencer.doubt()
        if answer.code == SEQUENCE:
            self._sequencer.told(answer.log)
        if answer.code == FEE:
            self._gas.forget()
        if answer.code == TIMEOUT:
            self._heights.doubt()

    async def _sent(self, tx: SignedTx) -> TxResult:
        """Send the same bytes until a node answers. Only an answer to the very first send can be a refusal."""
        why = ""
        for send in range(SENDS):
            try:
                answer = await self._chain.broadcast(tx.raw)
            except OutcomeUnknown as error:
                why = str(error)
                log.warning("tx_send_unanswered", tx=tx.tx_hash, send=send + 1, why=why)
                await asyncio.sleep(SEND_WAIT_S * 2**send)
                continue
            if answer.code in (0, TX_IN_CACHE) or send == 0:
                return answer
            # refused now, but an earlier send without an answer may have been accepted, even have caused this refusal
            why = f"sent again it is refused: {explain(answer.codespace, answer.code, answer.log)}"
            break
        raise OutcomeUnknown(f"transaction {tx.tx_hash} up to height {tx.timeout_height}: {why}")

    async def _delivered(self, tx: SignedTx) -> SignedTx:
        """Wait for the block. A node that does not answer meanwhile is asked again until the time is up."""
        why = "it is not in a block yet"
        try:
            async with asyncio.timeout(self._settings.patience.settle_s):
                while True:
                    try:
                        tx = await self.resolve(tx)
                    except Retryable as error:
                        why = str(error)
                    if tx.outcome is not TxOutcome.PENDING:
                        break
                    await asyncio.sleep(self._settings.patience.poll_s)
        except TimeoutError:
            raise OutcomeUnknown(
                f"transaction {tx.tx_hash} was accepted, up to height {tx.timeout_height}: {why}"
            ) from None
        if tx.outcome is TxOutcome.DEAD:
            raise Retryable(f"the transaction expired: {tx.detail}; nothing happened")
        if tx.outcome is TxOutcome.FAILED:
            raise rejection(tx.detail)
        return tx

    async def _found(self, tx: SignedTx, found: TxResult) -> SignedTx:
        if found.code != 0:
            why = explain(found.codespace, found.code, found.log)
            return await self._settled(tx, TxOutcome.FAILED, why)
        failed = failed_orders(found)
        return await self._settled(tx, TxOutcome.INCLUDED, "; ".join(f"{c}: {w}" for c, w in failed.items()))

    async def _settled(self, tx: SignedTx, outcome: TxOutcome, detail: str) -> SignedTx:
        await self._journal.settle(tx.tx_hash, outcome, detail)
        log.info("tx_settled", tx=tx.tx_hash, outcome=outcome, client_ids=tx.client_ids, detail=detail)
        return replace(tx, outcome=outcome, detail=detail)

    async def _is_dead(self, tx: SignedTx) -> bool:
        """Prove that a transaction never was and never will be in a block.

        The heights are asked of the node before and after the query that does not find it, so that a node that lags,
        or a change of node in between, proves nothing. A sequence that the chain has not passed settles it; where it
        has, another transaction may have used it or this one may have been pruned, so the indexer must not know the
        orders either.
        """
        past = tx.timeout_height + DEAD_MARGIN_BLOCKS
        if (await self._chain.head()).height <= past:
            return False
        if await self._chain.find(tx.tx_hash) is not None or (await self._chain.head()).height <= past:
            return False
        account = await self._chain.account(tx.signer)
        if account is not None and account.sequence <= tx.sequence:
            return True
        return not any([await self._seen(client_id) for client_id in tx.client_ids])
