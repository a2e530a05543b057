"""The paper account of a daemon that may have lived before: the book, the equity, and what was done already."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hedged.adapters.injective.retries import patiently
from hedged.adapters.paper.record import is_forced
from hedged.backtest.runner import equity_usd, own_quantities, paper_venues
from hedged.config import Config
from hedged.domain.bars import Field
from hedged.domain.clock import Clock
from hedged.domain.errors import ConfigError, Fatal
from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of
from hedged.domain.ports import MarketData, Trading
from hedged.domain.quarantine import Doubted
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal

if TYPE_CHECKING:  # the SDK behind it takes half a second to import: not for those who run without
    from hedged.wiring.real_venues import RealBook

STATE = "paper_account"


@dataclass(frozen=True, slots=True)
class PaperAccount:
    """Venues by name; every symbol that is held or still hedged; the equity that risk is measured by."""

    venues: dict[str, Trading]
    symbols: tuple[str, ...]
    equity_usd: Decimal


async def open_paper_account(
    config: Config,
    sources: Mapping[str, MarketData],
    journal: Journal,
    clock: Clock,
    real: "RealBook | None" = None,
    doubted: Doubted | None = None,
) -> PaperAccount:
    """Open the account: new at today's prices, else as the journal knows it, so that a restart goes on.

    With `real` the trader's own part of it is what the chain shows, now and in every cycle.

    Raises ConfigError for a market or venue that does not exist, Fatal when a hedge lies at a venue no longer named.
    """
    await _check_names(config, sources)
    fills = await journal(JournalStore.fills)
    payments = await journal(JournalStore.funding)
    net: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    for fill in fills:
        net[fill.key] += fill.signed_quantity
    lost = sorted(
        {venue for (venue, _), q in net.items() if q and venue not in (INJECTIVE, *config.hedge.venues)}
    )
    if lost:
        raise Fatal(
            f"hedges are still held at {', '.join(lost)}: name it in hedge.venues until they are closed"
        )
    hedged = {symbol for (_, symbol), quantity in net.items() if quantity}
    if real is None:
        book, equity = await _book(config, sources, journal, clock.now_ms())
    else:
        book, equity = {}, await real.open(hedged, config.book.equity_usd)
    told = [f.execution.ts_ms for f in fills] + [p.settlement.ts_ms for p in payments]
    at_ms = max(told, default=clock.now_ms())
    wanted = {name: sources[name] for name in (INJECTIVE, *config.hedge.venues)}
    live = config.data.source == "venues"
    papers = paper_venues(config, wanted, clock, book, equity, at_ms, doubted, rests=live)
    done = [fill.execution for fill in fills]
    done += [e for e in await journal(JournalStore.foreign_executions) if is_forced(e)]
    done.sort(key=lambda e: e.ts_ms)
    for name, paper in papers.items():
        here = [execution for execution in done if execution.key.venue == name]
        paid = [payment for payment in payments if payment.settlement.key.venue == name]
        paper.restore(here, paid, at_ms)
    venues: dict[str, Trading] = dict(papers)
    held = set(book)
    if real is not None:
        here = [execution for execution in done if execution.key.venue == INJECTIVE]
        venues[INJECTIVE] = real.on_paper(papers[INJECTIVE], here)
        held = set(real.symbols)
    followed = held | hedged | set(config.strategies.beside_the_book)
    return PaperAccount(venues, tuple(sorted(followed)), equity)


async def _check_names(config: Config, sources: Mapping[str, MarketData]) -> None:
    strange = sorted(set(config.hedge.venues) - set(sources))
    if strange:
        known = ", ".join(sorted(set(sources) - {INJECTIVE}))
        raise ConfigError(f"hedge.venues names {', '.join(strange)}; there are {known}")
    markets = await patiently("the markets", sources[INJECTIVE].markets)
    unknown = sorted(set(config.book.positions) - set(markets))
    if unknown:
        raise ConfigError(
            f"Injective has no market for {', '.join(unknown)}; it has {', '.join(sorted(markets))}"
        )


async def _book(
    config: Config, sources: Mapping[str, MarketData], journal: Journal, now_ms: int
) -> tuple[dict[str, tuple[Decimal, Decimal]], Decimal]:
    """Return (quantity, first price) by symbol, and the equity.

    A position given in USD keeps the coins it had at its first price, and a default equity its amount, while the
    configuration says the same of them.
    """
    marks = await _marks(sources[INJECTIVE], now_ms)
    book = own_quantities(config, marks.get)
    said = {symbol: position.model_dump_json() for symbol, position in config.book.positions.items()}
    before: dict[str, Any] = await journal(JournalStore.load_state, STATE)
    for symbol in book:
        if before.get("said", {}).get(symbol) == said[symbol]:
            quantity, price = before["book"][symbol]
            book[symbol] = (Decimal(quantity), Decimal(price))
    equity = equity_usd(config, book)
    if config.book.equity_usd is None and before.get("said") == said:
        equity = Decimal(before["equity_usd"])
    kept = {symbol: [str(quantity), str(price)] for symbol, (quantity, price) in book.items()}
    await journal(JournalStore.save_state, STATE, {"said": said, "book": kept, "equity_usd": str(equity)})
    return book, equity


async def _marks(source: MarketData, now_ms: int) -> dict[str, Decimal]:
    seen = {o.key.symbol: float(o.values[Field.MARK]) for o in await source.observe(now_ms)}
    return {symbol: decimal_of(mark) for symbol, mark in seen.items() if mark > 0}
