"""The command `hedged download`: history from the venues into a data directory."""

import asyncio
import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from hedged.commands.model import bar, day_ms
from hedged.domain.clock import DAY_MS, Clock, SystemClock, iso
from hedged.domain.errors import ConfigError, Fatal

if TYPE_CHECKING:
    import aiohttp

    from hedged.config import InjectiveConfig
    from hedged.download.run import OnProgress, Outcome, Wanted
    from hedged.download.source import Source

console = Console(soft_wrap=True, highlight=False)
DEFAULT_DAYS = 730
"""Two years: what training wants (requirement C9)."""
SHOWN_GAPS = 12
INCOMPLETE = 1
LOCK = ".download.lock"


class VenueName(StrEnum):
    """Venues with a public history."""

    INJECTIVE = "injective"
    BINANCE = "binance"
    BYBIT = "bybit"
    OKX = "okx"
    HYPERLIQUID = "hyperliquid"


class TableName(StrEnum):
    """Tables that are downloaded."""

    FUNDING = "funding"
    OHLCV = "ohlcv"
    OPEN_INTEREST = "open_interest"
    PREMIUM = "premium"


def download(
    out: Annotated[Path, typer.Option(help="Data directory to fill; what it holds already stays.")] = Path(
        "data"
    ),
    venue: Annotated[
        list[VenueName] | None, typer.Option(help="Venue to ask; repeat. Default: all of them.")
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option(help="Coin, e.g. BTC; repeat. Default: the book's in --config.")
    ] = None,
    table: Annotated[
        list[TableName] | None,
        typer.Option(help="Only this table; repeat. Default: all that a venue offers."),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="First day, UTC: YYYY-MM-DD. Default: two years before --to.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last day, exclusive. Default: until now.")] = None,
    config: Annotated[
        Path,
        typer.Option(envvar="HEDGED_CONFIG", help="Names the book and Injective's nodes; may be absent."),
    ] = Path("config.yaml"),
) -> None:
    """Download market history, as `hedged train`, `backtest` and `evaluate` read it. No keys, all of it is public.

    Run it again to bring the directory up to date, or after it was killed: what is there is looked at, and only what is
    missing is asked for. What a venue tells differently from what is there is reported and left as it was.

      hedged download --out data --symbol BTC --symbol ETH --from 2024-01-01
      hedged download --out data --venue binance --venue injective --symbol INJ --table funding

    How far back a venue tells: Binance and Bybit everything, but Binance's open interest 30 days; OKX three months of
    funding, 60 days of open interest; Hyperliquid all funding, 5,000 candles; Injective what its indexer keeps. Open
    interest of Hyperliquid and Injective has no history: each run adds the present. docs/data-directory.md says more.

    Ends with 0 when every venue answered, with 1 when one did not or refused something: the others are complete then.
    """
    from hedged.directories import make_directory
    from hedged.download.paging import Span
    from hedged.download.run import Wanted
    from hedged.download.store import must_be_symbol
    from hedged.telemetry.logs import configure_logs

    configure_logs(lambda: 0, "error", "console")
    clock = SystemClock()
    now_ms = clock.now_ms()
    to_ms = min(day_ms(to, "--to"), now_ms) if to else now_ms
    from_ms = day_ms(from_, "--from") if from_ else to_ms // DAY_MS * DAY_MS - DEFAULT_DAYS * DAY_MS
    if from_ms >= to_ms:
        raise ConfigError(f"nothing lies between --from {iso(from_ms)} and --to {iso(to_ms)}")
    injective, book = _settings(config)
    symbols = sorted({text.strip().upper() for text in symbol or book})
    if not symbols:
        raise ConfigError(f"no symbol: name them with --symbol BTC, or a book in {config}")
    for text in symbols:
        must_be_symbol(text)
    make_directory(out)
    wanted = Wanted(symbols, Span(from_ms, to_ms), out, [str(one) for one in table] if table else None)
    names = [str(one) for one in dict.fromkeys(venue or list(VenueName))]
    with _alone(out), bar() as on_progress:
        outcome = asyncio.run(run_download(names, wanted, injective, clock, on_progress))
    show_outcome(console, wanted, outcome)
    if not outcome.complete:
        raise typer.Exit(INCOMPLETE)


async def run_download(
    names: Sequence[str],
    wanted: "Wanted",
    injective: "InjectiveConfig",
    clock: Clock,
    on_progress: "OnProgress",
    session: "Callable[[], aiohttp.ClientSession] | None" = None,
) -> "Outcome":
    """Open the venues, download, close them. Raises ConfigError or DataError."""
    import aiohttp
    import numpy as np

    from hedged.adapters.cex.answers import BoundedAnswer
    from hedged.download.binance import Binance
    from hedged.download.bybit import Bybit
    from hedged.download.hyperliquid import Hyperliquid
    from hedged.download.okx import Okx
    from hedged.download.run import download as download_all

    exchanges = {one.venue: one for one in (Binance, Bybit, Okx, Hyperliquid)}
    rng = np.random.default_rng()
    async with AsyncExitStack() as cleanup:
        web = await cleanup.enter_async_context(
            session() if session else aiohttp.ClientSession(trust_env=True, response_class=BoundedAnswer)
        )
        sources: list[Source] = [exchanges[name](web, rng) for name in names if name in exchanges]
        if VenueName.INJECTIVE in names:
            from hedged.download.injective import Injective  # the SDK takes half a second

            chain = Injective(injective, clock, rng)
            cleanup.push_async_callback(chain.close)
            sources.append(chain)
        return await download_all(sources, wanted, clock.now_ms(), on_progress)


def show_outcome(to: Console, wanted: "Wanted", outcome: "Outcome") -> None:
    """Print what is held now, what is missing in it, and what went wrong."""
    from hedged.download.run import REPORT

    shown = Table(
        "venue", "symbol", "table", "rows", "new", "from", "to", "missing", box=None, pad_edge=False
    )
    for told in outcome.told:
        lacking = sum(gap.missing for gap in told.gaps if not gap.edge)
        days = [iso(ts)[:10] if ts is not None else "" for ts in (told.first_ms, told.last_ms)]
        shown.add_row(
            *told.key, told.table, f"{told.rows:,}", f"{told.added:,}", *days, f"{lacking:,}" if lacking else ""
        )  # fmt: skip
    to.print(shown)
    gaps = [(told, gap) for told in outcome.told for gap in told.gaps if not gap.edge]
    for told, gap in gaps[:SHOWN_GAPS]:
        count = f"{gap.missing:,} row{'s' if gap.missing > 1 else ''}"
        to.print(
            f"gap: {told.key} {told.table}: {count} between {iso(gap.span.from_ms)} and {iso(gap.span.to_ms)}"
        )
    if len(gaps) > SHOWN_GAPS:
        to.print(f"… and {len(gaps) - SHOWN_GAPS:,} more gaps")
    for venue, symbols in sorted(outcome.unlisted.items()):
        to.print(f"{venue} lists no perpetual of {', '.join(symbols)}")
    for venue, reasons in outcome.lacking.items():
        for name, why in reasons.items():
            to.print(f"[dim]{venue} {name}: {why}[/dim]")
    for told in outcome.told:
        if len(told.conflicts):
            to.print(
                f"[yellow]{told.key} {told.table}: {len(told.conflicts):,} rows are told differently from what stands "
                "here; what stands was kept[/yellow]"
            )
        if told.fault:
            to.print(f"[bold red]{told.key} {told.table} is not complete:[/bold red] {told.fault}")
    for venue, why in sorted(outcome.lost.items()):
        to.print(f"[bold red]{venue} could not be asked:[/bold red] {why}")
    if not outcome.complete:
        to.print("the rest is there; run it again to fetch what is missing")
    to.print(f"{wanted.directory / REPORT} tells all gaps and differences")


def _settings(path: Path) -> "tuple[InjectiveConfig, list[str]]":
    """Return how Injective is reached, and the symbols of a static book; the defaults where there is no file."""
    from hedged.config import Config, load_config

    config = load_config(path) if path.is_file() else Config()
    return config.injective, sorted(config.book.positions)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep a second download out of a directory. Raises Fatal while one runs."""
    with (directory / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Fatal(f"another download fills {directory}: wait for it, or name another --out") from None
        yield
