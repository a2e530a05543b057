"""The kill switch in another process: it ends a daemon that hangs, takes its lease, and does what the latch asks for.

The same hand, desk, gate, journal and executor as in the daemon; only who turns the loop differs.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

from hedged.buffer.ring import RingBuffer
from hedged.collectors.poller import Poller
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.control.hand import Hand
from hedged.control.heart import Heart
from hedged.control.lease import Lease, Sign
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import Fatal, Retryable
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Hashes
from hedged.execution.journal.thread import Journal
from hedged.execution.opening import JOURNAL_FILE, open_desk
from hedged.risk.kill import KillLevel
from hedged.wiring.journal import claimed_journal
from hedged.wiring.takeover import NO_EQUITY, Opened, open_for_closing

KILL_WAIT_S, LEASE_WAIT_S, LOOK_S = 3.0, 3.0, 0.05
LATE_S = 5.0
"""So long venues take to report a fill."""
MODEL = "takeover"
"""Stands in an order's record for the model by which it was decided: none."""

Say = Callable[[str], None]


async def end_process(sign: Sign, grace_s: float, say: Say) -> None:
    """End the very process that gave a sign of life: SIGTERM, then SIGKILL. Raises Fatal where it cannot be ended."""
    try:
        handle = os.pidfd_open(sign.pid)
    except ProcessLookupError:
        return
    try:
        if not sign.alive:  # looked at after the handle was had: the number may be another's
            return
        say(f"ending the process {sign.pid}: SIGTERM")
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not await _gone(sign, grace_s):
            say(f"it does not end within {grace_s:g} s: SIGKILL")
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            if not await _gone(sign, KILL_WAIT_S):
                raise Fatal(
                    f"process {sign.pid} cannot be ended: it waits for the kernel; reboot, or close by hand"
                )
    except PermissionError:
        raise Fatal(
            f"process {sign.pid} belongs to another user: run this as the daemon's user, or as root"
        ) from None
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


async def _gone(sign: Sign, within_s: float) -> bool:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    while sign.alive:
        if loop.time() >= until_s:
            return False
        await asyncio.sleep(LOOK_S)
    return True


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


async def take_over(config: Config, clock: Clock, level: KillLevel, within_s: float, say: Say) -> Hand:
    """Do what a level asks for, round after round, until nothing is left or the time is up; return the hand.

    Raises Fatal for a lease that is taken or a journal that cannot be used.
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
        opened = await open_for_closing(config, journal, clock, cleanup, say)
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
