"""The live account: the trader's own book on Injective, a key that may trade it, and keys of the hedge venues.

Nothing starts before it is proven that the key is the right one, may trade, can pay its gas, and that what an earlier
life of the daemon sent has been looked up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

from hedged.adapters.cex.keys import ApiKey
from hedged.adapters.cex.preflight import CexClearance
from hedged.adapters.injective.keys import TradingKey
from hedged.adapters.injective.live import Desk, clear, key_of, open_desk, trader_of
from hedged.adapters.injective.messages import Trader
from hedged.adapters.injective.preflight import Clearance
from hedged.adapters.injective.transactions import Patience
from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.errors import ConfigError
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.ports import Trading
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.journal.transactions import JournalledTransactions
from hedged.wiring.cex_venues import open_exchanges
from hedged.wiring.real_venues import RealVenues

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LiveAccount:
    """Venues by name; every symbol that is held or still hedged; the equity that risk is measured by."""

    venues: dict[str, Trading]
    symbols: tuple[str, ...]
    equity_usd: Decimal
    clearance: Clearance


def live_key(config: Config, environ: Mapping[str, str]) -> TradingKey | None:
    """Load the key of mode: live; None in any other mode. Raises ConfigError for what live trading lacks."""
    if config.mode != "live":
        return None
    if config.book.source != "injective":
        raise ConfigError(
            "mode: live needs book: {source: injective, address: inj1…}: it trades a real account"
        )
    if config.injective.key_file is None and config.injective.key_env is None:
        raise ConfigError("mode: live needs a trading key: set injective.key_file or injective.key_env")
    return key_of(config.injective, environ)


async def clear_key(
    config: Config, real: RealVenues, key: TradingKey, clock: Clock
) -> tuple[Trader, Clearance]:
    """Prove that the key may trade the book. Raises ConfigError, or Retryable when the chain cannot be asked."""
    if real.book is None:
        raise ConfigError("a trading key needs book: {source: injective, address: inj1…}")
    account = real.book.account
    trader = trader_of(key, account.address, account.subaccount_id)
    return trader, await clear(real.network, real.data, trader, config.injective, clock)


async def open_live_account(
    config: Config,
    real: RealVenues,
    key: TradingKey,
    journal: Journal,
    clock: Clock,
    on_inj: Callable[[Decimal], None] = lambda _: None,
    exchange_keys: Mapping[str, ApiKey] | None = None,
) -> LiveAccount:
    """Read the book, prove the keys, look up what was sent before, and open the trading sides.

    Raises ConfigError for what the operator must change, Retryable when the chain cannot be asked.
    """
    if real.book is None:
        raise ConfigError("mode: live needs book: {source: injective, address: inj1…}")
    net: dict[SeriesKey, Decimal] = {}  # by market: two legs of one coin cancel, and are held all the same
    for fill in await journal(JournalStore.fills):
        net[fill.key] = net.get(fill.key, Decimal(0)) + fill.signed_quantity
    hedged = {key.symbol for key, quantity in net.items() if quantity}
    equity = await real.book.open(hedged, config.book.equity_usd)
    desk, clearance = await open_chain(config, real, key, journal, clock, on_inj)
    real.feed.listen(desk.see)
    await desk.trading.recover()
    symbols = tuple(sorted({*real.book.symbols, *hedged, *config.strategies.beside_the_book}))
    venues: dict[str, Trading] = {INJECTIVE: desk.trading}
    await real.watch(symbols)
    if real.exchanges is not None:
        sides, clearances = await open_exchanges(real.exchanges, exchange_keys or {}, journal)
        _log_clearances(clearances)
        venues |= sides
    return LiveAccount(venues, symbols, equity, clearance)


async def open_chain(
    config: Config,
    real: RealVenues,
    key: TradingKey,
    journal: Journal,
    clock: Clock,
    on_inj: Callable[[Decimal], None] = lambda _: None,
) -> tuple[Desk, Clearance]:
    """Prove the trading key and make the chain's trading side; nothing is sent yet. Raises ConfigError, Retryable."""
    trader, clearance = await clear_key(config, real, key, clock)
    for line in clearance.lines:
        log.info("trading_key", proven=line)
    for warning in clearance.warnings:
        log.warning("trading_key", warning=warning)
    on_inj(clearance.inj)
    return _desk(config, real, key, trader, journal, clock, on_inj), clearance


def _log_clearances(clearances: Sequence[CexClearance]) -> None:
    for one in clearances:
        for line in one.lines:
            log.info("exchange_key", venue=one.venue, proven=line)
        for warning in one.warnings:
            log.warning("exchange_key", venue=one.venue, warning=warning)


def _desk(
    config: Config,
    real: RealVenues,
    key: TradingKey,
    trader: Trader,
    journal: Journal,
    clock: Clock,
    on_inj: Callable[[Decimal], None],
) -> Desk:
    if real.book is None:
        raise ConfigError("mode: live needs a book")
    return open_desk(
        real.network, real.data, real.book.account, key, trader, config.injective, JournalledTransactions(journal),
        clock, config.risk.max_leverage, on_inj, _patience(config.clock.speed),
    )  # fmt: skip


def _patience(speed: float) -> Patience:
    """Wait as usual; a block's age is told in the chain's time."""
    usual = Patience()
    return replace(usual, block_age_s=usual.block_age_s * speed)
