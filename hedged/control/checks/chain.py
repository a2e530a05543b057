"""Checks of Injective: a node that answers and is up to date, the trader's own book, what the trading key may do."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hedged.adapters.injective.data import LAG_MS
from hedged.adapters.injective.retries import Retries, patiently
from hedged.config import Config
from hedged.control.checks.finding import Finding, Found, attempt_within, note, ok, warn
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import ConfigError
from hedged.wiring.own_book import OwnBook, read_own_book
from hedged.wiring.real_venues import RealVenues, connect

AHEAD_MS = 500
"""A block that is from this far in the future shows that our clock is slow: no block's time is."""


@dataclass(slots=True)
class OfChain:
    """What was found, by group, and the book where it could be read."""

    found: dict[str, Found] = field(default_factory=dict)
    book: OwnBook | None = None


async def injective(config: Config, environ: Mapping[str, str] = os.environ) -> OfChain:
    """Check the chain. What cannot be asked is said, and hides nothing else."""
    alone = config.model_copy(update={"hedge": config.hedge.model_copy(update={"venues": []})})
    clock, told = config.clock.make(), OfChain()
    venues = connect(alone, clock, np.random.default_rng())
    try:
        told.found["Venues"] = await attempt_within("injective", lambda: _node(venues, clock))
        if told.found["Venues"][0].grade == "FAIL":
            return told
        told.found["Clock"] = [_clock(venues)]
        if venues.book is not None:
            told.found["Book"] = await attempt_within("book", lambda: _book(venues, clock, told))
        if config.injective.key_file is not None or config.injective.key_env is not None:
            rights = await attempt_within("trading key", lambda: _rights(config, venues, clock, environ))
            told.found["Keys and rights"] = rights
        return told
    finally:
        await venues.close()


def _retries(venues: RealVenues) -> Retries:
    return Retries.through(len(venues.network.nodes))


async def _node(venues: RealVenues, clock: Clock) -> Found:
    asked_ms = clock.now_ms()
    await patiently("Injective", venues.data.snapshot, _retries(venues))
    took_ms = clock.now_ms() - asked_ms
    network, channel = venues.network, venues.data.chain.channel
    listed = f"chain {network.chain_id}, {len(venues.data.tickers)} perpetuals"
    text = f"{channel.node} answers within {took_ms} ms, {listed}"
    found = [ok("injective", text)]
    if venues.data.restriction:
        found.append(warn("injective", venues.data.restriction))
    if (aside := venues.nodes_set_aside()) > 0:
        found.append(
            warn(
                "injective", f"{aside} of its nodes are of another chain", "take them out of injective.nodes"
            )
        )
    return found


def _clock(venues: RealVenues) -> Finding:
    """Compare our clock with the newest block's time, whose age only adds to the difference."""
    behind_ms = venues.data.clock_offset_ms
    if behind_ms is None:
        return note("injective", "no block's time is known")
    text = f"its newest block is {behind_ms / SECOND_MS:.1f} s old by this clock"
    if behind_ms < -AHEAD_MS:
        return warn("injective", f"{text}: this clock is slow", "turn on NTP (`timedatectl set-ntp true`)")
    if behind_ms > LAG_MS / 2:
        return warn("injective", text, "the node lags, or this clock is fast: turn on NTP, name another node")
    return ok("injective", text)


async def _book(venues: RealVenues, clock: Clock, told: OfChain) -> Found:
    if venues.book is None:
        return []
    book = venues.book
    told.book = read = await patiently(
        "the book", lambda: read_own_book(venues, book, clock), _retries(venues)
    )
    held = ", ".join(f"{one.symbol} {one.notional_usd:+,.0f} USD" for one in read.positions)
    found = [ok("book", f"{read.address}, subaccount {read.subaccount}: {held or 'nothing is held'}")]
    if not read.positions:
        found.append(
            warn("book", "there is nothing to protect", "open a position, or name another book.subaccount")
        )
    if read.equity_usd <= 0:
        found.append(warn("book", "the collateral is worth nothing", "set book.equity_usd"))
    found += [warn("book", f"a position in market {market} cannot be protected") for market in read.foreign]
    return found


async def _rights(config: Config, venues: RealVenues, clock: Clock, environ: Mapping[str, str]) -> Found:
    """Prove what the trading key may and may not do. Raises ConfigError where it may not trade."""
    from hedged.adapters.injective.live import key_of
    from hedged.wiring.live_account import clear_key

    key = key_of(config.injective, environ)
    if venues.book is None:
        raise ConfigError("a trading key needs book: {source: injective, address: inj1…}")
    await venues.book.open((), config.book.equity_usd)
    _, clearance = await clear_key(config, venues, key, clock)
    return [
        *(ok("trading key", line) for line in clearance.lines),
        *(warn("trading key", warning) for warning in clearance.warnings),
    ]
