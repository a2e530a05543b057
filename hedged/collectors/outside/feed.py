"""All outside sources together: one task each, under one owner, each failing alone.

A source is asked at its period; one that fails is asked again after a wait that doubles up to that period, jittered. It
is logged once when it goes bad and once when it is back.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import aiohttp
import numpy as np
import structlog

from hedged.collectors.outside.coingecko import HEADERS, URLS, CoinGecko
from hedged.collectors.outside.coinglass import HEADER, CoinGlass
from hedged.collectors.outside.http import JsonApi, KeyRefused, Limits
from hedged.collectors.outside.readings import Filled, Readings
from hedged.collectors.outside.status_feed import StatusFeed
from hedged.config.outside import CoinGeckoConfig, CoinGlassConfig, OutsideConfig, StatusConfig
from hedged.domain.clock import Clock
from hedged.domain.errors import Rejected, Retryable
from hedged.domain.ports import MarketData
from hedged.domain.venue_events import VenueEvents
from hedged.secret import Secret, read_secret

log = structlog.get_logger(__name__)

FIRST_RETRY_S = 5.0
PATIENCE_S = 30.0
"""How long a start waits for the sources' first answers before it goes on without them."""


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to ask at a period."""

    name: str
    ask: Callable[[], Awaitable[None]]
    period_s: float


class Outside:
    """Keeps what outside sources say current. `run` is one task with one owner; whoever cancels it has ended it."""

    def __init__(
        self,
        sources: Sequence[Source],
        readings: Readings,
        status: StatusFeed | None,
        clock: Clock,
        rng: np.random.Generator,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.sources, self._readings, self._status = tuple(sources), readings, status
        self._clock, self._rng, self._patience_s = clock, rng, patience_s
        self._failures: dict[str, int] = {}  # in a row, of every source that was asked
        self._asked_once = asyncio.Event()
        self.told_ms: dict[str, int] = {}

    @property
    def status_of(self) -> tuple[str, ...]:
        """The venues that are asked how they are."""
        return self._status.venues if self._status else ()

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            for source in self.sources:
                group.create_task(self._keep(source), name=f"outside {source.name}")

    async def ask(self, source: Source) -> float:
        """Ask one source once; return the seconds after which it should be asked again."""
        failures, wait_s = self._failures.get(source.name, 0), float(source.period_s)
        try:
            await source.ask()
        except Exception as error:  # a supervisor: whatever a source does, it takes nothing else with it
            self._failures[source.name] = failures + 1
            if not failures:
                known = isinstance(error, Retryable | Rejected)
                why = str(error) if known else f"{type(error).__name__}, a fault of this program"
                log.warning("outside_lost", source=source.name, error=why, exc_info=not known)
            # a key that is no good now will hardly be good in five seconds
            doublings = 16 if isinstance(error, KeyRefused) else min(failures, 16)
            wait_s = min(wait_s, FIRST_RETRY_S * 2.0**doublings) * float(self._rng.uniform(0.5, 1.0))
        else:
            self._failures[source.name] = 0
            if failures:
                log.info("outside_back", source=source.name)
            self.told_ms[source.name] = self._clock.now_ms()
        if len(self._failures) == len(self.sources):
            self._asked_once.set()
        return wait_s

    def over(self, data: Mapping[str, MarketData]) -> dict[str, MarketData]:
        """Return the venues' data with the fields filled that they do not tell."""
        return {venue: Filled(inner, self._readings, self._ready) for venue, inner in data.items()}

    def events(self, now_ms: int) -> VenueEvents:
        """Return what the venues announce."""
        return self._status.events(now_ms) if self._status else VenueEvents()

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._asked_once.wait()
        except TimeoutError:
            self._patience_s = 0.0  # once is enough

    async def _keep(self, source: Source) -> None:
        while True:
            wait_s = await self.ask(source)
            await asyncio.sleep(wait_s)


def make_outside(
    config: OutsideConfig,
    symbols: Sequence[str],
    venues: Sequence[str],
    bar_ms: int,
    session: aiohttp.ClientSession,
    clock: Clock,
    rng: np.random.Generator,
    environ: Mapping[str, str] | None = None,
) -> Outside:
    """Make the sources that are configured. Raises ConfigError for a key that cannot be read."""
    environ = os.environ if environ is None else environ
    readings, sources = Readings(), []
    status: StatusFeed | None = None
    if config.coinglass.on:
        glass_api = _api(session, config.coinglass.url, config.coinglass, HEADER, "coinglass", environ, clock)
        glass = CoinGlass(glass_api, config.coinglass, readings, bar_ms)
        sources.append(Source(glass.name, partial(glass.ask, symbols, venues), config.coinglass.period_s))
    if config.coingecko.on:
        plan = config.coingecko.plan
        url = config.coingecko.url or URLS[plan]
        gecko_api = _api(session, url, config.coingecko, HEADERS[plan], "coingecko", environ, clock)
        gecko = CoinGecko(gecko_api, config.coingecko, clock, readings, bar_ms)
        sources.append(Source(gecko.name, partial(gecko.ask, symbols, venues), config.coingecko.period_s))
    if config.status.venues:
        apis = {
            host: JsonApi(session, url, _limits(config.status), clock)
            for host, url in config.status.hosts.items()
        }
        status = StatusFeed(apis, config.status, clock)
        sources += _status_sources(status, config.status, symbols)
    return Outside(sources, readings, status, clock, rng)


def _status_sources(status: StatusFeed, config: StatusConfig, symbols: Sequence[str]) -> Iterable[Source]:
    for venue in config.venues:
        yield Source(f"status of {venue}", partial(status.ask, venue, symbols), config.period_s)


def _api(
    session: aiohttp.ClientSession,
    url: str,
    config: CoinGlassConfig | CoinGeckoConfig,
    header: str,
    name: str,
    environ: Mapping[str, str],
    clock: Clock,
) -> JsonApi:
    key: Secret = read_secret(f"outside.{name}.key", config.key_file, config.key_env, environ)
    return JsonApi(session, url, _limits(config), clock, (header, key))


def _limits(config: CoinGlassConfig | CoinGeckoConfig | StatusConfig) -> Limits:
    return Limits(config.deadline_s, config.per_minute, cache_s=config.period_s / 2)
