"""What the daemon does when an exchange takes its hedge away, or its market. How each exchange tells it is proven
in test_cex_markets_change and test_cex_account; here one stands for all."""

import asyncio
from decimal import Decimal
from pathlib import Path

from exchange_stage import LIVE, living, stage

from hedged.domain.clock import MINUTE_MS, SystemClock
from hedged.domain.market import SeriesKey
from hedged.execution.accounts import Accounts
from hedged.sandbox.cex.engine import LIQUIDATED
from hedged.sandbox.injective.rehearsal import address_of, throwaway_key
from hedged.sandbox.injective.wire import subaccount_of

VENUE, KEY = "bybit", SeriesKey("bybit", "INJ")


def test_a_leg_that_was_liquidated_is_accounted_for_and_not_taken_for_ours(tmp_path: Path) -> None:
    """If this fails, the daemon goes on as if it were hedged, or takes the liquidation for the operator's trade."""

    async def main() -> None:
        async with asyncio.timeout(60), stage(tmp_path, (VENUE,)) as on:
            clock = SystemClock()
            async with living(on.config(**LIVE), clock) as (app, journal):
                await app.step(clock.now_ms())
                assert on.held(VENUE) < 0
                on.hall.protocols[VENUE].exchange.force_close("INJ", Decimal(1), f"{LIQUIDATED}1")
                report = await app.step(clock.now_ms())
                assert report.account.reconciled
                assert on.held(VENUE) < 0, report.decisions["INJ"]["reason"]  # hedged anew, from nothing
                assert report.account.attributed[KEY] == on.held(VENUE)
                again = Accounts(app.parts.trading, journal, clock.now_ms())
                await again.load()
                after = await again.refresh(clock.now_ms())
                assert after.attributed[KEY] == on.held(VENUE)
                assert after.own["INJ"] == report.account.own["INJ"]

    asyncio.run(main())


def test_nothing_is_opened_where_a_market_is_about_to_end(tmp_path: Path) -> None:
    """If this fails, the daemon holds a hedge that the exchange will close at a time of its own."""

    async def main() -> None:
        async with asyncio.timeout(60), stage(tmp_path, (VENUE,)) as on:
            clock = SystemClock()
            async with living(on.config(**LIVE), clock) as (app, _):
                engine = on.hall.protocols[VENUE].exchange
                engine.delist("INJ", engine.now_ms + 20 * MINUTE_MS)
                await app.step(clock.now_ms())
                assert on.held(VENUE) == 0
                assert not engine.account.orders
                second = await app.step(clock.now_ms())
                assert second.account.reconciled
                assert on.held(VENUE) == 0

    asyncio.run(main())


def test_a_hedge_is_reduced_where_a_market_is_about_to_end_and_gone_after_it(tmp_path: Path) -> None:
    """If this fails, the daemon cannot follow the trader out, or counts on a hedge that the exchange has settled."""

    async def main() -> None:
        async with asyncio.timeout(60), stage(tmp_path, (VENUE,)) as on:
            clock = SystemClock()
            async with living(on.config(**LIVE), clock) as (app, _):
                await app.step(clock.now_ms())
                before, engine = on.held(VENUE), on.hall.protocols[VENUE].exchange
                engine.delist("INJ", engine.now_ms + 20 * MINUTE_MS)
                operator = address_of(throwaway_key(7, "operator"))
                own = on.chain.markets["INJ"].positions[subaccount_of(operator)]
                own.quantity = own.quantity / 4 // 1
                await on.chain.chain.next_block()
                report = await app.step(clock.now_ms())
                assert before < on.held(VENUE) < 0, report.decisions
                engine.ends["INJ"] = engine.now_ms
                engine.advance()
                report = await app.step(clock.now_ms())
                assert on.held(VENUE) == 0
                assert report.account.reconciled
                assert report.account.attributed.get(KEY, 0) == 0

    asyncio.run(main())
