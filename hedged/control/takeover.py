"""The kill switch in another process, once the daemon is ended: it takes its lease, and does what the latch asks for.

The same hand, desk, gate, journal and executor as in the daemon; only who turns the loop differs.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from hedged.buffer.ring import RingBuffer
from hedged.collectors.poller import Poller
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.control.hand import Hand
from hedged.control.heart import Heart
from hedged.control.lease import Lease
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import Fatal, Retryable
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Hashes
from hedged.domain.urgency import at_once
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.thread import Journal
from hedged.execution.opening import open_desk
from hedged.risk.kill import KillLevel
from hedged.wiring.journal import claimed_journal
from hedged.wiring.reaching import Reaching
from hedged.wiring.takeover import NO_EQUITY, Opened, open_for_closing

LEASE_WAIT_S, LOOK_S = 3.0, 0.05
LATE_S = 5.0
"""So long venues take to report a fill."""
MODEL = "takeover"
"""Stands in an order's record for the model by which it was decided: none."""

Say = Callable[[str], None]


async def take_lease(config: Config) -> Lease:
    """Take the lease that somebody has just let go of. Raises Fatal where it stays taken."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + LEASE_WAIT_S
    while True:
        try:
            return Lease.take(config, "takeover")
        except Fatal as error:
            if loop.time() >= until_s:
                raise Fatal(
                    f"{error}. A process that cannot be seen from here (in another container?) is to be ended there "
                    "first: docker-compose kill hedged"
                ) from None
        await asyncio.sleep(LOOK_S)


async def take_over(
    config: Config,
    clock: Clock,
    level: KillLevel,
    within_s: float,
    say: Say,
    reaching: Reaching | None = None,
) -> Hand:
    """Do what a level asks for, round after round, until nothing is left or the time is up; return the hand.

    `reaching`: the venues, as far as they were reached ahead. Raises Fatal for a lease that is taken or a journal that
    cannot be used.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    async with AsyncExitStack() as cleanup:
        lease = await take_lease(config)
        cleanup.callback(lease.release)
        heart = Heart(lease, clock, lambda: f"{level.label}, in the daemon's place", lambda: config.hash)
        heart.start()
        cleanup.callback(heart.stop)
        journal = await claimed_journal(config, config.state_dir / JOURNAL_FILE)
        cleanup.callback(journal.close)
        say(f"the lease is taken: opening {config.mode} venues")
        with at_once():
            opened = await open_for_closing(config, journal, clock, cleanup, say, reaching)
            hand = await _hand(config, clock, journal, opened, say)
        hand.desk.kill = level
        looked_again = False
        while True:
            done = await hand.act(level)
            if done and hand.foreign and not looked_again:
                # a fill of a moment ago that the venue does not report yet passes for the operator's own
                looked_again = True
                hand.rest()
                await asyncio.sleep(LATE_S)
            elif done or loop.time() + hand.wait_s > until_s:
                return hand
            else:
                await asyncio.sleep(hand.wait_s)


async def _hand(config: Config, clock: Clock, journal: Journal, opened: Opened, say: Say) -> Hand:
    """Put desk and prices together from what could be opened."""
    now_ms, markets = clock.now_ms(), dict[SeriesKey, Market]()
    for venue, source in opened.sources.items():
        try:
            markets |= {
                SeriesKey(venue, symbol): market for symbol, market in (await source.markets()).items()
            }
        except Retryable as error:
            say(f"{venue} does not tell its markets: {error}")
    hashes = Hashes(MODEL, MODEL, config.hash)
    desk = await open_desk(
        config, clock, opened.trading, opened.sources, journal, markets, hashes, NO_EQUITY, now_ms
    )
    buffer = RingBuffer(sorted(markets), 1, config.cycle.bar_s * SECOND_MS)
    poller = Poller(opened.sources, buffer, Judge(config.quality, config.clock.speed), clock)
    await poller.poll(now_ms)
    return Hand(lambda: desk, poller, opened.trading, say)
