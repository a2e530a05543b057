"""Venues opened in the place of a daemon that hangs or does not run, to cancel and to close, and for nothing else.

Each is opened by itself and within a time: one that cannot be reached must not keep another from being closed. Nothing
of the past is read that closing does not need.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hedged.adapters.cex.data import CexData
from hedged.adapters.cex.keys import load_api_key
from hedged.adapters.simulated import SimulatedMarkets
from hedged.config import Config
from hedged.domain.approved import ApprovedIntent
from hedged.domain.bars import Observation
from hedged.domain.book import Balance, Position
from hedged.domain.clock import Clock
from hedged.domain.errors import ConfigError, HedgedError, Retryable
from hedged.domain.funding import FundingPayment, Settlement
from hedged.domain.market import INJECTIVE, Market
from hedged.domain.orders import Execution, OrderState
from hedged.domain.ports import MarketData, Trading
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.wiring.cex_venues import sent_before
from hedged.wiring.reaching import Reaching

OPEN_S = 10.0
"""For the venues to be opened, all at once."""
PAPER_DAYS = 7
NO_EQUITY = Decimal(1)
"""What nothing is measured by: reductions ask for no equity."""


@dataclass(frozen=True, slots=True)
class Opened:
    """`trading`: every venue in use, those that could not be reached too; `sources`: of the others."""

    sources: Mapping[str, MarketData]
    trading: Mapping[str, Trading]


class Unreachable:
    """A venue that could not be opened: whatever is asked of it is unknown, never flat."""

    def __init__(self, venue: str, why: str) -> None:
        self.venue, self._why = venue, why

    async def positions(self) -> Mapping[str, Position]:
        """Raise Retryable."""
        raise Retryable(self._why)

    async def balance(self) -> Balance:
        """Raise Retryable."""
        raise Retryable(self._why)

    async def place(self, approved: ApprovedIntent) -> OrderState:
        """Raise Retryable."""
        raise Retryable(self._why)

    async def lookup(self, client_id: str) -> OrderState | None:
        """Raise Retryable."""
        raise Retryable(self._why)

    async def open_orders(self) -> Sequence[OrderState]:
        """Raise Retryable."""
        raise Retryable(self._why)

    async def cancel(self, client_id: str) -> None:
        """Raise Retryable."""
        raise Retryable(self._why)

    async def executions(self, since_ms: int) -> Sequence[Execution]:
        """Raise Retryable."""
        raise Retryable(self._why)

    async def funding_payments(self, since_ms: int) -> Sequence[FundingPayment]:
        """Raise Retryable."""
        raise Retryable(self._why)


class Polled:
    """Public data of an exchange without its streams: asked anew each time."""

    def __init__(self, data: CexData) -> None:
        self.venue, self._data = data.venue, data

    async def markets(self) -> Mapping[str, Market]:
        """Return the markets. Raises Retryable."""
        await self._data.snapshot()
        return await self._data.markets()

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return what is known now. Raises Retryable."""
        await self._data.snapshot()
        return await self._data.observe(now_ms)

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return nothing: closing needs no past."""
        return [() for _ in times_ms]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return nothing: what was paid is asked of the account."""
        return ()


async def ordered_symbols(journal: Journal) -> set[str]:
    """Return every symbol that an order was ever made for: what is held is among them, told by the venue or not yet."""
    rows = await journal(JournalStore.rows, "SELECT DISTINCT symbol FROM intents", ())
    return {str(symbol) for (symbol,) in rows}


async def open_for_closing(
    config: Config,
    journal: Journal,
    clock: Clock,
    cleanup: AsyncExitStack,
    say: Callable[[str], None],
    reaching: Reaching | None = None,
) -> Opened:
    """Open every venue in use, each as far as it can be. Raises ConfigError where a paper account cannot be opened.

    `reaching`: what was reached ahead.
    """
    reaching = reaching or Reaching(config, clock, cleanup)
    symbols = await ordered_symbols(journal)
    if config.mode != "live":
        return await _open_paper(config, journal, clock, cleanup)
    opening = {
        venue: _exchange(config, venue, journal, clock, symbols, reaching) for venue in config.hedge.venues
    }
    opening[INJECTIVE] = _injective(config, journal, clock, symbols, reaching)
    found = await asyncio.gather(*(_tried(venue, work, say) for venue, work in opening.items()))
    sources: dict[str, MarketData] = {}
    trading: dict[str, Trading] = {}
    for venue, opened in zip(opening, found, strict=True):
        if isinstance(opened, str):
            trading[venue] = Unreachable(venue, opened)
        else:
            sources[venue], trading[venue] = opened
    return Opened(sources, trading)


async def _tried(
    venue: str, work: Coroutine[Any, Any, tuple[MarketData, Trading]], say: Callable[[str], None]
) -> tuple[MarketData, Trading] | str:
    """Open a venue; return why it could not be."""
    try:
        async with asyncio.timeout(OPEN_S):
            opened = await work
    except (HedgedError, TimeoutError) as error:
        why = str(error) or f"no answer within {OPEN_S:.0f} s"
        say(f"{venue} cannot be opened: {why}")
        return why
    say(f"{venue} is open")
    return opened


async def _exchange(
    config: Config,
    venue: str,
    journal: Journal,
    clock: Clock,
    symbols: Collection[str],
    reaching: Reaching,
) -> tuple[MarketData, Trading]:
    """Open one exchange with its key. Its rights are not asked for: what the key may not do is refused anyway."""
    key = load_api_key(venue, config.cex_of(venue), os.environ)
    if key is None:
        raise ConfigError(f"there is no API key of {venue}")
    venues = await reaching.exchange(venue)
    data = venues.sources[venue]
    data.watch(symbols)
    data.fed()  # from here on it is asked anew each time, and nothing of the past is read
    before = await sent_before(journal, clock, (venue,))
    return Polled(data), venues.trading({venue: key}, before)[venue]


async def _injective(
    config: Config, journal: Journal, clock: Clock, symbols: Collection[str], reaching: Reaching
) -> tuple[MarketData, Trading]:
    """Open the chain, to cancel what rests there; nothing is closed there."""
    from hedged.wiring.live_account import live_key, open_chain

    key = live_key(config, os.environ)
    if key is None:
        raise ConfigError("there is no trading key")
    real = await reaching.chain()
    if real.book is None:
        raise ConfigError("there is no account to trade")
    await real.book.open(symbols, config.book.equity_usd)
    desk, _ = await open_chain(config, real, key, journal, clock)
    await desk.trading.recover()
    return real.data, desk.trading


async def _open_paper(config: Config, journal: Journal, clock: Clock, cleanup: AsyncExitStack) -> Opened:
    """Open the simulated account: it lies in the journal, and is closed at the prices of now like a real one."""
    from hedged.wiring.paper_account import open_paper_account

    config = config.model_copy(update={"cycle": config.cycle.model_copy(update={"history_days": PAPER_DAYS})})
    if config.data.source != "venues":
        sources: Mapping[str, MarketData] = dict(SimulatedMarkets(config.data.seed, PAPER_DAYS).venues())
        account = await open_paper_account(config, sources, journal, clock)
        return Opened(sources, account.venues)
    import numpy as np

    from hedged.wiring.real_venues import connect

    real = connect(config, clock, np.random.default_rng())
    cleanup.push_async_callback(real.close)
    account = await open_paper_account(config, real.sources, journal, clock, real.book)
    await real.watch(account.symbols)
    return Opened(real.sources, account.venues)
