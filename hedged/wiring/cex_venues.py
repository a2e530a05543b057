"""The centralised exchanges that the configuration names: their data, and in live mode their trading sides."""

import asyncio
import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import aiohttp
import numpy as np

from hedged.adapters.cex.abilities import must_tell, why_not_traded
from hedged.adapters.cex.answers import BoundedAnswer
from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.exchanges import Profile, at_speed, make_exchange, profile_of
from hedged.adapters.cex.keys import ApiKey, load_api_key
from hedged.adapters.cex.pasts import all_of
from hedged.adapters.cex.preflight import CexClearance, clear_for_trading
from hedged.adapters.cex.resting import kind_for
from hedged.adapters.cex.trading import CexTrading, Sent
from hedged.adapters.injective.retries import patiently
from hedged.collectors.exchange_feed import ExchangeFeed
from hedged.collectors.reconnecting import Route
from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.errors import ConfigError
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.sandbox.cex.loopback import LOOPBACK, session_to

OpenSession = Callable[[Config], aiohttp.ClientSession]


def open_session(config: Config) -> aiohttp.ClientSession:
    """Open the session that all exchanges share; it verifies certificates and honours the proxy of the environment.

    Raises ConfigError where a local set of exchanges is named whose certificate cannot be read.
    """
    local = config.cex_loopback
    if local is not None:
        try:
            return session_to(local.port, local.ca_file, response_class=BoundedAnswer)
        except (OSError, ValueError) as error:
            raise ConfigError(f"cex_loopback.ca_file {local.ca_file} cannot be read: {error}") from None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=32), trust_env=True, response_class=BoundedAnswer
    )


def open_route(config: Config) -> Route | None:
    """Return the way of the streams: the usual one, or to a local set of exchanges; None where that has no streams.

    Raises ConfigError where its certificate cannot be read.
    """
    local = config.cex_loopback
    if local is None:
        return Route()
    push_port = local.push_port
    if push_port is None:
        return None
    try:
        trust = ssl.create_default_context(cafile=str(local.ca_file))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cex_loopback.ca_file {local.ca_file} cannot be read: {error}") from None
    return Route(trust, lambda *_: (LOOPBACK, push_port))


@dataclass(frozen=True, slots=True)
class CexVenues:
    """Everything that is connected. `run` must run while the sources are used for longer than a moment."""

    config: Config
    clock: Clock
    session: aiohttp.ClientSession
    sources: Mapping[str, CexData]
    feeds: tuple[ExchangeFeed, ...]

    @classmethod
    def connect(
        cls,
        config: Config,
        clock: Clock,
        rng: np.random.Generator,
        opener: OpenSession | None = None,
        route: Route | None = None,
    ) -> "CexVenues":
        """Make what hedge.venues names; nothing is asked yet. Raises ConfigError for one that ccxt does not know or
        cannot follow.

        Needs a running event loop. `opener` opens the session of all requests, `route` is the way of the streams; an
        opener without a route: no streams, so that nothing passes the opener by.
        """
        speed = config.clock.speed
        profiles = {venue: at_speed(_profile(venue, config), speed) for venue in config.hedge.venues}
        session = (opener or open_session)(config)
        sources = {}
        for venue, profile in profiles.items():
            told = config.cex_of(venue)
            exchange = make_exchange(profile, told, session, clock)
            sources[venue] = CexData(
                venue, exchange, profile, clock, config.costs_of(venue), config.risk.max_leverage, told.quote,
                config.cycle.history_days, speed,
            )  # fmt: skip
        way = route if opener is not None or route is not None else open_route(config)
        feeds = tuple(
            ExchangeFeed(data, clock, rng, way, speed=speed, streams=way is not None)
            for data in sources.values()
        )
        return cls(config, clock, session, sources, feeds)

    async def watch(self, symbols: Collection[str]) -> None:
        """Tell these symbols alone from now on, and read their past, at all exchanges at once.

        Raises Retryable where one does not answer.
        """
        for data in self.sources.values():
            data.watch(symbols)
        await all_of(_read(venue, data) for venue, data in self.sources.items())

    async def run(self) -> None:
        """Keep all data current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for feed in self.feeds:
                group.create_task(feed.run())

    def trading(
        self, keys: Mapping[str, ApiKey], before: Mapping[str, Mapping[str, Sent]]
    ) -> dict[str, CexTrading]:
        """Make the trading side of every exchange. `before`: by venue, what earlier lives sent and left open."""
        found = {}
        for venue, data in self.sources.items():
            told, key = self.config.cex_of(venue), keys[venue]
            exchange, reader, ledger = (
                make_exchange(data.profile, told, self.session, self.clock, key) for _ in range(3)
            )
            leverage = max(1, int(self.config.risk.max_leverage))
            found[venue] = kind_for(exchange)(
                data,
                exchange,
                reader,
                ledger,
                key,
                self.clock,
                leverage,
                told.quote,
                sent_before=before.get(venue, {}),
                speed=self.config.clock.speed,
                distance=self.config.risk.min_liquidation_distance + self.config.risk.liquidation_cushion,
            )
        return found

    async def close(self) -> None:
        """Close all connections; bounded."""
        for data in self.sources.values():
            await data.close()
        await self.session.close()


async def _read(venue: str, data: CexData) -> None:
    await patiently(venue, data.snapshot)
    await patiently(f"{venue}, the past", data.load)


def _profile(venue: str, config: Config) -> Profile:
    profile = profile_of(venue, config.cex_of(venue))
    must_tell(venue, profile)
    return profile


def unproven(config: Config) -> dict[str, str]:
    """Return what to know of the hedge venues that the daemon was not made for, by venue.

    Raises ConfigError for one that cannot be followed, or in live mode not be traded.
    """
    found = {}
    for venue in config.hedge.venues:
        profile = _profile(venue, config)
        if profile.family:
            continue
        why = why_not_traded(profile)
        if why is not None and config.mode == "live":
            raise ConfigError(f"cex.{venue} can be watched, not traded: {why}")
        may = "watched and traded" if why is None else f"watched, not traded ({why}),"
        found[venue] = f"{may} by what ccxt says of it; hedged was never proven with it (docs/cex.md)"
    return found


def exchange_keys(config: Config, environ: Mapping[str, str]) -> dict[str, ApiKey]:
    """Load the key of every hedge venue. Raises ConfigError naming those that have none."""
    found = {venue: load_api_key(venue, config.cex_of(venue), environ) for venue in config.hedge.venues}
    missing = sorted(venue for venue, key in found.items() if key is None)
    if missing:
        raise ConfigError(
            f"mode: live needs an API key of {', '.join(missing)}: set cex.{missing[0]}.key_file or .key_env, "
            "or take it out of hedge.venues (docs/cex.md)"
        )
    return {venue: key for venue, key in found.items() if key is not None}


async def sent_before(journal: Journal, clock: Clock, venues: Collection[str]) -> dict[str, dict[str, Sent]]:
    """Return by venue and client id what earlier lives sent and left open. For a start alone."""
    found: dict[str, dict[str, Sent]] = {venue: {} for venue in venues}
    inherited = await journal(JournalStore.inherit, clock.now_ms(), venues)
    for client_id, (key, from_ms, until_ms) in inherited.items():
        found[key.venue][client_id] = Sent(key.symbol, from_ms, until_ms)
    return found


async def open_exchanges(
    venues: CexVenues, keys: Mapping[str, ApiKey], journal: Journal | None = None
) -> tuple[dict[str, CexTrading], list[CexClearance]]:
    """Make the trading sides and prove each. Raises ConfigError, or Retryable when an exchange cannot be asked."""
    before = await sent_before(journal, venues.clock, keys) if journal is not None else {}
    sides = venues.trading(keys, before)
    clearances = []
    for venue, side in sides.items():

        async def ask(side: CexTrading = side) -> CexClearance:
            return await clear_for_trading(side)

        clearances.append(await patiently(f"{venue}, the key's rights", ask))
    return sides, clearances
