"""Feeds on the exchanges' websocket hosts on loopback: what a test of them needs, in one context."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np

from hedged.adapters.cex.board import Board
from hedged.collectors.binance import binance
from hedged.collectors.bybit import bybit
from hedged.collectors.feed import Patience, Poll, VenueFeed
from hedged.collectors.okx import okx
from hedged.collectors.reconnecting import Pace, Route
from hedged.collectors.updates import Instrument, Top
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS, SystemClock
from hedged.sandbox.cex.push import PushServer
from hedged.sandbox.cex.push_quotes import Quote

VENUES = ("binance", "bybit", "okx")
MAKERS = {"binance": binance, "bybit": bybit, "okx": okx}
NATIVE = {"binance": "{}USDT", "bybit": "{}USDT", "okx": "{}-USDT-SWAP"}
CONTRACT = Decimal("0.01")
"""Coins a contract at OKX."""
QUICK = Pace(
    connect_s=1.0, silent_s=0.4, ping_s=0.1, steady_s=0.1, first_retry_s=0.02, longest_retry_s=0.08, close_s=0.2
)  # fmt: skip
# a market that stands still is confirmed once a second
WATCHFUL = Patience(look_s=0.02, limits_s={Field.MARK: 1.3})


def quote(**changes: object) -> Quote:
    """A market at 100 with a rate of 0.08 % for 8 hours, 1 bp an hour."""
    now_ms = SystemClock().now_ms()
    plain = Quote(
        mark=Decimal("100"),
        index=Decimal("99.9"),
        bid=Decimal("99.9"),
        bid_quantity=Decimal(3),
        ask=Decimal("100.1"),
        ask_quantity=Decimal(4),
        open_interest=Decimal(5_000),
        rate=Decimal("0.0008"),
        premium=Decimal("0.001"),
        interval_h=8,
        next_ms=(now_ms // (8 * HOUR_MS) + 1) * 8 * HOUR_MS,
        contract=CONTRACT,
    )
    return replace(plain, **changes)


@dataclass
class Rig:
    """A server, and one feed. `quotes`: what the venue tells, by coin; `polled`: how often REST was asked."""

    venue: str
    server: PushServer
    quotes: dict[str, Quote]
    board: Board
    clock: SystemClock = field(default_factory=SystemClock)
    polled: int = 0
    tops: dict[str, Top] = field(default_factory=dict)
    rest: Callable[[], Awaitable[None]] | None = None
    feed: VenueFeed = field(init=False)
    task: asyncio.Task[None] = field(init=False)

    @property
    def faults(self):
        return self.server.faults[self.venue]

    @property
    def tally(self):
        return self.feed.streams[0].tally

    def value(self, one: Field, symbol: str = "BTC") -> float:
        """What the board tells now; NaN where nothing is known."""
        return float(self.board.observation(symbol, self.clock.now_ms()).values[one])

    def told(self, symbol: str = "BTC") -> bool:
        return self.board.latest(symbol, Field.MARK, self.clock.now_ms()) is not None

    def live(self) -> bool:
        return all(stream.live for stream in self.feed.streams)

    async def poll(self) -> None:
        self.polled += 1
        if self.rest is not None:
            await self.rest()


@asynccontextmanager
async def rig(
    venue: str = "bybit",
    coins: Sequence[str] = ("BTC",),
    quotes: dict[str, Quote] | None = None,
    prepare: Callable[[Rig], None] = lambda _: None,
    hours: Callable[[str], float | None] = lambda _: 8.0,
    patience: Patience = WATCHFUL,
    pace: Pace = QUICK,
    **kwargs: object,
) -> AsyncIterator[Rig]:
    """Run one venue's feed on its sandbox until the block ends, and prove that no task is left behind."""
    listed = quotes if quotes is not None else {coin: quote() for coin in coins}
    before = asyncio.all_tasks()
    names = {venue: lambda: {NATIVE[venue].format(coin): one for coin, one in listed.items()}}
    async with PushServer(names, SystemClock(), every_s=0.02) as server:
        one = Rig(venue, server, listed, Board(venue))
        prepare(one)
        instruments = [Instrument(coin, NATIVE[venue].format(coin), float(CONTRACT)) for coin in coins]
        one.feed = VenueFeed(
            venue,
            coins,
            MAKERS[venue](instruments, hours, **kwargs),
            one.board,
            one.clock,
            np.random.default_rng(7),
            [Poll("tickers", one.poll, every_s=0.05, while_stale=True)],
            Route(server.authority.client_context(), server.resolve),
            pace,
            patience,
            lambda symbol, _, top: one.tops.update({symbol: top}),
        )
        one.task = asyncio.create_task(one.feed.run())
        try:
            yield one
        finally:
            one.task.cancel()
            async with asyncio.timeout(3):
                await asyncio.gather(one.task, return_exceptions=True)
    left = asyncio.all_tasks() - before
    assert not left, f"left behind: {left}"


async def until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until something holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 (what is waited for is other code's state)
            await asyncio.sleep(0.01)
