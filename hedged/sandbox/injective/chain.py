"""The chain: accounts, mempool and blocks around the exchange. Pure: time is handed in, nothing waits.

Broadcast runs check-tx against the mempool's view (committed sequence + what waits); a block runs the ante handler
again, then the messages. A transaction whose messages fail still pays its fee and uses up its sequence; one that fails
the ante handler does neither. After each block the rest of the mempool is checked again.
"""

import copy
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from google.protobuf import any_pb2
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_tx
from pyinjective.proto.cosmos.base.abci.v1beta1 import abci_pb2

from hedged.sandbox.injective import clearing, codes, gas
from hedged.sandbox.injective.codes import ChainError
from hedged.sandbox.injective.crowd import CrowdFlow
from hedged.sandbox.injective.events import BlockEvents, TxSummary
from hedged.sandbox.injective.exchange import Exchange
from hedged.sandbox.injective.faults import Faults
from hedged.sandbox.injective.grants import Grants
from hedged.sandbox.injective.history import History
from hedged.sandbox.injective.ledger import INJ
from hedged.sandbox.injective.messages import Executor, signer_of
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.transactions import MSG_EXEC, Message, SignedTx, decode, tx_hash

FIRST_HEIGHT = 1_000
KEPT_BLOCKS = 1_000
KEPT_TXS = 10_000
KEPT_STATES = 200
"""Blocks whose positions can still be asked for: a node prunes."""
BASE_FEE = 160_000_000
"""inj units (10⁻¹⁸ INJ) per gas."""
LOW_GAS_FACTOR = 1_000


@dataclass(slots=True)
class Account:
    """An address that has ever held something. `sequence` as committed."""

    number: int
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class TxResult:
    """What became of a transaction. `height` 0 = not in a block. `data`: packed responses, upper-case hex."""

    tx_hash: str
    height: int
    codespace: str
    code: int
    raw_log: str
    data: str
    gas_wanted: int
    gas_used: int
    time_ms: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A block's height and time."""

    height: int
    time_ms: int


Held = tuple[str, str, Position]
"""Market id, subaccount id, and what it held there."""


@dataclass(slots=True)
class Chain:
    """The whole state. `exchange` is replaced when a transaction is rolled back: never keep a reference to it."""

    chain_id: str
    exchange: Exchange
    faults: Faults
    time_ms: int
    grants: Grants = field(default_factory=Grants)
    history: History = field(default_factory=History)
    height: int = FIRST_HEIGHT
    accounts: dict[str, Account] = field(default_factory=dict)
    mempool: list[SignedTx] = field(default_factory=list)
    seen: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_TXS))
    results: dict[str, TxResult] = field(default_factory=dict)
    headers: deque[Header] = field(default_factory=lambda: deque(maxlen=KEPT_BLOCKS))
    past_positions: dict[int, list[Held]] = field(default_factory=dict)
    """Everybody's positions but the crowd's, by the height they were committed at."""

    def __post_init__(self) -> None:
        self.headers.append(Header(self.height, self.time_ms))

    @property
    def time_s(self) -> int:
        """The latest block's time in whole seconds, as the chain reckons."""
        return self.time_ms // 1_000

    @property
    def base_fee(self) -> int:
        """The stated price of gas, inj units."""
        return int(BASE_FEE * self.faults.gas_factor)

    def stated_header(self) -> Header:
        """Return the header that a node of this chain states: an older one when it lags."""
        return self.headers[-1 - min(self.faults.lag_blocks, len(self.headers) - 1)]

    def account(self, address: str) -> Account:
        """Return an account, opening it when new."""
        if address not in self.accounts:
            self.accounts[address] = Account(number=len(self.accounts) + 7)
        return self.accounts[address]

    # --- transactions -----------------------------------------------------------------------------------------------

    def broadcast(self, raw: bytes) -> TxResult:
        """Run check-tx and keep a good transaction for the next block; return code 0 or why not."""
        name = tx_hash(raw)
        if name in self.seen:
            return _result(name, raw, codes.sdk(codes.TX_IN_MEMPOOL_CACHE, ""))
        try:
            tx = decode(raw)
            if self.faults.sequence_mismatch:
                raise _wrong_sequence(tx.sequence + 1, tx.sequence)
            self._ante(tx, self._pending_sequence(tx.signer))
        except ChainError as error:
            return _result(name, raw, error)
        self.seen.append(name)
        if not self.faults.mempool_drop:
            self.mempool.append(tx)
        return _result(name, raw, None)

    def simulate(self, raw: bytes) -> int:
        """Execute a transaction on a copy of the state; return the gas used. Raises ChainError."""
        tx = decode(raw)
        if self.faults.sequence_mismatch:
            raise _wrong_sequence(tx.sequence + 1, tx.sequence)
        self._ante(tx, self._pending_sequence(tx.signer), simulated=True)
        kept, kept_grants = self.exchange, self.grants
        self.exchange, self.grants = copy.deepcopy(kept), copy.copy(kept_grants)
        self.exchange.events.height = self.height + 1
        try:
            self._execute(tx)
        finally:
            self.exchange, self.grants = kept, kept_grants
        return gas.used(tx)

    def _pending_sequence(self, signer: str) -> int:
        waiting = sum(1 for tx in self.mempool if tx.signer == signer)
        return (self.accounts[signer].sequence if signer in self.accounts else 0) + waiting

    def _ante(self, tx: SignedTx, expected: int, *, simulated: bool = False) -> None:
        """Check fee, timeout height, funds, sequence and signature, in the order of the chain's ante handler."""
        factor = LOW_GAS_FACTOR if self.faults.low_gas else 1
        required = tx.gas_limit * self.base_fee * factor
        if not simulated and tx.fee_inj < required:
            text = f"insufficient fees; got: {tx.fee_inj}inj required: {required}inj: insufficient fee"
            raise codes.sdk(codes.INSUFFICIENT_FEE, text)
        if tx.timeout_height and self.height > tx.timeout_height:
            text = f"block height: {self.height}, timeout height: {tx.timeout_height}: tx timeout height"
            raise codes.sdk(codes.TX_TIMEOUT_HEIGHT, text)
        account = self.accounts.get(tx.signer)
        if account is None:
            text = f"fee payer address: {tx.signer} does not exist: unknown address"
            raise codes.sdk(codes.UNKNOWN_ADDRESS, text)
        balance = self.exchange.ledger.bank[tx.signer][INJ]
        if not simulated and balance < tx.fee_inj:
            text = f"spendable balance {balance}inj is smaller than {tx.fee_inj}inj: insufficient funds"
            raise codes.sdk(codes.INSUFFICIENT_FUNDS, text)
        if tx.sequence != expected:
            raise _wrong_sequence(expected, tx.sequence)
        if not simulated and not tx.is_signed_for(self.chain_id, account.number):
            text = f"({account.number}), sequence ({expected}) and chain-id ({self.chain_id}): unauthorized"
            text = f"signature verification failed; please verify account number {text}"
            raise codes.sdk(codes.UNAUTHORIZED, text)

    def _execute(self, tx: SignedTx) -> str:
        """Run all messages; return the packed responses. Raises ChainError: nothing may be kept then."""
        executor = Executor(self.exchange, self.grants, tx.tx_hash)
        responses = []
        for index, message in enumerate(tx.messages):
            try:
                self._authorise(tx.signer, message)
                responses.append(executor.execute(message.type_url, message.value))
            except ChainError as error:
                text = f"failed to execute message; message index: {index}: {error.log}"
                raise ChainError(error.codespace, error.code, text) from None
        return _packed(tx.envelopes, tx.messages, responses)

    def _authorise(self, signer: str, message: Message) -> None:
        acting_for = signer_of(message.type_url, message.value)
        if message.grantee is None:
            if acting_for != signer:
                raise codes.sdk(codes.UNAUTHORIZED, "signature verification failed: unauthorized")
            return
        if message.grantee != signer:
            raise codes.sdk(codes.UNAUTHORIZED, "the grantee did not sign: unauthorized")
        if acting_for != signer:
            now_s = self.time_s
            if self.faults.expired_grant:
                self.grants.require("", "", message.type_url, now_s)
            self.grants.require(acting_for, signer, message.type_url, now_s)

    # --- blocks -----------------------------------------------------------------------------------------------------

    def make_block(
        self,
        time_ms: int,
        marks: Mapping[str, Decimal],
        flows: Mapping[str, CrowdFlow],
        settle_now: bool = False,
    ) -> BlockEvents:
        """Make the next block at `time_ms`: funding, transactions, matching. `settle_now` ends the interval early."""
        self._keep_positions()  # the operator's hand moves them between blocks
        self.height += 1
        self.time_ms = max(time_ms, self.time_ms + 1)
        self.exchange.events = BlockEvents(self.height, self.time_ms, gas_price=self.base_fee)
        if self.faults.post_only_mode:
            self.exchange.post_only_until = self.height + 1
        self._move_marks(marks)
        self.exchange.charge_funding(self.time_s, settle_now)
        waiting, self.mempool = self.mempool, []
        for tx in waiting:
            self._deliver(tx)
        clearing.end_block(self.exchange, flows)
        self._recheck()
        events = self._closed_block()
        self.history.record(events, self.faults.indexer_lag)
        self.headers.append(Header(self.height, self.time_ms))
        self._keep_positions()
        return events

    def _keep_positions(self) -> None:
        house = self.exchange.house
        self.past_positions[self.height] = [
            (market.market_id, holder, copy.copy(position))
            for market in self.exchange.markets.values()
            for holder, position in market.positions.items()
            if holder not in house
        ]
        self.past_positions.pop(self.height - KEPT_STATES, None)

    def _move_marks(self, marks: Mapping[str, Decimal]) -> None:
        for market in self.exchange.markets.values():
            mark = marks.get(market.symbol, market.mark)
            if mark != market.mark:
                market.mark = mark
                self.exchange.events.marks[market.symbol] = mark

    def _deliver(self, tx: SignedTx) -> None:
        """Run one transaction in the block; roll back whatever its messages did if one fails."""
        try:
            self._ante(tx, self.account(tx.signer).sequence)
        except ChainError as error:
            self._keep(tx, _result(tx.tx_hash, tx.raw, error, self.height, self.time_ms))
            return
        self.accounts[tx.signer].sequence += 1
        self.exchange.ledger.credit_bank(tx.signer, INJ, -tx.fee_inj)
        used = gas.used(tx)
        kept, kept_grants = copy.deepcopy(self.exchange), copy.copy(self.grants)
        failure: ChainError | None = None
        data = ""
        try:
            if self.faults.included_but_failed or used > tx.gas_limit:
                text = f"out of gas in location: WriteFlat; gasWanted: {tx.gas_limit}, gasUsed: {used}: out of gas"
                raise codes.sdk(codes.OUT_OF_GAS, text)
            data = self._execute(tx)
        except ChainError as caught:
            failure = caught
            self.exchange, self.grants = kept, kept_grants
        self._keep(
            tx, _result(tx.tx_hash, tx.raw, failure, self.height, self.time_ms, data, tx.gas_limit, used)
        )

    def _keep(self, tx: SignedTx, result: TxResult) -> None:
        self.results[result.tx_hash] = result
        names = tuple(message.type_url.rsplit(".", 1)[-1] for message in tx.messages)
        summary = TxSummary(tx.tx_hash, tx.signer, names, result.codespace, result.code, result.raw_log)
        self.exchange.events.transactions.append(summary)
        if len(self.results) > KEPT_TXS:
            del self.results[next(iter(self.results))]

    def _recheck(self) -> None:
        """Check again what waits after the block; what has become invalid leaves the mempool without a trace."""
        waiting, self.mempool = self.mempool, []
        for tx in waiting:
            try:
                self._ante(tx, self._pending_sequence(tx.signer))
            except ChainError:
                continue
            self.mempool.append(tx)

    def _closed_block(self) -> BlockEvents:
        """Complete the block's events with the balances that moved."""
        events, ledger = self.exchange.events, self.exchange.ledger
        events.bank = {address: dict(ledger.bank[address]) for address in sorted(ledger.touched_accounts)}
        events.deposits = {
            subaccount: (ledger.deposits[subaccount].available, ledger.deposits[subaccount].total)
            for subaccount in sorted(ledger.touched_subaccounts)
        }
        ledger.touched_accounts.clear()
        ledger.touched_subaccounts.clear()
        return events


def _wrong_sequence(expected: int, got: int) -> ChainError:
    text = f"account sequence mismatch, expected {expected}, got {got}: incorrect account sequence"
    return codes.sdk(codes.WRONG_SEQUENCE, text)


def _result(
    name: str,
    raw: bytes,
    error: ChainError | None,
    height: int = 0,
    time_ms: int = 0,
    data: str = "",
    gas_wanted: int = 0,
    gas_used: int = 0,
) -> TxResult:
    codespace, code, log = (error.codespace, error.code, error.log) if error else ("", 0, "")
    return TxResult(name, height, codespace, code, log, data, gas_wanted, gas_used, time_ms, raw)


def _packed(
    envelopes: Sequence[tuple[str, int]], messages: Sequence[Message], responses: Sequence[Any]
) -> str:
    """Pack responses as a node does: one Any per outer message, a MsgExec's holding those of its inner ones."""
    data = abci_pb2.TxMsgData()
    start = 0
    for type_url, count in envelopes:
        inner = responses[start : start + count]
        if type_url == MSG_EXEC:
            outer = authz_tx.MsgExecResponse(results=[response.SerializeToString() for response in inner])
            url = MSG_EXEC + "Response"
        else:
            outer, url = inner[0], messages[start].type_url + "Response"
        data.msg_responses.append(any_pb2.Any(type_url=url, value=outer.SerializeToString()))
        start += count
    return str(data.SerializeToString().hex().upper())
