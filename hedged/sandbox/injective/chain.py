"""The chain: accounts, mempool and blocks around the exchange. Pure: time is handed in, nothing waits.

Broadcast runs check-tx against the mempool's view (committed sequence + what waits); a block runs the ante handler
again, then the messages. A transaction whose messages fail still pays its fee and uses up its sequence; one that fails
the ante handler does neither. After each block the rest of the mempool is checked again.
"""

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.sandbox.injective import ante, clearing, codes, gas
from hedged.sandbox.injective.codes import ChainError
from hedged.sandbox.injective.crowd import CrowdFlow
from hedged.sandbox.injective.events import BlockEvents, TxSummary
from hedged.sandbox.injective.exchange import Exchange
from hedged.sandbox.injective.faults import Faults
from hedged.sandbox.injective.grants import Grants
from hedged.sandbox.injective.history import History
from hedged.sandbox.injective.ledger import INJ
from hedged.sandbox.injective.messages import Executor
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.results import TxResult, packed, result_of
from hedged.sandbox.injective.transactions import SignedTx, decode, tx_hash

FIRST_HEIGHT = 1_000
KEPT_BLOCKS = 1_000
KEPT_TXS = 10_000
KEPT_STATES = 200
"""Blocks whose positions can still be asked for: a node prunes."""
BASE_FEE = 160_000_000
"""inj units (10⁻¹⁸ INJ) per gas."""


@dataclass(slots=True)
class Account:
    """An address that has ever held something. `sequence` as committed."""

    number: int
    sequence: int = 0


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
            return result_of(name, raw, codes.sdk(codes.TX_IN_MEMPOOL_CACHE, ""))
        try:
            tx = decode(raw)
            if self.faults.sequence_mismatch:
                raise ante.wrong_sequence(tx.sequence + 1, tx.sequence)
            ante.check(self, tx, self._pending_sequence(tx.signer))
        except ChainError as error:
            return result_of(name, raw, error)
        self.seen.append(name)
        if not self.faults.mempool_drop:
            self.mempool.append(tx)
        return result_of(name, raw, None)

    def simulate(self, raw: bytes) -> int:
        """Execute a transaction on a copy of the state; return the gas used. Raises ChainError."""
        tx = decode(raw)
        if self.faults.sequence_mismatch:
            raise ante.wrong_sequence(tx.sequence + 1, tx.sequence)
        ante.check(self, tx, self._pending_sequence(tx.signer), simulated=True)
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

    def _execute(self, tx: SignedTx) -> str:
        """Run all messages; return the packed responses. Raises ChainError: nothing may be kept then."""
        executor = Executor(self.exchange, self.grants, tx.tx_hash)
        responses = []
        for index, message in enumerate(tx.messages):
            try:
                ante.authorise(self, tx.signer, message)
                responses.append(executor.execute(message.type_url, message.value))
            except ChainError as error:
                text = f"failed to execute message; message index: {index}: {error.log}"
                raise ChainError(error.codespace, error.code, text) from None
        return packed(tx.envelopes, tx.messages, responses)

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
            ante.check(self, tx, self.account(tx.signer).sequence)
        except ChainError as error:
            self._keep(tx, result_of(tx.tx_hash, tx.raw, error, self.height, self.time_ms))
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
            tx, result_of(tx.tx_hash, tx.raw, failure, self.height, self.time_ms, data, tx.gas_limit, used)
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
                ante.check(self, tx, self._pending_sequence(tx.signer))
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
