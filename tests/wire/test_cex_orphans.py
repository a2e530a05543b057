"""Orders that a killed life left resting at an exchange, over real TLS: swept; what the operator placed stays."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from cex_rig import EVERY, Rig, rig

from hedged.execution.accounts import Accounts
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.working.executor import Executor
from hedged.sandbox.cex.account import Ticket

ACCOUNT = "test"  # whose orders the rig makes
BY_HAND = {"binance": "web_1", "bybit": "", "okx": "", "gate": "t-by-hand"}


def rest(on: Rig, theirs: str, quantity: str) -> None:
    """Put a buy order far below the market, as an exchange keeps it."""
    price = on.engine.book("BTC")[0][0][0] - 1_000
    on.engine.place(Ticket("BTC", 1, Decimal(quantity), price, "GTC", False, theirs))


async def accounts_of(on: Rig, journal: Journal) -> Accounts:
    """What a start makes of them: nothing is owned but what the journal calls unresolved."""
    trading = {on.venue: on.trading}
    accounts = Accounts(trading, journal, on.clock.now_ms(), account=ACCOUNT)
    await accounts.load()
    executor = Executor(trading, journal, accounts, on.clock)
    await executor.load()
    accounts.owned = lambda: executor.unresolved
    return accounts


@pytest.mark.parametrize("journal_lost", [False, True])
@pytest.mark.parametrize("venue", EVERY)
def test_what_a_killed_life_left_is_swept_and_the_operators_stays(
    venue: str, journal_lost: bool, tmp_path: Path
) -> None:
    """If this fails, a forgotten order fills some day, or the daemon cancels what the operator placed by hand."""

    async def main() -> None:
        async with asyncio.timeout(60), rig(venue, symbols=("BTC",)) as on:
            await on.trading.positions()
            left = on.order("0.5")
            before = Journal.open(tmp_path / "before.sqlite")
            await before(JournalStore.record_attempt, left, on.clock.now_ms())
            await before(JournalStore.record_event, left.client_id, on.clock.now_ms(), "acknowledged", "")
            before.close()
            rest(on, on.trading.orders.ids.theirs(left.client_id), "0.5")
            rest(on, BY_HAND[venue], "0.3")
            journal = Journal.open(tmp_path / ("new.sqlite" if journal_lost else "before.sqlite"))
            try:
                state = await (await accounts_of(on, journal)).refresh(on.clock.now_ms())
            finally:
                journal.close()
            assert state.reconciled
            assert not state.alarm
            assert not state.orphans
            assert [one.remaining for one in await on.trading.open_orders()] == [Decimal("0.3")]

    asyncio.run(main())
