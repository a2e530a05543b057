"""Checks of one exchange: reachable, its clock and ours, what it tells of our markets, what the key may do."""

import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

import numpy as np

from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.errors import reading
from hedged.adapters.cex.keys import load_api_key
from hedged.adapters.injective.retries import Retries, patiently
from hedged.config import Config
from hedged.control.checks.clock import Tick, judge_clock
from hedged.control.checks.finding import Finding, Found, attempt_within, fail, ok, warn
from hedged.domain.bars import Field
from hedged.domain.clock import Clock
from hedged.wiring.cex_venues import CexVenues, open_exchanges

TWICE = Retries(tries=2, first_s=0.2)
TIMES = 3


async def exchange(
    config: Config, venue: str, symbols: Collection[str], environ: Mapping[str, str] = os.environ
) -> dict[str, Found]:
    """Check one exchange; return what was found, by group. What cannot be asked is said, and hides nothing else."""
    async with _connected(config, venue) as venues:
        data = venues.sources[venue]
        data.watch(symbols)
        found = {"Venues": await attempt_within(venue, lambda: _data(data, venues.clock, symbols))}
        if found["Venues"][0].grade == "FAIL":
            return found  # whoever does not answer this answers nothing
        found["Clock"] = await attempt_within(venue, lambda: _clock(config, data, venues.clock))
        if config.cex_of(venue).has_key:
            found["Keys and rights"] = await attempt_within(
                venue, lambda: _rights(config, venues, venue, environ)
            )
        return found


@asynccontextmanager
async def _connected(config: Config, venue: str) -> AsyncIterator[CexVenues]:
    """Connect one exchange alone, so that another one that cannot be does no harm."""
    alone = config.model_copy(update={"hedge": config.hedge.model_copy(update={"venues": [venue]})})
    venues = CexVenues.connect(alone, config.clock.make(), np.random.default_rng())
    try:
        yield venues
    finally:
        await venues.close()


async def _data(data: CexData, clock: Clock, symbols: Collection[str]) -> Found:
    asked_ms = clock.now_ms()
    await patiently(data.venue, data.snapshot, TWICE)
    now_ms = clock.now_ms()
    found = [
        ok(data.venue, f"answers within {now_ms - asked_ms} ms, lists {len(data.perpetuals)} perpetuals")
    ]
    if missing := sorted(set(symbols) - set(data.perpetuals)):
        found.append(warn(data.venue, f"lists no {', '.join(missing)}", "these are never hedged there"))
    for symbol in data.symbols:
        found += _of_market(data, symbol, now_ms)
    return found


def _of_market(data: CexData, symbol: str, now_ms: int) -> list[Finding]:
    """Check what is told of a market: a price, and a settlement to come."""
    mark = data.board.latest(symbol, Field.MARK, now_ms)
    schedule = data.board.schedule(symbol, now_ms)
    found = []
    if mark is None:
        found.append(fail(data.venue, f"tells no mark price of {symbol}", "is the market halted there?"))
    if schedule is None or schedule.next_ms < now_ms:
        text = f"tells no coming settlement of {symbol}"
        found.append(warn(data.venue, text, "is the market halted, or this machine's clock wrong?"))
    return found


async def _clock(config: Config, data: CexData, clock: Clock) -> Found:
    """Ask for the time as NTP does: the answer with the shortest way there and back tells the most."""
    ticks = []
    for _ in range(TIMES):
        asked_ms = clock.now_ms()
        with reading(f"{data.venue}, time"):
            theirs_ms = int(await data.exchange.fetch_time())
        ticks.append(Tick(asked_ms, theirs_ms, clock.now_ms()))
    return [judge_clock(data.venue, min(ticks, key=lambda tick: tick.way_ms), config.risk.max_clock_skew_s)]


async def _rights(config: Config, venues: CexVenues, venue: str, environ: Mapping[str, str]) -> Found:
    """Prove what the key may and may not do."""
    key = load_api_key(venue, config.cex_of(venue), environ)
    if key is None:
        return []
    _, (clearance,) = await open_exchanges(venues, {venue: key})
    return [
        *(ok(venue, line) for line in clearance.lines),
        *(warn(venue, warning) for warning in clearance.warnings),
    ]
