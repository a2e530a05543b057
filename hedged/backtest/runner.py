"""Running the daemon over a window of virtual time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from hedged.adapters.paper import PaperVenue
from hedged.adapters.paper.record import AccountRecord
from hedged.adapters.paper.terms import Terms, terms_of
from hedged.app import App, Parts
from hedged.backtest.forced import with_forced
from hedged.backtest.told import Told
from hedged.backtest.virtual_time import run_virtually
from hedged.config import Config
from hedged.cycle import CycleReport
from hedged.domain.clock import Clock, LoopClock
from hedged.domain.errors import ConfigError, DataError
from hedged.domain.forecast import RateForecast
from hedged.domain.funding import FundingPayment
from hedged.domain.market import INJECTIVE
from hedged.domain.orders import Fill
from hedged.domain.ports import MarketData
from hedged.domain.quarantine import Doubted
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.forecast.port import Forecaster
from hedged.forecast.registry import make_forecaster


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time: from inclusive, to exclusive, ms since the epoch."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """What the journal holds after a run. `book`: (ts_ms, venue, symbol, quantity) of the trader's own positions.

    `equity_usd`: the configured equity, or the default that was used. `accounts`: what became of the money at each
    venue; `fills` hold what venues closed of the daemon's positions by force, too. `forecasts`: what was told of the
    rates on Injective, in order of time; empty where an engine does not keep them.
    """

    config: Config
    window: Window
    fills: list[Fill]
    payments: Sequence[FundingPayment]
    decisions: Sequence[dict[str, Any]]
    book: list[tuple[int, str, str, Decimal]]
    model_hash: str
    feature_hash: str
    equity_usd: Decimal
    accounts: Mapping[str, AccountRecord] = field(default_factory=dict)
    forecasts: Sequence[RateForecast] = ()


def own_quantities(
    config: Config, price: Callable[[str], Decimal | None]
) -> dict[str, tuple[Decimal, Decimal]]:
    """Return (signed quantity, price) of the static book by symbol; USD are divided by the first price.

    A trader's own quantity is taken as it is, to a billionth of a coin, not rounded to the venue's step. Raises
    DataError for a symbol without a price, ConfigError for an empty book.
    """
    book = {}
    for symbol, position in config.book.positions.items():
        first = price(symbol)
        if first is None:
            raise DataError(f"no price of {symbol} is known at the start")
        quantity = (position.usd or Decimal(0)) / first if position.quantity is None else position.quantity
        try:
            quantity = quantity.quantize(Decimal("1e-9"))
        except InvalidOperation:
            raise ConfigError(
                f"the position of {symbol} is beyond all measure: {quantity:.3g} coins"
            ) from None
        if not quantity:
            raise ConfigError(f"the position of {symbol} is less than a billionth of a coin")
        book[symbol] = (quantity, first)
    if not book:
        raise ConfigError("the book is empty: name the positions to protect under book.positions")
    return book


def equity_usd(config: Config, book: Mapping[str, tuple[Decimal, Decimal]]) -> Decimal:
    """Return the configured equity, else a third of the book's gross notional."""
    gross = sum((abs(quantity * price) for quantity, price in book.values()), Decimal(0))
    return config.book.equity_usd or (gross / 3).quantize(Decimal("0.01"))


def paper_venues(
    config: Config,
    sources: Mapping[str, MarketData],
    clock: Clock,
    book: Mapping[str, tuple[Decimal, Decimal]],
    equity: Decimal,
    at_ms: int,
    doubted: Doubted | None = None,
    *,
    rests: bool = False,
) -> dict[str, PaperVenue]:
    """Make a paper venue on every source; the book lies on Injective, idle margin on each hedge venue.

    `rests`: the sources tell prices at all times, not only at the ends of bars.
    """
    venues = {}
    for name, source in sources.items():
        share = Decimal(1) if name == INJECTIVE else config.hedge.collateral_share
        terms = terms_of(config.paper, name)
        if (
            name == INJECTIVE and not book
        ):  # the book is a real one: what it is backed by is the chain's business
            terms = Terms(terms.latency, terms.seed)
        venues[name] = PaperVenue(source, clock, equity * share, terms, doubted, rests=rests)
    for symbol, (quantity, price) in book.items():
        venues[INJECTIVE].seed(symbol, quantity, price, at_ms)
    return venues


def run_window(
    config: Config,
    sources: Mapping[str, MarketData],
    book: Mapping[str, tuple[Decimal, Decimal]],
    window: Window,
    on_cycle: Callable[[CycleReport], None] = lambda _: None,
    on_prepare: Callable[[App], None] = lambda _: None,
    forecaster: Forecaster | None = None,
) -> RunResult:
    """Run the daemon from `window.from_ms` to `window.to_ms` on a virtual clock and return its journal.

    `forecaster`: another than the one that the configuration names; nobody has asked it yet.
    """
    equity = equity_usd(config, book)
    forecaster = forecaster or make_forecaster(
        config.hedge.forecaster, config.hedge.model, crowded_share=config.strategies.crowded_share
    )

    told = Told(on_cycle)

    async def main() -> RunResult:
        clock = LoopClock(window.from_ms)
        journal = Journal.open(None, durable=False)
        try:
            doubted: Doubted = {}
            trading = paper_venues(config, sources, clock, book, equity, window.from_ms, doubted)
            symbols = tuple(dict.fromkeys([*book, *config.strategies.beside_the_book]))
            parts = Parts(
                config,
                clock,
                sources,
                trading,
                journal,
                forecaster,
                symbols,
                equity,
                told,
                doubted=doubted,
            )
            app = App(parts)
            on_prepare(app)
            await app.prepare()
            await app.run(window.to_ms)
            accounts = {name: venue.record() for name, venue in trading.items()}
            fills = await journal(JournalStore.fills)
            return RunResult(
                config=config,
                window=window,
                fills=with_forced(fills, accounts),
                payments=await journal(JournalStore.funding),
                decisions=await journal(JournalStore.decisions),
                book=await journal(JournalStore.book),
                model_hash=forecaster.model_hash,
                feature_hash=forecaster.feature_hash,
                equity_usd=equity,
                accounts=accounts,
                forecasts=told.forecasts,
            )
        finally:
            journal.close()

    return run_virtually(main)
