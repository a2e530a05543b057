"""What nodes of Injective answer and stream, wrong in every way: ask again, or leave the stream for polls."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hostile import fuzz
from hypothesis import example, given
from hypothesis import strategies as st
from injective_reading import SUBACCOUNT, TRADER, Reader, reading
from pyinjective.proto.injective.stream.v2 import query_pb2 as stream_pb2

from hedged.adapters.injective.chain import Chain
from hedged.adapters.injective.channel import FailoverChannel
from hedged.adapters.injective.fills import Fills
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.errors import OutcomeUnknown, Retryable
from hedged.sandbox.injective.server import InjectiveSandbox, SandboxConfig

STILL = SandboxConfig(symbols=("BTC", "INJ"), block_time_s=None, moving=False)
TEXTS = (
    "", "0", "-1", "x", "NaN", "sNaN", "Infinity", "-Infinity", "1e999999999", "1e-999999999", "9" * 400, "0.5", "١", "1_0", "inj1",
    "\x00", "[/red]", "a" * 20_000,
)  # fmt: skip
TORN = "every answer"
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)


def spoil(message: Message, dice: random.Random) -> None:
    """Make one to three fields of a message wrong, wherever they are."""
    for _ in range(dice.randint(1, 3)):
        owner, told = dice.choice(list(_fields(message)))
        try:
            if told.label == FieldDescriptor.LABEL_REPEATED:
                values = getattr(owner, told.name)
                if dice.random() < 0.5:
                    owner.ClearField(told.name)
                elif (
                    len(values)
                    and told.message_type is not None
                    and not told.message_type.GetOptions().map_entry
                ):
                    values.extend(list(values)[:2])
            elif told.cpp_type == FieldDescriptor.CPPTYPE_STRING:
                text = told.type == FieldDescriptor.TYPE_STRING
                setattr(owner, told.name, dice.choice(TEXTS) if text else dice.randbytes(9))
            elif told.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE or dice.random() < 0.2:
                owner.ClearField(told.name)
            elif told.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
                setattr(owner, told.name, not getattr(owner, told.name))
            else:
                setattr(owner, told.name, dice.choice(NUMBERS))
        except (ValueError, TypeError):  # a number that this field cannot hold
            continue


def _fields(message: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    for told in message.DESCRIPTOR.fields:
        yield message, told
    for told, value in message.ListFields():
        if told.message_type is None or told.message_type.GetOptions().map_entry:
            continue
        for inner in list(value)[:4] if told.label == FieldDescriptor.LABEL_REPEATED else [value]:
            yield from _fields(inner)


@dataclass
class Stage:
    reader: Reader
    runner: asyncio.Runner
    dice: list[random.Random]
    torn: set[str]

    def ask(self, what: Callable[[Reader], Awaitable[Any]]) -> Any:
        async def asked() -> Any:
            async with asyncio.timeout(10):
                return await what(self.reader)

        return self.runner.run(asked())


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    dice: list[random.Random] = []
    torn: set[str] = set()
    plain = FailoverChannel.unary_unary

    def spoiling(
        self: FailoverChannel, method: str, serializer: Any, deserializer: Any, *rest: Any, **more: Any
    ) -> Any:
        def read(raw: bytes) -> Any:
            if not dice and TORN in torn:
                return deserializer(b"\xff")
            message = deserializer(raw)
            if dice and dice[0].random() < 0.7:
                if dice[0].random() < 0.1:
                    return deserializer(raw[: len(raw) // 2])
                keep = _chain_of(message)
                spoil(message, dice[0])
                if keep:  # of another chain: put aside for good, which is another test's
                    message.sdk_block.header.chain_id = keep
            return message

        return plain(self, method, serializer, read, *rest, **more)

    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(FailoverChannel, "unary_unary", lambda self, method, request_serializer, response_deserializer, **more:
                      spoiling(self, method, request_serializer, response_deserializer, **more))  # fmt: skip
        stack = contextlib.AsyncExitStack()

        async def opened() -> Reader:
            sandbox = await stack.enter_async_context(InjectiveSandbox(STILL))
            reader = await stack.enter_async_context(reading(sandbox))
            await sandbox.chain.next_block()
            for ask in READS.values():
                await ask(reader)
            return reader

        yield Stage(runner.run(opened()), runner, dice, torn)
        dice.clear()
        runner.run(stack.aclose())


READS: dict[str, Callable[[Reader], Awaitable[Any]]] = {
    "snapshot": lambda on: on.data.snapshot(),
    "details": lambda on: on.data.details(),
    "markets": lambda on: on.data.markets(),
    "observe": lambda on: on.data.observe(on.data._clock.now_ms()),
    "settlements": lambda on: on.data.settlements(on.data._clock.now_ms() - DAY_MS, on.data._clock.now_ms()),
    "positions": lambda on: on.account.positions(),
    "balance": lambda on: on.account.balance(),
    "executions": lambda on: on.account.executions(on.data._clock.now_ms() - HOUR_MS),
    "payments": lambda on: on.account.funding_payments(on.data._clock.now_ms() - HOUR_MS),
}


def test_a_wrong_answer_of_a_node_is_a_reason_to_ask_again(stage: Stage) -> None:
    """If this fails, a node ends a task of the daemon by what it answers."""

    @fuzz
    @given(st.integers(0, 2**32), st.sampled_from(sorted(READS)))
    def asked(seed: int, what: str) -> None:
        stage.dice[:] = [random.Random(seed)]
        with contextlib.suppress(Retryable):
            stage.ask(READS[what])
        stage.dice.clear()

    asked()


def test_an_answer_that_is_no_message_is_no_absence(stage: Stage) -> None:
    """If this fails, an answer that cannot be decoded proves that a transaction is dead, and its order is sent again."""
    chain = Chain(stage.reader.network.create_chain_grpc_channel())
    assert stage.ask(lambda _: chain.grants(TRADER, TRADER)) == []
    stage.torn.add(TORN)
    try:
        for ask in (
            lambda _: chain.grants(TRADER, TRADER),
            lambda _: chain.head(),
            lambda _: chain.inj(TRADER),
        ):
            with pytest.raises(Retryable, match="no message"):
                stage.ask(ask)
        with pytest.raises(OutcomeUnknown, match="no message"):
            stage.ask(lambda _: chain.broadcast(b"x"))
    finally:
        stage.torn.clear()


def _chain_of(message: Any) -> str:
    told = getattr(message, "sdk_block", None)
    return str(told.header.chain_id) if told is not None else ""


def block(market_id: str) -> stream_pb2.StreamResponse:
    made = stream_pb2.StreamResponse(block_height=10, block_time=1_760_000_000_000)
    funding = made.market_funding_updates.add(
        market_id=market_id, is_hourly_funding=True, funding_payment=str(10**15), mark_price=str(10**20)
    )
    funding.funding.cumulative_funding = funding.funding.cumulative_price = str(10**15)
    funding.funding.last_timestamp = 1_760_000_000
    trade = made.derivative_trades.add(
        market_id=market_id, is_buy=True, subaccount_id=SUBACCOUNT, cid="c", trade_id="t"
    )
    trade.position_delta.execution_quantity = str(10**18)
    made.order_failures.add(cid="d", error_code=3)
    return made


def test_a_wrong_block_costs_the_stream_and_no_more(stage: Stage) -> None:
    """If this fails, a block ends the task that follows the chain, or a fill is counted that was none."""

    @fuzz
    @given(st.lists(st.integers(0, 2**32), min_size=1, max_size=3))
    @example([230])  # a settlement in another age
    def told(seeds: list[int]) -> None:
        feed, fills = stage.reader.feed, Fills(SUBACCOUNT)
        feed._listeners = [fills.see]
        feed.height = None
        for seed in seeds:
            wrong = block(stage.reader.data.tickers["BTC"].perpetual.market_id)
            spoil(wrong, random.Random(seed))
            with contextlib.suppress(Retryable):
                stage.runner.run(feed._take(wrong))
        assert fills.filled("c").is_finite()
        with contextlib.suppress(Retryable):
            stage.ask(READS["observe"])

    told()
