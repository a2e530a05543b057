"""Orders that a killed life left resting on Injective, over real gRPC: swept; what the operator placed stays."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from injective_rig import Rig, rig

from hedged.domain.market import INJECTIVE
from hedged.domain.orders import OrderState
from hedged.execution.accounts import Accounts, AccountState
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.journal.transactions import JournalledTransactions
from hedged.execution.working.executor import Executor


async def reconciled(on: Rig, journal: Journal) -> AccountState:
    """What the next start makes of it, once the indexer tells what became of a cancelled order."""
    venues = {INJECTIVE: on.trading}
    accounts = Accounts(venues, journal, on.clock.now_ms(), account="test")
    await accounts.load()
    executor = Executor(venues, journal, accounts, on.clock)
    await executor.load()
    accounts.owned = lambda: executor.unresolved
    while True:
        state = await accounts.refresh(on.clock.now_ms())
        if state.reconciled and not state.orphans:
            return state
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("journal_lost", [False, True])
def test_what_a_killed_life_left_is_swept_and_the_operators_stays(journal_lost: bool, tmp_path: Path) -> None:
    """If this fails, a forgotten order fills some day, or the daemon cancels what the trader placed by hand."""

    async def main() -> None:
        async with asyncio.timeout(60), rig() as on:
            left, by_hand = on.order("0.5", slack="-0.05"), on.order("0.3", slack="-0.05")
            by_hand = replace(by_hand, client_id="my-own-order")
            await on.journal(JournalStore.record_attempt, left, on.clock.now_ms())
            await on.journal(JournalStore.record_event, left.client_id, on.clock.now_ms(), "acknowledged", "")
            for order in (left, by_hand):
                await on.trading.rest(order, lifetime_s=3_600)
            journal = on.journal
            if journal_lost:
                journal = Journal.open(tmp_path / "new.sqlite")
                on.trading._journal = JournalledTransactions(journal)
            try:
                state = await reconciled(on, journal)
                resting: list[OrderState] = list(await on.trading.open_orders())
            finally:
                if journal_lost:
                    journal.close()
            assert not state.alarm
            assert [(one.client_id, one.remaining) for one in resting] == [("my-own-order", Decimal("0.3"))]

    asyncio.run(main())
