"""A reader of the sandbox: data, account and feed as the daemon wires them, over real gRPC on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from hedged.adapters.injective.account import InjectiveAccount
from hedged.adapters.injective.address import subaccount_id
from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.stream import Feed, Pace
from hedged.config import InjectiveConfig
from hedged.domain.clock import SystemClock
from hedged.domain.market import Costs
from hedged.sandbox.injective.server import InjectiveSandbox

TRADER = "inj14au322k9munkmx5wrchz9q30juf5wjgz2cfqku"
SUBACCOUNT = subaccount_id(TRADER, 0)
COSTS = Costs(Decimal(0), Decimal("0.0005"), Decimal("0.0001"), Decimal(500_000))
QUICK = Pace(poll_s=0.2, details_s=0.5, silent_s=1.0, first_retry_s=0.05, longest_retry_s=0.2)


def settings(
    *sandboxes: InjectiveSandbox, deadline_s: float = 1.0, chain_id: str = "injective-1"
) -> InjectiveConfig:
    """Settings that name the sandboxes as nodes, in this order."""
    names = ("chain_grpc", "indexer_grpc", "chain_stream")
    nodes = [{name: getattr(s.endpoints, name) for name in names} for s in sandboxes]
    tree = {"network": "custom", "chain_id": chain_id, "nodes": nodes, "deadline_s": deadline_s}
    return InjectiveConfig.model_validate(tree)


@dataclass
class Reader:
    """The adapter's reading parts on one network."""

    network: InjectiveNetwork
    data: InjectiveData
    account: InjectiveAccount
    feed: Feed


@asynccontextmanager
async def reading(
    *sandboxes: InjectiveSandbox,
    run: bool = False,
    lag_ms: int = 30_000,
    deadline_s: float = 1.0,
    chain_id: str = "injective-1",
) -> AsyncIterator[Reader]:
    """Read the sandboxes; with `run` the feed runs meanwhile."""
    network = InjectiveNetwork.from_config(settings(*sandboxes, deadline_s=deadline_s, chain_id=chain_id))
    clock = SystemClock()
    data = InjectiveData(network, clock, COSTS, history_days=7, lag_ms=lag_ms)
    account = InjectiveAccount(data, clock, TRADER, 0)
    feed = Feed(data, clock, np.random.default_rng(7), QUICK, [account.subaccount_id], [TRADER])
    task = asyncio.create_task(feed.run()) if run else None
    try:
        yield Reader(network, data, account, feed)
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()
        await network.close()


async def until(true: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until something holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 (what is waited for is other code's state)
            await asyncio.sleep(0.01)
