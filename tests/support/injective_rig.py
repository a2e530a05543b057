"""The trading side of Injective against the sandbox, over real gRPC: everything a test of it needs, in one context."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from fakes import HASHES, approve
from pyinjective.wallet import PrivateKey

from hedged.adapters.injective.account import InjectiveAccount
from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.injective.keys import TradingKey
from hedged.adapters.injective.live import Desk, clear, open_desk, trader_of
from hedged.adapters.injective.messages import TRADING_MESSAGES
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.preflight import Clearance
from hedged.adapters.injective.transactions import Patience
from hedged.config import InjectiveConfig
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import Clock, SystemClock
from hedged.domain.market import INJECTIVE, Costs, SeriesKey
from hedged.domain.orders import Intent, Purpose, Side
from hedged.domain.transactions import SignedTx
from hedged.execution.journal.thread import Journal
from hedged.execution.journal.transactions import JournalledTransactions
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

OWNER = PrivateKey.from_hex("f9db9bf330e23cb7839039e944adef6e9df447b90b503d5b4464c90bea9022f3")
GRANTEE = PrivateKey.from_hex("5d386fbdbf11f1141010f81a46b40f94887367562bd33b452bbaa6ce1cd1381e")
COSTS = Costs(Decimal("-0.00005"), Decimal("0.0005"), Decimal("0.0002"), Decimal(100_000))
PATIENCE = Patience(settle_s=3.0, fill_s=1.0, poll_s=0.05, block_age_s=2.0)
ADDRESS = OWNER.to_public_key().to_address().to_acc_bech32()
SUBACCOUNT = OWNER.to_public_key().to_address().get_subaccount_id(0)
GRANTEE_ADDRESS = GRANTEE.to_public_key().to_address().to_acc_bech32()


class HookedTransactions(JournalledTransactions):
    """The journal, calling a test's `after_record` between the commit and the first send: where a process may die."""

    after_record: Callable[[], Any] = staticmethod(lambda: None)

    async def record(self, tx: SignedTx) -> None:
        await super().record(tx)
        self.after_record()


@dataclass
class Rig:
    """A sandbox, a journal, and the trading side between them."""

    sandbox: InjectiveSandbox
    network: InjectiveNetwork
    config: InjectiveConfig
    data: InjectiveData
    account: InjectiveAccount
    journal: Journal
    transactions: HookedTransactions
    desk: Desk
    clock: Clock = field(default_factory=SystemClock)
    cycles: Any = field(default_factory=lambda: itertools.count(1_750_000_000_000, 900_000))

    @property
    def trading(self) -> Any:
        return self.desk.trading

    @property
    def chain(self) -> Any:
        return self.sandbox.chain

    @property
    def faults(self) -> Any:
        return self.sandbox.faults

    def mark(self, symbol: str = "BTC") -> Decimal:
        return self.sandbox.markets[symbol].mark

    def order(
        self, signed: str, *, symbol: str = "BTC", slack: str = "0.05", reduce_only: bool = False
    ) -> ApprovedIntent:
        """An approved market order of `signed` coins, its worst price `slack` away from the mark; new each time."""
        market, quantity = self.sandbox.markets[symbol], Decimal(signed)
        side = Side.BUY if quantity > 0 else Side.SELL
        tick = market.rules.price_tick
        worst = (market.mark * (1 + side.sign * Decimal(slack)) // tick) * tick
        key = SeriesKey(INJECTIVE, symbol)
        return approve(
            Intent(
                next(self.cycles), key, side, abs(quantity), worst, market.mark, Purpose.HEDGE_OPEN, reduce_only, HASHES
            )
        )  # fmt: skip

    def held(self, symbol: str = "BTC") -> Decimal:
        """The position as the chain itself has it."""
        position = self.sandbox.markets[symbol].positions.get(SUBACCOUNT)
        return Decimal(0) if position is None else position.quantity * (1 if position.is_long else -1)

    async def clear(self) -> Clearance:
        """Run the checks of a start."""
        return await clear(self.network, self.data, self.desk.trader, self.config, self.clock)


def endpoints_config(sandbox: InjectiveSandbox, **changes: Any) -> InjectiveConfig:
    at = sandbox.endpoints
    node = {"chain_grpc": at.chain_grpc, "indexer_grpc": at.indexer_grpc, "chain_stream": at.chain_stream}
    plain: dict[str, Any] = {
        "network": "custom",
        "chain_id": "injective-1",
        "nodes": [node],
        "deadline_s": 1.0,
    }
    return InjectiveConfig.model_validate(plain | changes)


@asynccontextmanager
async def rig(
    *,
    path: Path | None = None,
    block_time_s: float | None = 0.05,
    grantee: bool = True,
    usdt: int = 1_000_000,
    inj: int = 10,
    key: PrivateKey | None = None,
    prepare: Callable[[InjectiveSandbox], None] = lambda _: None,
    sandbox: SandboxConfig | None = None,
    **changes: Any,
) -> AsyncIterator[Rig]:
    """Start a chain that stands still but for its blocks, with a funded trader whose key is a grantee's by default."""
    wanted = sandbox or SandboxConfig(symbols=("BTC", "ETH"), moving=False)
    signer = key or (GRANTEE if grantee else OWNER)
    async with InjectiveSandbox(replace(wanted, block_time_s=block_time_s)) as running:
        running.chain.fund(ADDRESS, usdt=usdt)
        if inj:
            running.chain.fund(signer.to_public_key().to_address().to_acc_bech32(), inj=inj)
        if grantee:
            for message in TRADING_MESSAGES:
                running.chain.grant(ADDRESS, GRANTEE_ADDRESS, message, expires_s=4_000_000_000)
        prepare(running)
        journal = Journal.open(path, durable=path is not None)
        try:
            async with desk_on(running, journal, TradingKey(signer), **changes) as made:
                yield made
        finally:
            journal.close()


@asynccontextmanager
async def desk_on(
    running: InjectiveSandbox,
    journal: Journal,
    key: TradingKey,
    patience: Patience = PATIENCE,
    on_inj: Callable[[Decimal], None] = lambda _: None,
    make_clock: Callable[[InjectiveSandbox], Clock] = lambda _: SystemClock(),
    **changes: Any,
) -> AsyncIterator[Rig]:
    """Open the trading side on a running sandbox, as a start (or restart) of the daemon does."""
    config = endpoints_config(running, **changes)
    network = InjectiveNetwork.from_config(config)
    clock = make_clock(running)
    try:
        data = InjectiveData(network, clock, COSTS)
        data.watch(("BTC", "ETH"))
        account = InjectiveAccount(data, clock, ADDRESS, 0)
        transactions = HookedTransactions(journal)
        trader = trader_of(key, ADDRESS, SUBACCOUNT)
        desk = open_desk(
            network,
            data,
            account,
            key,
            trader,
            config,
            transactions,
            clock,
            leverage=Decimal(3),
            on_inj=on_inj,
            patience=patience,
        )
        yield Rig(running, network, config, data, account, journal, transactions, desk, clock)
    finally:
        await network.close()
