"""A chain that stood still for hours settles one interval a block: each is one settlement, whoever tells of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from injective_history import START_MS, HandClock, block, observer
from injective_reading import COSTS, SUBACCOUNT, TRADER, reading, settings, until

from hedged.adapters.injective.account import InjectiveAccount
from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.paper_book import PaperBook
from hedged.adapters.paper import PaperVenue
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Side
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

BTC = SeriesKey("injective", "BTC")
HELD = Decimal("0.5")
HALT_H = 4


@asynccontextmanager
async def after_a_halt() -> AsyncIterator[tuple[InjectiveSandbox, HandClock, InjectiveData]]:
    """An hour as usual, then four hours without a block (an hour passes, the chain stands), then blocks again."""
    clock = HandClock(START_MS)
    config = SandboxConfig(symbols=("BTC",), block_time_s=None)
    async with InjectiveSandbox(config, clock) as sandbox:
        sandbox.chain.seed_position(SUBACCOUNT, "BTC", HELD, sandbox.markets["BTC"].mark)
        async with observer(sandbox, clock) as (data, feed):
            for _ in range(13):
                clock.ms += 5 * MINUTE_MS
                await block(sandbox, feed)
            clock.ms += HALT_H * HOUR_MS + 20 * MINUTE_MS
            for _ in range(HALT_H + 3):
                clock.ms += 700
                await block(sandbox, feed)
            await data.snapshot()
            yield sandbox, clock, data


def account(data: InjectiveData, clock: HandClock) -> InjectiveAccount:
    return InjectiveAccount(data, clock, TRADER, 0)


def test_a_settlement_after_a_halt_is_one_whether_the_stream_or_the_indexer_tells_it() -> None:
    """If this fails, hours of a halt stand twice in the history and the simulated part is charged twice for them."""

    async def main() -> None:
        async with after_a_halt() as (sandbox, clock, data):
            hours = [START_MS + h * HOUR_MS for h in range(1, HALT_H + 2)]
            assert len(sandbox.chain.state.history.rates) == len(hours)
            live = await data.settlements(0, clock.ms)  # seen live, and read from the indexer on top
            assert [one.ts_ms for one in live] == hours
            network = InjectiveNetwork.from_config(settings(sandbox, deadline_s=5.0))
            try:
                later = InjectiveData(network, clock, COSTS, history_days=7, lag_ms=DAY_MS)
                await later.load()
                await later.snapshot()
                await later.load()
                told = [one.ts_ms for one in later.tickers["BTC"].prints.prints]
                assert told == hours  # by somebody who knows the indexer alone
            finally:
                await network.close()

    asyncio.run(main())


def test_every_payment_after_a_halt_is_told_once_under_its_own_hour() -> None:
    """If this fails, the ledger lacks hours of a halt, or books one of them twice."""

    async def main() -> None:
        async with after_a_halt() as (sandbox, clock, data):
            reader = account(data, clock)
            await reader.positions()
            booked = [p for p in sandbox.chain.state.history.payments if p.subaccount_id == SUBACCOUNT]
            payments = await reader.funding_payments(0)
            assert [p.settlement.ts_ms for p in payments] == [
                START_MS + h * HOUR_MS for h in range(1, HALT_H + 2)
            ]
            assert [p.payment_usd for p in payments] == pytest.approx(
                [p.amount for p in booked], abs=Decimal("1e-9")
            )
            assert all(float(p.quantity) == pytest.approx(float(HELD), rel=1e-6) for p in payments)
            # asked for from an instant within the halt on: what was made up for since is told all the same
            during = START_MS + 4 * HOUR_MS
            late = [p.settlement.ts_ms for p in await reader.funding_payments(during)]
            assert late == [START_MS + h * HOUR_MS for h in range(2, HALT_H + 2)]

    asyncio.run(main())


def test_the_simulated_part_pays_each_hour_of_a_halt_once() -> None:
    """If this fails, paper mode charges the hedge twice for every hour in which the chain stood still."""

    async def main() -> None:
        async with after_a_halt() as (sandbox, clock, data):
            fill = Execution(
                START_MS + MINUTE_MS, BTC, "1", "mine", Side.SELL, HELD / 2, Decimal(1), Decimal(0)
            )
            paper = PaperVenue(data, clock, Decimal(0), 0)
            book = PaperBook(account(data, clock), paper, data, clock, [fill])
            await book.positions()
            payments = await book.funding_payments(0)
            booked = [p for p in sandbox.chain.state.history.payments if p.subaccount_id == SUBACCOUNT]
            assert [p.settlement.ts_ms for p in payments] == [
                START_MS + h * HOUR_MS for h in range(1, HALT_H + 2)
            ]
            assert [float(p.payment_usd) for p in payments] == pytest.approx(
                [float(p.amount / 2) for p in booked], abs=1e-9
            )
            paid = await book._funding()
            assert float(paid) == pytest.approx(-float(sum(p.amount for p in booked)) / 2, abs=1e-9)

    asyncio.run(main())


def test_the_halt_fault_leaves_every_hour_once_in_live_and_in_recorded_history() -> None:
    """If this fails, what the daemon saw of a halt differs from what it reads of it after a restart."""

    async def main() -> None:
        config = SandboxConfig(symbols=("BTC",), block_time_s=0.05, hour_s=1)
        async with InjectiveSandbox(config) as sandbox, reading(sandbox, run=True) as reader:
            prints = reader.data
            await until(lambda: reader.feed.live and bool(prints.tickers["BTC"].prints.prints))
            sandbox.faults.halt = True
            await asyncio.sleep(2.5)
            sandbox.faults.halt = False
            height = sandbox.chain.height
            await until(lambda: sandbox.chain.height > height + 6 and reader.feed.live)
            live = [one.ts_ms for one in prints.tickers["BTC"].prints.prints]
            async with reading(sandbox) as later:
                await later.data.snapshot()
                await later.data.load()
                told = [one.ts_ms for one in later.data.tickers["BTC"].prints.prints]
            assert live == list(range(live[0], live[-1] + 1, 1_000))
            assert told[told.index(live[0]) :][: len(live)] == live

    asyncio.run(main())
