"""The funding ledger and the evidence against what exchanges really tell, over real TLS: rates, prices, bookings."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cex_rig import EVERY, Rig, rig

from hedged.domain.market import SeriesKey
from hedged.execution.accounts import Accounts, Reader
from hedged.execution.journal.thread import Journal

HOURS = 6


async def hours(on: Rig, accounts: Accounts, count: int, *, booked: bool = True) -> Any:
    """Let hours pass, with a look in each; return the last state. Not `booked`: no funding is paid."""
    state = None
    for _ in range(count):
        on.clock.skip(3_600)
        paid = len(on.engine.account.income)
        on.engine.advance()
        if not booked:
            del on.engine.account.income[paid:]
        await on.data.snapshot()
        state = await accounts.refresh(on.clock.now_ms())
        assert state.reconciled, state.unknown
    return state


@pytest.mark.parametrize("venue", EVERY)
def test_what_an_exchange_books_is_what_its_settlements_say(venue: str, tmp_path: Path) -> None:
    """If this fails, the figures of a venue are read so that correct funding freezes its markets, or none is judged."""

    async def main() -> None:
        async with asyncio.timeout(60), rig(venue, symbols=("BTC",), hourly=True) as on:
            await on.data.listed()
            on.protocol.per_minute = 10**9
            journal, key = Journal.open(tmp_path / "journal.sqlite"), SeriesKey(venue, "BTC")
            try:
                reader = Reader({venue: on.data}, Decimal(10**6))
                accounts = Accounts(
                    {venue: on.trading},
                    journal,
                    on.clock.now_ms(),
                    markets=(key,),
                    reader=reader,
                    account="test",
                )
                await accounts.load()
                on.hold("2")
                await accounts.refresh(on.clock.now_ms())
                state = await hours(on, accounts, HOURS)
                ledger = accounts.checks.ledger
                assert not ledger.open
                assert ledger._right[key] >= HOURS - 1, "they were judged"
                assert not state.frozen
                state = await hours(on, accounts, 4, booked=False)
                assert key in state.frozen
            finally:
                journal.close()

    asyncio.run(main())
