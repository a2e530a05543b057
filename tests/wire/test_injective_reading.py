"""What the adapter reads of the sandbox over real gRPC: markets, funding, the account; by polls and by the stream."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from injective_reading import COSTS, SUBACCOUNT, TRADER, reading, until

from hedged.domain.bars import Field
from hedged.domain.book import Position
from hedged.domain.clock import SystemClock
from hedged.domain.errors import ConfigError, Retryable
from hedged.domain.funding import funding_payment
from hedged.domain.market import SeriesKey
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

STILL = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=None, moving=False)
BTC, INJ = SeriesKey("injective", "BTC"), SeriesKey("injective", "INJ")


def test_the_rules_of_a_market_are_the_chains() -> None:
    """If this fails, orders are rounded to other ticks, or fees and margins are reckoned that are not the chain's."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox) as reader:
            await sandbox.chain.next_block()
            told = await reader.data.markets()
            await reader.data.details()
            assert set(told) == {"BTC", "INJ"}
            for symbol, market in (await reader.data.markets()).items():
                there, rules = sandbox.markets[symbol], sandbox.markets[symbol].rules
                assert market.price_tick == rules.price_tick
                assert market.quantity_step == rules.quantity_tick
                assert market.min_notional_usd == rules.min_notional
                assert market.initial_margin_ratio == rules.initial_margin_ratio
                assert market.maintenance_margin_ratio == rules.maintenance_margin_ratio
                assert (market.costs.maker_fee, market.costs.taker_fee) == (rules.maker_fee, rules.taker_fee)
                assert 0 < market.costs.half_spread < Decimal("0.01")
                assert market.costs.depth_usd != COSTS.depth_usd
                found = await reader.data.perpetual(symbol)
                assert found is not None
                perpetual, mark = found
                assert (perpetual.market_id, perpetual.quote_decimals, mark) == (
                    there.market_id,
                    6,
                    there.mark,
                )
                assert perpetual.rule.interval_s == 3_600

    asyncio.run(main())


def test_post_only_mode_and_the_clock_are_known() -> None:
    """If this fails, hedges are planned on a chain that fills none, or by a clock that nobody compared with its own."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox) as reader:
            assert reader.data.clock_offset_ms is None
            await sandbox.chain.next_block()
            await reader.data.snapshot()
            await reader.data.details()
            assert reader.data.restriction == ""
            assert reader.data.clock_offset_ms is not None
            assert abs(reader.data.clock_offset_ms) < 5_000
            sandbox.faults.post_only_mode = True
            await sandbox.chain.next_block()
            await reader.data.details()
            assert "post-only mode" in reader.data.restriction
            sandbox.faults.post_only_mode = False
            await sandbox.chain.next_block()
            await reader.data.snapshot()
            assert reader.data.restriction == ""

    asyncio.run(main())


def test_open_interest_is_told_once_not_twice() -> None:
    """If this fails, Injective looks twice as large as every other venue."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox) as reader:
            await sandbox.chain.next_block()
            await reader.data.markets()
            await reader.data.details()
            (seen,) = [o for o in await reader.data.observe(SystemClock().now_ms()) if o.key == BTC]
            both_sides = sandbox.markets["BTC"].open_interest
            assert seen.values[Field.OPEN_INTEREST] == pytest.approx(float(both_sides / 2))
            assert seen.values[Field.BID_DEPTH_USD] > 0
            assert seen.values[Field.ASK_DEPTH_USD] > 0

    asyncio.run(main())


def test_the_account_is_read_without_a_key() -> None:
    """If this fails, the trader's book is not what the chain shows: a side, an entry, a margin, the cash."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox) as reader:
            chain = sandbox.chain
            chain.fund(TRADER, usdt=10_000)
            mark = sandbox.markets["BTC"].mark
            chain.seed_position(SUBACCOUNT, "BTC", Decimal("0.5"), mark, margin=mark / 6)
            chain.seed_position(SUBACCOUNT, "INJ", Decimal("-100"), sandbox.markets["INJ"].mark)
            await chain.next_block()
            positions = await reader.account.positions()
            ratio = sandbox.markets["BTC"].rules.maintenance_margin_ratio
            liquidated = (
                mark * (1 - Decimal(1) / 3) / (1 - ratio)
            )  # a sixth of a coin's price behind half a coin
            margin, told = positions["BTC"].margin_usd, positions["BTC"].liquidation_price
            assert margin == pytest.approx(mark / 6)
            assert told == pytest.approx(liquidated)
            assert replace(positions["BTC"], margin_usd=None, liquidation_price=None) == (
                Position(BTC, Decimal("0.5"), mark)
            )
            assert (positions["INJ"].quantity, positions["INJ"].entry_price) == (
                -100,
                sandbox.markets["INJ"].mark,
            )
            balance = await reader.account.balance()
            margins = sum(m.positions[SUBACCOUNT].margin for m in sandbox.markets.values())
            assert balance.total_usd == pytest.approx(10_000 + margins)
            assert balance.free_usd == 10_000
            held, there = reader.account.holdings["BTC"], sandbox.markets["BTC"]
            state = reader.data.tickers["BTC"].state
            assert state is not None
            ratio = there.rules.maintenance_margin_ratio
            theirs = there.positions[SUBACCOUNT].liquidation_price(ratio, there.funding.cumulative_funding)
            assert float(held.liquidation_price(ratio, state.cumulative_funding)) == pytest.approx(
                float(theirs)
            )
            told = positions["BTC"].liquidation_price
            assert told is not None, "the guard watches how far it is"
            assert float(told) == pytest.approx(float(theirs))

    asyncio.run(main())


def test_manual_trades_are_followed() -> None:
    """If this fails, the daemon protects a position that the trader has closed."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox) as reader:
            chain, mark = sandbox.chain, sandbox.markets["BTC"].mark
            assert await reader.account.positions() == {}
            chain.seed_position(SUBACCOUNT, "BTC", Decimal(1), mark)
            await chain.next_block()
            assert (await reader.account.positions())["BTC"].quantity == 1
            chain.seed_position(SUBACCOUNT, "BTC", Decimal("-0.75"), mark)
            await chain.next_block()
            assert (await reader.account.positions())["BTC"].quantity == Decimal("0.25")

    asyncio.run(main())


def test_payments_are_the_chains_to_the_last_digit() -> None:
    """If this fails, the funding ledger differs from what the account was really charged."""

    async def main() -> None:
        # an hour that no loaded machine stalls through; what is settled late is told in test_injective_halt
        config = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=0.2, hour_s=2)
        async with InjectiveSandbox(config) as sandbox, reading(sandbox, run=True) as reader:
            history = sandbox.chain.state.history
            await until(lambda: reader.feed.live)
            held = {"BTC": Decimal("0.5"), "INJ": Decimal(-100)}
            for symbol, quantity in held.items():
                sandbox.chain.seed_position(SUBACCOUNT, symbol, quantity, sandbox.markets[symbol].mark)
            await reader.account.positions()
            await until(lambda: len([p for p in history.payments if p.subaccount_id == SUBACCOUNT]) >= 6)
            payments = await reader.account.funding_payments(0)
            booked = [p for p in history.payments if p.subaccount_id == SUBACCOUNT][: len(payments)]
            assert len(payments) >= 6
            total = sum(p.payment_usd for p in payments)
            assert total == pytest.approx(sum(p.amount for p in booked), abs=Decimal("1e-9"))
            for p in payments:
                assert float(p.quantity) == pytest.approx(float(held[p.settlement.key.symbol]), rel=1e-6)
                exact = funding_payment(held[p.settlement.key.symbol], p.settlement).payment_usd
                assert float(p.payment_usd) == pytest.approx(float(exact), abs=1e-9)
            last_ms = payments[-1].settlement.ts_ms
            assert await reader.account.funding_payments(last_ms) == [
                p for p in await reader.account.funding_payments(0) if p.settlement.ts_ms > last_ms
            ]

    asyncio.run(main())


def test_the_stream_brings_a_settlement_with_all_its_digits() -> None:
    """If this fails, rates are known with the indexer's six decimals only: a tenth of a quiet hour is rounding."""

    async def main() -> None:
        config = SandboxConfig(symbols=("BTC",), block_time_s=None, moving=True)
        async with InjectiveSandbox(config) as sandbox, reading(sandbox, run=True) as reader:
            await until(lambda: bool(reader.data.tickers))
            await sandbox.chain.next_block()
            await until(lambda: reader.feed.live)
            before = sandbox.markets["BTC"].funding.cumulative_funding
            await sandbox.chain.settle_funding()
            prints = reader.data.tickers["BTC"].prints
            await until(lambda: bool(prints.prints))
            (one,) = prints.prints
            gained = sandbox.markets["BTC"].funding.cumulative_funding - before
            assert one.price is not None
            assert float(one.rate * one.price) == pytest.approx(float(gained), rel=1e-12)

    asyncio.run(main())


def test_polls_alone_bring_a_settlement_too() -> None:
    """If this fails, a settlement during an outage of the stream is lost."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox:
            sandbox.faults.stream_refused = True
            async with reading(sandbox, run=True) as reader:
                await until(lambda: bool(reader.data.tickers))
                await sandbox.chain.settle_funding()
                prints = reader.data.tickers["BTC"].prints
                await until(lambda: bool(prints.prints))
                assert not reader.feed.live
                assert float(prints.prints[0].rate) == pytest.approx(0.00000416666)

    asyncio.run(main())


def test_the_nowcast_is_the_chains_formula_on_the_chains_accumulators() -> None:
    """If this fails, the coming rate is expected elsewhere than the chain will charge it."""

    async def main() -> None:
        config = SandboxConfig(symbols=("BTC",), block_time_s=None, moving=True)
        async with InjectiveSandbox(config) as sandbox, reading(sandbox, run=True) as reader:
            await until(lambda: bool(reader.data.tickers))
            for _ in range(5):
                await sandbox.chain.next_block(after_s=1)
            there = sandbox.markets["BTC"].funding

            def caught_up() -> bool:
                known = reader.data.tickers["BTC"].seen[-1].state.funding
                return (known.last_ts_s, known.cum_price) == (there.last_s, there.cumulative_price)

            await until(caught_up)
            now_ms = SystemClock().now_ms()
            found = reader.data.seen("BTC", now_ms)
            assert found is not None
            perpetual, seen = found
            assert seen.state.funding.last_ts_s == there.last_s
            assert seen.state.funding.next_settlement_s == there.next_s
            assert seen.trades_per_s > 0
            assert seen.premiums
            (told,) = await reader.data.observe(now_ms)
            assert abs(told.values[Field.FUNDING_ESTIMATE]) <= float(perpetual.rule.hourly_cap)

    asyncio.run(main())


def test_another_chain_is_refused() -> None:
    """If this fails, a daemon set up for mainnet trades on what a test chain says."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox, chain_id="injective-888") as reader:
            with pytest.raises(
                ConfigError, match="on chain 'injective-1', the configuration asks for 'injective-888'"
            ):
                await reader.data.markets()

    asyncio.run(main())


def test_an_endpoint_that_nobody_serves_is_retryable_and_says_so() -> None:
    """If this fails, a dead address shows as a stack trace or as an empty book."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox:
            endpoints = sandbox.endpoints
        assert endpoints  # stopped: nobody listens there any more
        async with InjectiveSandbox(STILL) as other:
            other._endpoints = endpoints
            async with reading(other) as reader:
                with pytest.raises(Retryable, match="UNAVAILABLE"):
                    await reader.data.markets()

    asyncio.run(main())


def test_a_plain_client_sees_what_the_adapter_sees() -> None:
    """If this fails, adapter and sandbox agree with each other and with nobody else."""

    async def main() -> None:
        from pyinjective.async_client_v2 import AsyncClient
        from pyinjective.core.network import Network

        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox) as reader:
            sandbox.chain.seed_position(SUBACCOUNT, "BTC", Decimal("0.5"), sandbox.markets["BTC"].mark)
            await sandbox.chain.next_block()
            e = sandbox.endpoints
            plain = Network.custom(
                e.lcd, e.tendermint, e.chain_grpc, e.indexer_grpc, e.indexer_grpc, e.chain_stream,
                "injective-1", "local", "",
            )  # fmt: skip
            client = AsyncClient(plain)
            client._cancel_timeout_height_sync_task()
            answer: dict[str, Any] = await client.fetch_chain_subaccount_positions(SUBACCOUNT)
            (state,) = answer["state"]
            mine = (await reader.account.positions())["BTC"]
            assert Decimal(state["position"]["quantity"]).scaleb(-18) == mine.quantity
            assert Decimal(state["position"]["entryPrice"]).scaleb(-18) == mine.entry_price
            for channel in (client.chain_channel, client.exchange_channel, client.explorer_channel):
                await channel.close()
            await client.chain_stream_channel.close()

    asyncio.run(main())
