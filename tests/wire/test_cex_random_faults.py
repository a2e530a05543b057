"""Random faults on every request while orders are sent: what happened, happened once and is accounted for."""

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import pytest
from cex_rig import EVERY, OTHER, Rig, rig

from hedged.domain.errors import HedgedError, OutcomeUnknown
from hedged.domain.market import SeriesKey
from hedged.execution.accounts import Accounts
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.working import attempts as executing
from hedged.execution.working.executor import Executor
from hedged.sandbox.cex.faults import Fault

FAULTS = [
    f for f in Fault if f not in (Fault.BLACK_HOLE, Fault.LOST_ACK, Fault.SLOW)
]  # those cost a timeout each
ORDERS = 12
AT = {"binance": "/fapi/v1/order", "bybit": "/v5/order/", "okx": "/api/v5/trade/order", OTHER: "/usdt/orders"}
"""Sends and look-ups; what else is asked before a send fails without an effect."""
CANCELLED_AT = AT | {"okx": "/api/v5/trade/"}
STEPS = 24


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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("venue", EVERY)
def test_orders_that_rest_end_as_told_whatever_goes_wrong(venue: str, seed: int) -> None:
    """If this fails, some order of faults leaves an order in the book, or a fill that its order does not tell."""
    dice = random.Random(f"{venue} rests {seed}")

    async def main() -> None:
        async with asyncio.timeout(90), rig(venue, symbols=("BTC",)) as on:
            await on.trading.positions()
            await on.trading.place(on.order("0.1"))  # market known, leverage set
            sent: dict[str, type[HedgedError] | None] = {}
            for _ in range(STEPS):
                for _ in range(dice.choice([0, 0, 1, 2])):
                    method = dice.choice(["POST", "DELETE", "GET", ""])
                    on.faults.add(dice.choice(FAULTS), CANCELLED_AT[venue], method)
                await _step(on, dice, sent)
                on.clock.skip(dice.choice([0, 1, 9]))
            on.faults.clear()
            on.clock.skip(72)
            await _all_ended(on, sent)

    asyncio.run(main())


async def _step(on: Rig, dice: random.Random, sent: dict[str, type[HedgedError] | None]) -> None:
    """Rest, cancel, look up, or let the market go through what rests."""
    alive = on.engine.account.alive()
    what = dice.choice(["rest", "rest", "cancel", "lookup", "sweep"])
    try:
        if what == "rest":
            made = on.order(dice.choice(["0.2", "-0.2"]), slack=dice.choice(["-0.01", "-0.02", "0.01"]))
            sent[made.client_id] = OutcomeUnknown
            await on.trading.rest(made, 600.0)
            sent[made.client_id] = None
        elif what == "sweep" and alive:
            ticket = dice.choice(alive).ticket
            on.sweep(ticket.price, ticket.sign, Decimal(dice.choice(["0.05", "0.3"])))
        elif what == "cancel" and sent:
            await on.trading.cancel(dice.choice(sorted(sent)))
        elif what == "lookup" and sent:
            await on.trading.lookup(dice.choice(sorted(sent)))
    except HedgedError as error:
        if what == "rest":
            sent[made.client_id] = type(error)


async def _all_ended(on: Rig, sent: dict[str, type[HedgedError] | None]) -> None:
    """Take everything back; what each order told must be what it did."""
    fills = await on.trading.executions(0)
    for client_id, error in sent.items():
        await on.trading.cancel(client_id)
        state = await on.trading.lookup(client_id)
        order = on.engine.account.by_client_id(on.trading.orders.ids.theirs(client_id))
        filled = order.filled if order else Decimal(0)
        assert (state.filled if state else Decimal(0)) == filled
        assert not filled or error in (None, OutcomeUnknown)  # else it was said not to exist
        assert sum((f.quantity for f in fills if f.client_id == client_id), Decimal(0)) == filled
    assert not on.engine.account.alive()
    assert list(await on.trading.open_orders()) == []
    assert sum((f.signed_quantity for f in fills), Decimal(0)) == on.held()
