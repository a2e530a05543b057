"""What the reading side does when Injective misbehaves: each fault, and what is logged, kept and told."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from injective_reading import SUBACCOUNT, reading, until

from hedged.domain.bars import Field
from hedged.domain.clock import SystemClock
from hedged.domain.errors import Retryable
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

RUNNING = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=0.05)
STILL = SandboxConfig(symbols=("BTC",), block_time_s=None, moving=False)


def events(logs: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in logs]


def test_a_silent_node_makes_the_book_unknown_never_flat() -> None:
    """If this fails, a node that does not answer makes the daemon believe that nothing is held, or hangs it."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox, deadline_s=0.2) as reader:
            sandbox.chain.seed_position(SUBACCOUNT, "BTC", Decimal(1), sandbox.markets["BTC"].mark)
            await sandbox.chain.next_block()
            assert await reader.account.positions()
            sandbox.faults.silent_rpc = True
            async with asyncio.timeout(3):
                for ask in (reader.account.positions, reader.account.balance):
                    with pytest.raises(Retryable, match="DEADLINE_EXCEEDED"):
                        await ask()
                with pytest.raises(Retryable, match="DEADLINE_EXCEEDED"):
                    await reader.account.executions(0)
            sandbox.faults.silent_rpc = False
            assert (await reader.account.positions())["BTC"].quantity == 1

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["unavailable", "rate_limited"])
def test_a_node_that_refuses_is_said_once_and_its_return_once(fault: str, logs: list[dict[str, Any]]) -> None:
    """If this fails, a bad hour of a public node fills the disk with logs, or nobody learns of it."""

    async def main() -> None:
        async with InjectiveSandbox(RUNNING) as sandbox, reading(sandbox, run=True) as reader:
            await until(lambda: reader.feed.live)
            sandbox.faults.switch(fault, value=True)
            await until(lambda: "injective_polls_failing" in events(logs))
            await asyncio.sleep(0.7)
            with pytest.raises(Retryable):
                await reader.account.positions()
            sandbox.faults.switch(fault, value=False)
            await until(lambda: "injective_polls_back" in events(logs))
            assert events(logs).count("injective_polls_failing") == 1
            assert events(logs).count("injective_polls_back") == 1
            chain = [line for line in logs if line.get("channel") == "chain"]
            assert [line["event"] for line in chain] == ["node_lost", "node_back"]

    asyncio.run(main())


@pytest.mark.parametrize(("how", "why"), [("drop", "UNAVAILABLE"), ("overflow", "buffer overflow")])
def test_a_dropped_stream_is_taken_up_again_with_a_new_snapshot(
    how: str, why: str, logs: list[dict[str, Any]]
) -> None:
    """If this fails, what happened while the stream was down is never learnt."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox, run=True) as reader:
            await until(lambda: bool(reader.data.tickers))
            await sandbox.chain.next_block()
            await until(lambda: reader.feed.live)
            asked_ms = reader.data._polled_ms
            getattr(sandbox.streams, how)()
            await until(lambda: not reader.feed.live)
            await sandbox.chain.settle_funding()  # nobody listens

            async def blocks() -> None:
                while not reader.feed.live:
                    await asyncio.sleep(0.1)
                    await sandbox.chain.next_block()

            await asyncio.wait_for(blocks(), 5)
            await until(lambda: "injective_stream_back" in events(logs))
            assert reader.data._polled_ms > asked_ms
            assert len(reader.data.tickers["BTC"].prints.prints) == 1
            assert events(logs).count("injective_stream_lost") == 1
            (lost,) = [line for line in logs if line["event"] == "injective_stream_lost"]
            assert lost["instead"] == "polls"
            assert why in lost["why"]

    asyncio.run(main())


def test_a_stream_that_falls_silent_is_dropped_by_the_watchdog(logs: list[dict[str, Any]]) -> None:
    """If this fails, a half-open connection looks like a market in which nothing happens."""

    async def main() -> None:
        async with InjectiveSandbox(RUNNING) as sandbox, reading(sandbox, run=True) as reader:
            await until(lambda: reader.feed.live)
            sandbox.faults.silent_stream = True
            await until(lambda: "injective_stream_lost" in events(logs))
            (lost,) = [line for line in logs if line["event"] == "injective_stream_lost"]
            assert lost["why"] == "no block for 1 s"
            mark_ms = reader.data._polled_ms
            await until(lambda: reader.data._polled_ms > mark_ms)  # polls go on
            sandbox.faults.silent_stream = False
            await until(lambda: "injective_stream_back" in events(logs))
            assert reader.feed.live
            assert events(logs).count("injective_stream_lost") == 1

    asyncio.run(main())


def test_a_gap_in_the_heights_takes_a_snapshot(logs: list[dict[str, Any]]) -> None:
    """If this fails, a settlement in a lost block is never booked."""

    async def main() -> None:
        async with InjectiveSandbox(STILL) as sandbox, reading(sandbox, run=True) as reader:
            await until(lambda: bool(reader.data.tickers))
            await sandbox.chain.next_block()
            await until(lambda: reader.feed.live)
            sandbox.streams.skip_blocks(2)
            before_ms = reader.data._polled_ms
            await sandbox.chain.next_block()
            await sandbox.chain.next_block()
            await sandbox.chain.next_block()
            await until(lambda: "injective_stream_gap" in events(logs))
            await until(lambda: reader.data._polled_ms > before_ms)
            (gap,) = [line for line in logs if line["event"] == "injective_stream_gap"]
            assert gap["next"] == gap["after"] + 3
            assert reader.feed.live

    asyncio.run(main())


def test_a_refused_stream_leaves_the_polls_which_tell_everything(logs: list[dict[str, Any]]) -> None:
    """If this fails, no stream means no market."""

    async def main() -> None:
        async with InjectiveSandbox(RUNNING) as sandbox:
            sandbox.faults.stream_refused = True
            async with reading(sandbox, run=True) as reader:
                await until(lambda: events(logs).count("injective_stream_lost") == 1)
                await until(lambda: "BTC" in reader.data.tickers)
                (seen, _) = await reader.data.observe(SystemClock().now_ms())
                assert seen.values[Field.MARK] > 0
                await asyncio.sleep(0.5)
                assert events(logs).count("injective_stream_lost") == 1

    asyncio.run(main())


def test_a_lagging_node_is_left_for_one_that_is_not(logs: list[dict[str, Any]]) -> None:
    """If this fails, the past of a node that lags is taken for the present."""

    async def main() -> None:
        async with (
            InjectiveSandbox(STILL) as behind,
            InjectiveSandbox(RUNNING) as other,
            reading(behind, other, lag_ms=2_000) as reader,
        ):
            await behind.chain.next_block()
            await asyncio.sleep(2.1)
            await behind.chain.next_block()
            behind.faults.lag_blocks = 1
            with pytest.raises(Retryable, match="lags or the chain stands still: its latest block"):
                await reader.data.markets()
            assert set(await reader.data.markets()) == {"BTC", "INJ"}
            assert reader.data.chain.channel.node == other.endpoints.chain_grpc
            assert events(logs) == ["node_lost"]

    asyncio.run(main())


def test_a_halted_chain_is_not_told_as_the_present() -> None:
    """If this fails, decisions are made on a mark that stands still because the chain does."""

    async def main() -> None:
        async with InjectiveSandbox(RUNNING) as sandbox, reading(sandbox, lag_ms=1_000) as reader:
            assert await reader.data.markets()
            sandbox.faults.halt = True
            await asyncio.sleep(1.6)
            for _ in range(2):
                with pytest.raises(Retryable, match="chain stands still"):
                    await reader.data.markets()
            sandbox.faults.halt = False
            await asyncio.sleep(0.3)
            assert await reader.data.markets()

    asyncio.run(main())


def test_the_second_node_takes_over_and_the_account_stays_known() -> None:
    """If this fails, a daemon with two nodes is as blind as one with one."""

    async def main() -> None:
        async with (
            InjectiveSandbox(RUNNING) as first,
            InjectiveSandbox(RUNNING) as second,
            reading(first, second, deadline_s=0.3) as reader,
        ):
            for sandbox in (first, second):
                sandbox.chain.seed_position(SUBACCOUNT, "BTC", Decimal(1), sandbox.markets["BTC"].mark)
            assert (await reader.account.positions())["BTC"].quantity == 1
            first.faults.silent_rpc = True
            answers = []
            for _ in range(4):
                try:
                    answers.append((await reader.account.positions())["BTC"].quantity)
                except Retryable:
                    answers.append(None)
                await asyncio.sleep(0.3)
            assert answers[-1] == 1
            assert answers.count(None) <= 2

    asyncio.run(main())


def test_failover_passes_a_node_of_another_chain_by(logs: list[dict[str, Any]]) -> None:
    """If this fails, one node of another chain in the list stops a running daemon, or is followed by it."""

    async def main() -> None:
        wrong = replace(RUNNING, chain_id="injective-888")
        async with (
            InjectiveSandbox(RUNNING) as first,
            InjectiveSandbox(wrong) as other,
            InjectiveSandbox(RUNNING) as third,
            reading(first, other, third, run=True) as reader,
        ):
            await until(lambda: reader.feed.live)
            first.faults.unavailable = True
            first.faults.stream_refused = True
            first.streams.drop()
            await until(lambda: reader.data.chain.channel.node == third.endpoints.chain_grpc)
            await until(lambda: third.streams.open_streams == 1 and reader.feed.live)
            assert other.streams.open_streams == 0
            assert await reader.data.markets()
            assert events(logs).count("node_set_aside") == 1

    asyncio.run(main())
