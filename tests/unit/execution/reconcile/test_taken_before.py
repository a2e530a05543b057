"""What others traded before a hedge was there: told late, as after a restart, it took nothing of it."""

import asyncio
from pathlib import Path

from fakes import NOW_MS, THERE, FakeVenue, approve, intent

from hedged.domain.clock import MINUTE_MS
from hedged.domain.market import INJECTIVE
from hedged.execution.accounts import Accounts
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal


def test_a_trade_of_before_the_hedge_takes_nothing_of_it_after_a_restart(tmp_path: Path) -> None:
    """If this fails, a restart forgets a hedge that stays open at the venue: a flatten reports done, and it is not."""
    venues = {v.venue: v for v in (FakeVenue(INJECTIVE, 10), FakeVenue("binance"))}
    there = venues["binance"]
    there.now_ms = NOW_MS - 3 * MINUTE_MS
    there.trade("BTC", 5)  # by hand
    there.now_ms = NOW_MS

    async def main() -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", durable=False)
        first = Accounts(venues, journal, NOW_MS - MINUTE_MS)  # it begins after that
        await first.load()
        order = approve(intent(THERE, -2))
        await journal(JournalStore.record_attempt, order, NOW_MS)
        first.claim(order.client_id, order.intent.purpose, order.intent.reference_price)
        await there.place(order)
        assert (await first.refresh(NOW_MS)).attributed[THERE] == -2
        second = Accounts(venues, journal, NOW_MS)
        await second.load()
        state = await second.refresh(NOW_MS + 1)
        assert (state.attributed[THERE], state.taken) == (-2, [])
        there.now_ms = NOW_MS + 2
        there.trade("BTC", 1)  # a liquidation, say
        state = await second.refresh(NOW_MS + 3)
        assert state.attributed[THERE] == -1
        journal.close()

    asyncio.run(main())
