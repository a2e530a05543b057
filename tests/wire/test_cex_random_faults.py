"""Random faults on every request while the executor trades: what happened, happened once and is accounted for."""

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import pytest
from cex_rig import EVERY, OTHER, rig

from hedged.domain.market import SeriesKey
from hedged.execution import executor as executing
from hedged.execution.accounts import Accounts
from hedged.execution.executor import Executor
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore
from hedged.sandbox.cex.faults import Fault

FAULTS = [
    f for f in Fault if f not in (Fault.BLACK_HOLE, Fault.LOST_ACK, Fault.SLOW)
]  # those cost a timeout each
ORDERS = 12
AT = {"binance": "/fapi/v1/order", "bybit": "/v5/order/", "okx": "/api/v5/trade/order", OTHER: "/usdt/orders"}
"""Sends and look-ups; what else is asked before a send fails without an effect."""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("venue", EVERY)
def test_nothing_happens_twice_and_nothing_is_forgotten(
    venue: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, some order of faults makes the daemon trade twice, or believe in a position that is not there."""
    monkeypatch.setattr(executing, "LOOKUP_WAIT_S", 0.001)
    dice = random.Random(f"{venue} {seed}")

    async def main() -> None:
        async with asyncio.timeout(90), rig(venue, symbols=("BTC",)) as on:
            await on.trading.positions()
            journal = Journal.open(tmp_path / "journal.sqlite")
            try:
                accounts = Accounts({venue: on.trading}, journal, on.clock.now_ms())
                await accounts.load()
                executor = Executor({venue: on.trading}, journal, accounts, on.clock)
                await executor.execute([on.order("0.2")])  # market known, leverage set
                for _ in range(ORDERS):
                    for _ in range(dice.choice([0, 1, 2, 4])):
                        on.faults.add(dice.choice(FAULTS), AT[venue], dice.choice(["POST", "GET", ""]))
                    size = dice.choice(["0.1", "0.2", "-0.1", "-0.3"])
                    await executor.execute([on.order(size)])
                    on.clock.skip(dice.choice([0, 3, 9]) * (8 if venue == OTHER else 1))
                    await executor.resolve()
                on.faults.clear()
                on.clock.skip(72)
                await executor.resolve()
                assert not executor.unresolved
                state = await accounts.refresh(on.clock.now_ms())
                assert state.reconciled
                ours = on.trading.orders.ids.ours
                sent = [ours(order.ticket.client_id) for order in on.engine.account.orders.values()]
                assert len(sent) == len(set(sent))
                fills = await journal(JournalStore.fills)
                assert sum((f.signed_quantity for f in fills), Decimal(0)) == on.held()
                assert state.attributed.get(SeriesKey(venue, "BTC"), Decimal(0)) == on.held()
                traded = {f.execution.client_id for f in fills}
                assert traded == {
                    ours(order.ticket.client_id)
                    for order in on.engine.account.orders.values()
                    if order.filled
                }
            finally:
                journal.close()

    asyncio.run(main())
