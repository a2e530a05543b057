"""Bytes that the chain can include once at most: messages, signed with the sequence, gas and height of now."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from pyinjective.transaction import Transaction

from hedged.adapters.injective.chain import AccountPoint, Chain, sequence_is_wrong
from hedged.adapters.injective.gas import Fee, Gas, gas_limit
from hedged.adapters.injective.heights import Heights
from hedged.adapters.injective.keys import TradingKey
from hedged.adapters.injective.sequencer import Sequencer
from hedged.domain.clock import Clock
from hedged.domain.errors import Retryable
from hedged.domain.market import INJECTIVE
from hedged.domain.transactions import SignedTx


class Signing:
    """What one key signs. Nothing is signed while sequence, gas or height is not known."""

    def __init__(
        self,
        chain: Chain,
        key: TradingKey,
        gas: Gas,
        heights: Heights,
        sequencer: Sequencer,
        clock: Clock,
        chain_id: str,
        timeout_blocks: int,
    ) -> None:
        self._chain, self._key, self._gas = chain, key, gas
        self._heights, self._sequencer, self._clock = heights, sequencer, clock
        self._chain_id, self._timeout_blocks = chain_id, timeout_blocks

    async def sign(self, messages: Sequence[Any], client_ids: tuple[str, ...]) -> tuple[SignedTx, Fee]:
        """Return a signed transaction and its fee. Raises Retryable, Rejected where the gas is too dear."""
        height = await self._heights.latest()
        timeout_height = height + self._timeout_blocks
        point = await self._sequencer.next()
        try:
            limit = await self._limit(messages, point, timeout_height)
        except Retryable as error:
            if not sequence_is_wrong(error):
                raise
            self._sequencer.doubt()  # nothing was sent: ask the chain and try once more
            self._sequencer.told(str(error))
            point = await self._sequencer.next()
            limit = await self._limit(messages, point, timeout_height)
        fee = await self._gas.fee(limit)
        raw = self._raw(messages, point, timeout_height, fee)
        tx_hash = sha256(raw).hexdigest().upper()
        now_ms = self._clock.now_ms()
        signer = self._key.address
        tx = SignedTx(tx_hash, INJECTIVE, signer, point.sequence, timeout_height, now_ms, client_ids, raw)
        return tx, fee

    async def _limit(self, messages: Sequence[Any], point: AccountPoint, timeout_height: int) -> int:
        simulated = self._gas.settings.simulate
        draft = self._raw(messages, point, timeout_height, Fee(0, 0)) if simulated else b""
        return await gas_limit(self._gas.settings, self._chain, messages, draft)

    def _raw(self, messages: Sequence[Any], point: AccountPoint, timeout_height: int, fee: Fee) -> bytes:
        if timeout_height <= 0:
            raise AssertionError("a transaction without a timeout height never expires")
        tx = Transaction()
        tx.with_messages(*messages).with_sequence(point.sequence).with_account_num(point.number)
        tx.with_chain_id(self._chain_id).with_timeout_height(timeout_height)
        tx.with_gas(fee.limit).with_fee([fee.coin()])
        document = tx.get_sign_doc(self._key.public).SerializeToString()
        return bytes(tx.get_tx_data(self._key.sign(document), self._key.public))
