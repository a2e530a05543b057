"""An intent worked where orders really rest: post-only first, cancelled, looked up, and the rest taken."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal

import cex_rig
import injective_rig
import pytest
from injective_rig import SUBACCOUNT

from hedged.config import parse_config
from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import SystemClock
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.ports import Rests, Trading
from hedged.execution.accounts import Accounts
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.working import attempts
from hedged.execution.working.executor import Executor

CONFIG = parse_config({"execution": {"rest_s": 2.5, "reprices": 1}})


@pytest.fixture(autouse=True)
def quick_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "LOOKUP_WAIT_S", 0.2)


async def worked(
    trading: Trading, market: Market, sent: ApprovedIntent, journal: Journal
) -> list[tuple[str, str]]:
    """Work an intent; return the kind of every order with what became of it."""
    assert isinstance(trading, Rests)
    clock, venues = SystemClock(), {market.key.venue: trading}
    accounts = Accounts(venues, journal, clock.now_ms())
    markets: Mapping[SeriesKey, Market] = {market.key: market}
    executor = Executor(venues, journal, accounts, clock, markets, CONFIG)
    await executor.load()
    await executor.execute([sent])
    assert executor.failed == {}
    assert not executor.live_ids()
    assert list(await trading.open_orders()) == []
    rows = await journal(
        JournalStore.rows,
        "SELECT i.kind, e.detail FROM intents i JOIN order_events e USING (client_id) WHERE e.event <> 'attempt'"
        " ORDER BY e.rowid",
        (),
    )
    return [(kind, detail.split(" ")[0]) for kind, detail in rows]


@pytest.mark.parametrize("venue", ["binance", cex_rig.OTHER])
def test_at_an_exchange_an_order_rests_and_what_is_left_is_taken(venue: str) -> None:
    """If this fails, the executor and an exchange's resting orders do not fit together: two live, or none filled."""

    async def main() -> None:
        async with asyncio.timeout(60), cex_rig.rig(venue, symbols=("BTC",)) as on:
            journal = Journal.open(None)
            try:
                await on.trading.positions()
                market = (await on.data.markets())["BTC"]
                told = await worked(on.trading, market, on.order("0.2"), journal)
                assert told[-1] == ("take", "filled")
                assert ("rest", "cancelled") in told
                assert on.held() == Decimal("0.2")
            finally:
                journal.close()

    asyncio.run(main())


def test_on_injective_an_order_rests_and_what_is_left_is_taken() -> None:
    """If this fails, the executor and the chain's resting orders do not fit together: two live, or none filled."""

    async def main() -> None:
        async with asyncio.timeout(60), injective_rig.rig() as on:
            on.chain.seed_position(SUBACCOUNT, "BTC", Decimal(2), on.mark())
            market = (await on.data.markets())["BTC"]
            assert market.key.venue == INJECTIVE
            told = await worked(on.trading, market, on.order("-0.8", reduce_only=True), on.journal)
            assert told[-1] == ("take", "filled")
            assert ("rest", "cancelled") in told
            assert on.held() == Decimal("1.2")

    asyncio.run(main())
