"""The real venues as the configuration names them: Injective with the trader's own book there, and exchanges."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import structlog

from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.pasts import all_of
from hedged.adapters.injective.account import InjectiveAccount
from hedged.adapters.injective.chain import Chain
from hedged.adapters.injective.data import LAG_MS, SILENT_MS, InjectiveData
from hedged.adapters.injective.network import InjectiveNetwork
from hedged.adapters.injective.paper_book import PaperBook
from hedged.adapters.injective.preflight import must_be_isolated
from hedged.adapters.injective.retries import Retries, patiently
from hedged.adapters.injective.stream import Feed, Pace
from hedged.adapters.paper import PaperVenue
from hedged.buffer.ring import BarWindow
from hedged.collectors.exchange_feed import ExchangeFeed
from hedged.collectors.reconnecting import Route
from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.errors import ConfigError, Retryable
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution
from hedged.domain.ports import MarketData
from hedged.forecast.coming import ChainState, First, of_chain
from hedged.wiring.cex_venues import CexVenues, OpenSession

log = structlog.get_logger(__name__)

LEAST_POLL_S = 0.5
REPORT_S = 10.0
"""How often a start says how much of the past it has read."""


class RealBook:
    """The trader's own positions on the chain."""

    def __init__(
        self, account: InjectiveAccount, data: InjectiveData, clock: Clock, retries: Retries | None = None
    ) -> None:
        """`retries`: how often a start asks a node that does not answer."""
        self.account, self._data, self._clock, self._retries = account, data, clock, retries
        self.symbols: tuple[str, ...] = ()

    async def clear(self) -> None:
        """Prove that the book can be read. Raises ConfigError for what the operator must change, else Retryable."""
        channel = self._data.chain.channel
        try:
            await self._data.markets()  # and with it the chain's id
        except Retryable as error:
            raise Retryable(
                f"no answer from the node {channel.node} (injective.network, .nodes): {error}"
            ) from None
        if await Chain(channel).account(self.account.address) is None:
            raise ConfigError(
                f"book.address: {self.account.address} is unknown on {self._data.network.chain_id}: it has never "
                "held anything there"
            )
        await must_be_isolated(channel, self.account.subaccount_id)

    async def open(self, hedged: Collection[str], equity_usd: Decimal | None) -> Decimal:
        """Read what is held and watch those markets; return the equity: the given one, else the account's collateral.

        A node that does not answer is asked again. Raises ConfigError when there is nothing to protect and nothing left
        to unwind, Retryable when there was no answer to the last try either.
        """
        return await patiently("the book", lambda: self._open(hedged, equity_usd), self._retries)

    async def _open(self, hedged: Collection[str], equity_usd: Decimal | None) -> Decimal:
        await self.clear()
        held = await self.account.positions()
        if not held and not hedged:
            raise ConfigError(
                f"{self.account.address}, subaccount {self.account.index}, holds no perpetual position that could be "
                "protected: open one, or name another book.subaccount"
            )
        self.symbols = tuple(sorted(held))
        equity = equity_usd or (await self.account.balance()).total_usd
        if equity <= 0:
            raise ConfigError("the account's collateral is worth nothing: set book.equity_usd")
        self._data.watch({*held, *hedged})
        await self._data.details()  # spread and depth, before anybody asks what an order would cost
        held_text = {
            symbol: f"{position.quantity.normalize():+f}" for symbol, position in sorted(held.items())
        }
        log.info("own_book", address=self.account.address, positions=held_text, equity_usd=f"{equity:.2f}")
        return equity

    def on_paper(self, paper: PaperVenue, before: Sequence[Execution]) -> PaperBook:
        """Return the account with simulated fills on top."""
        return PaperBook(self.account, paper, self._data, self._clock, before)


@dataclass(frozen=True, slots=True)
class RealVenues:
    """Everything that is connected. `run` must run while the sources are used for longer than a moment."""

    network: InjectiveNetwork
    data: InjectiveData
    feed: Feed
    book: RealBook | None
    exchanges: CexVenues | None = None

    @property
    def sources(self) -> Mapping[str, MarketData]:
        """Market data by venue."""
        return {INJECTIVE: self.data, **(self.exchanges.sources if self.exchanges else {})}

    @property
    def exchange_feeds(self) -> Sequence[ExchangeFeed]:
        """What keeps the exchanges' data current, and tells how it stands."""
        return self.exchanges.feeds if self.exchanges else ()

    async def run(self) -> None:
        """Keep all data current until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.feed.run())
            if self.exchanges:
                group.create_task(self.exchanges.run())

    async def watch(self, symbols: Collection[str]) -> None:
        """Tell these symbols of the exchanges from now on, and read the past of all venues; it says how far it is.

        Raises Retryable where one does not answer.
        """
        work = [patiently("Injective, the past", self.data.load)]
        if self.exchanges:
            work.append(self.exchanges.watch(symbols))
        done = asyncio.Event()

        async def read() -> None:
            try:
                await all_of(work)
            finally:
                done.set()

        await all_of([read(), self._report(done)])

    async def _report(self, done: asyncio.Event) -> None:
        while not done.is_set():
            try:
                async with asyncio.timeout(REPORT_S):
                    await done.wait()
                    return
            except TimeoutError:
                pass
            shares = {venue: f"{share:.0%}" for venue, share in self.read_shares.items()}
            log.info("backfilling", share=f"{self.read_share:.0%}", **shares)

    @property
    def read_shares(self) -> Mapping[str, float]:
        """Share of the past that has been read, 0 … 1, by venue."""
        others = self.exchanges.sources if self.exchanges else {}
        return {INJECTIVE: self.data.read_share} | {venue: data.read_share for venue, data in others.items()}

    @property
    def read_share(self) -> float:
        """Share of the past that has been read of all venues, 0 … 1."""
        return sum(self.read_shares.values()) / len(self.read_shares)

    def resume(self, held: BarWindow | None) -> None:
        """Read no more of the past than what came after these bars, of the series that they hold."""
        if held is None:
            return
        held_to_ms = int(held.times_ms[-1])
        sources: list[InjectiveData | CexData] = [self.data]
        sources += self.exchanges.sources.values() if self.exchanges else ()
        for source in sources:
            source.resume({key.symbol: held_to_ms for key in held.keys if key.venue == source.venue})

    def nodes_set_aside(self) -> int:
        """Count the nodes that are never asked again, because they are of another chain."""
        return len(self.network.proof.aside)

    def coming(self, key: SeriesKey, now_ms: int) -> First | None:
        """Tell a market's coming settlement by the chain's accumulators; None where they are not known."""
        found = self.data.seen(key.symbol, now_ms) if key.venue == INJECTIVE else None
        if found is None:
            return None
        perpetual, seen = found
        if not seen.premiums or not np.isfinite(seen.trades_per_s):
            return None
        state = ChainState(seen.state.funding, perpetual.rule, seen.trades_per_s, np.array(seen.premiums))
        return of_chain(state, now_ms)

    async def close(self) -> None:
        """Close all connections."""
        if self.exchanges:
            await self.exchanges.close()
        await self.network.close()


def connect(
    config: Config,
    clock: Clock,
    rng: np.random.Generator,
    opener: OpenSession | None = None,
    route: Route | None = None,
) -> RealVenues:
    """Make what the configuration names; nothing is asked yet. Raises ConfigError for an address that is none.

    `opener` opens the session to the exchanges, `route` is the way of their streams.
    """
    network = InjectiveNetwork.from_config(config.injective)
    speed = config.clock.speed
    # how old an answer may be is a matter of networks: it is told in wall time
    ages = {"lag_ms": round(LAG_MS * speed), "silent_ms": round(SILENT_MS * speed)}
    data = InjectiveData(network, clock, config.costs_of(INJECTIVE), config.cycle.history_days, **ages)
    book = None
    if config.book.source == "injective" and config.book.address is not None:
        account = InjectiveAccount(data, clock, config.book.address, config.book.subaccount)
        book = RealBook(account, data, clock)
    mine = [book.account.subaccount_id] if book else []
    feed = Feed(data, clock, rng, _pace(speed), mine, [book.account.address] if book else [])
    exchanges = CexVenues.connect(config, clock, rng, opener, route) if config.hedge.venues else None
    return RealVenues(network, data, feed, book, exchanges)


def _pace(speed: float) -> Pace:
    """Poll as often as the chain's time asks for, as far as a node can answer."""
    usual = Pace()
    return replace(
        usual,
        poll_s=max(LEAST_POLL_S, usual.poll_s / speed),
        details_s=max(LEAST_POLL_S, usual.details_s / speed),
    )
