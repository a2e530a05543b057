"""Injective live: the chain's event stream (v2) where it speaks, polls beside it and wherever it does not.

The stream brings funding accumulators, settlements and trades with their block; marks and best prices come by polls, a
few seconds apart. injective-py's own listener neither reconnects nor knows funding updates, so the generated stub is
read here: every reconnection and every gap in the heights takes a new snapshot, silence counts as failure.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import grpc.aio
import numpy as np
import structlog
from pyinjective.proto.injective.stream.v2 import query_pb2 as stream_pb2
from pyinjective.proto.injective.stream.v2 import query_pb2_grpc as stream_grpc

from hedged.adapters.injective.asking import asking
from hedged.adapters.injective.board import Ticker
from hedged.adapters.injective.data import InjectiveData
from hedged.adapters.injective.markets import read_funding
from hedged.adapters.injective.nodes import UNREADABLE
from hedged.adapters.injective.prints import begun_ms, charged
from hedged.adapters.injective.units import from_chain
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import Retryable

log = structlog.get_logger(__name__)

Listener = Callable[[stream_pb2.StreamResponse], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. A block comes about every 0.7 s, so `silent_s` without one means that the stream is dead."""

    poll_s: float = 5.0
    details_s: float = 60.0
    silent_s: float = 15.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 30.0


class Feed:
    """Keeps the board current. `run` is one task with one owner; whoever cancels it has ended it."""

    def __init__(
        self,
        data: InjectiveData,
        clock: Clock,
        rng: np.random.Generator,
        pace: Pace | None = None,
        subaccounts: Sequence[str] = (),
        accounts: Sequence[str] = (),
    ) -> None:
        self._data, self._clock, self._rng, self._pace = data, clock, rng, pace or Pace()
        self._channel = data.network.create_chain_stream_grpc_channel()
        self._subaccounts, self._accounts = list(subaccounts), list(accounts)
        self._listeners: list[Listener] = []
        self._stream_bad = self._gap_said = False
        self._failing: set[str] = set()  # kinds of polls
        self.height: int | None = None
        self.live = False

    def listen(self, listener: Listener) -> None:
        """Hand every block of the stream to `listener` too, in order."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Follow the chain until cancelled. Raises ConfigError when no node is of the right chain."""
        self._data.fed()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep("state", self._data.snapshot, self._pace.poll_s))
            group.create_task(self._keep("depth", self._data.details, self._pace.details_s))
            group.create_task(self._follow())

    async def _keep(self, kind: str, ask: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            await self._ask(kind, ask)
            await asyncio.sleep(every_s)

    async def _ask(self, kind: str, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask, and log once when the first kind of question fails and once when all are answered again."""
        try:
            await ask()
        except Retryable as error:
            if not self._failing:
                log.warning("injective_polls_failing", why=str(error))
            self._failing.add(kind)
            return
        if kind in self._failing:
            self._failing.discard(kind)
            if not self._failing:
                log.info("injective_polls_back")

    async def _follow(self) -> None:
        tries = 0
        while True:
            spoke, why = False, ""
            try:
                async for response in self._blocks():
                    if not spoke:
                        spoke, tries = True, 0
                        await self._recovered()
                    await self._take(response)
                why = "it ended"
            except Retryable as error:
                why = str(error)
            self.live, self.height = False, None
            for ticker in self._data.tickers.values():
                ticker.traded_from_ms = None
            self._channel.failed(why)
            if not self._stream_bad:
                self._stream_bad = True
                log.warning("injective_stream_lost", why=why, instead="polls")
            limit_s = min(self._pace.longest_retry_s, self._pace.first_retry_s * 2**tries)
            tries = min(tries + 1, 16)
            await asyncio.sleep(float(self._rng.uniform(0.5, 1.0)) * limit_s)

    async def _recovered(self) -> None:
        """A snapshot after the subscription: what happened between the last block seen and the first new one."""
        self._channel.answered()
        self.live, self._gap_said = True, False
        await self._ask("state", self._data.snapshot)
        if self._stream_bad:
            self._stream_bad = False
            log.info("injective_stream_back")

    async def _blocks(self) -> AsyncIterator[stream_pb2.StreamResponse]:
        """Yield the stream's messages. Raises Retryable when it fails or is silent for too long."""
        with asking("stream"):
            await self._channel.prove()
        call = stream_grpc.StreamStub(self._channel).StreamV2(self._request())
        try:
            while True:
                with asking("stream"):
                    async with asyncio.timeout(self._pace.silent_s):
                        response = await call.read()
                if response is grpc.aio.EOF:
                    return
                if response is None:
                    raise Retryable(f"stream: {UNREADABLE}")
                yield response
        except TimeoutError:
            raise Retryable(f"no block for {self._pace.silent_s:g} s") from None
        finally:
            call.cancel()

    def _request(self) -> stream_pb2.StreamRequest:
        watched = [self._data.tickers[symbol].perpetual.market_id for symbol in self._data.symbols]
        request = stream_pb2.StreamRequest(
            market_funding_filter=stream_pb2.MarketFundingFilter(market_ids=["*"]),
            derivative_trades_filter=stream_pb2.TradesFilter(
                subaccount_ids=["*"], market_ids=watched or ["*"]
            ),
        )
        if self._subaccounts:
            mine = {"subaccount_ids": self._subaccounts, "market_ids": ["*"]}
            request.positions_filter.MergeFrom(stream_pb2.PositionsFilter(**mine))
            request.derivative_orders_filter.MergeFrom(stream_pb2.OrdersFilter(**mine))
        if self._accounts:
            request.order_failures_filter.MergeFrom(stream_pb2.OrderFailuresFilter(accounts=self._accounts))
        return request

    async def _take(self, block: stream_pb2.StreamResponse) -> None:
        height = int(block.block_height)
        if self.height is not None and height <= self.height:
            return  # told already
        gap = self.height is not None and height != self.height + 1
        if gap and not self._gap_said:
            self._gap_said = True  # once a connection: a node may leave blocks out as a habit
            log.warning("injective_stream_gap", after=self.height, next=height)
        self.height = height
        by_id = {t.perpetual.market_id: t for t in self._data.tickers.values()}
        received_ms = self._clock.now_ms()
        for ticker in by_id.values():
            if gap or ticker.traded_from_ms is None:
                ticker.traded_from_ms = received_ms  # trades before may be missing
        for update in block.market_funding_updates:
            if update.market_id in by_id:
                with asking("funding update"):
                    _fund(by_id[update.market_id], update, received_ms, int(block.block_time) or None)
        for trade in block.derivative_trades:
            if trade.is_buy and trade.market_id in by_id:  # each match is told of both its sides
                with asking("trade"):
                    _trade(by_id[trade.market_id], trade, received_ms)
        if gap:
            await self._ask("state", self._data.snapshot)
        for listener in self._listeners:
            with asking("block"):
                listener(block)


def _fund(
    ticker: Ticker, update: stream_pb2.MarketFundingUpdate, received_ms: int, block_ms: int | None
) -> None:
    """Take over new accumulators; at the end of an interval also what was charged per coin."""
    state, interval_s = ticker.state, ticker.perpetual.rule.interval_s
    if state is None:
        return  # the first poll is still to come
    next_s = state.funding.next_settlement_s
    if update.is_hourly_funding:
        per_coin, mark = from_chain(update.funding_payment), from_chain(update.mark_price)
        # the new interval begins when the old one was due, in whatever block it was charged
        due_ms = begun_ms(update.funding.last_timestamp * SECOND_MS, interval_s)
        ticker.record(charged(per_coin, mark, due_ms, received_ms, block_ms))
        next_s = max(next_s, due_ms // SECOND_MS + interval_s)
    if update.funding.last_timestamp < state.funding.last_ts_s:
        return  # a poll has told of later trades already
    ticker.put(
        replace(
            state,
            received_ms=received_ms,
            funding=read_funding(update.funding, next_s),
            cumulative_funding=from_chain(update.funding.cumulative_funding),
        )
    )


def _trade(ticker: Ticker, trade: stream_pb2.DerivativeTrade, received_ms: int) -> None:
    ticker.traded.append((received_ms, from_chain(trade.position_delta.execution_quantity)))
