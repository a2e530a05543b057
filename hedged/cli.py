"""The command line. Heavy modules are imported inside the commands, so that `--help` is quick."""

import asyncio
import sys
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from hedged import download_command, model_commands, sandbox_command
from hedged.domain.errors import ConfigError, HedgedError
from hedged.model_commands import day_ms

if TYPE_CHECKING:
    from hedged.config import Config
    from hedged.domain.clock import Clock
    from hedged.real_venues import RealVenues
    from hedged.risk.gate import KillLevel

app = typer.Typer(
    name="hedged",
    help="Lowers what you pay in perpetual funding on Injective. Start with `hedged demo`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
console = Console(stderr=False)
errors = Console(stderr=True)

ConfigPath = Annotated[
    Path,
    typer.Option("--config", envvar="HEDGED_CONFIG", help="Configuration file (see config.example.yaml)."),
]


class ProxyRuleName(StrEnum):
    """How a stand-in venue's rate becomes Injective's."""

    CHAIN = "chain"
    LEVEL = "level"


@app.command()
def demo(
    days: Annotated[int, typer.Option(min=1, max=365, help="Days to simulate.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 7,
    out: Annotated[Path, typer.Option(help="Where the files go.")] = Path("out/demo"),
) -> None:
    """See it work: the real daemon over simulated venues, offline, no keys, no configuration."""
    from hedged.backtest.demo import demo_config, run_demo
    from hedged.terminal import progress, show_summary

    _quiet_logs()
    console.print(
        f"Simulating Injective and two CEXs for {days} days (seed {seed}); the daemon decides every 15 minutes."
    )
    with progress(console, days * 86_400 // demo_config().cycle.interval_s) as on_cycle:
        summary, report = run_demo(days, seed, out, on_cycle)
    show_summary(console, summary, report)


@app.command()
def backtest(
    data: Annotated[Path, typer.Option(help="Data directory: Parquet tables of market history.")],
    from_: Annotated[str, typer.Option("--from", help="First day, UTC midnight, inclusive: YYYY-MM-DD.")],
    to: Annotated[str, typer.Option("--to", help="Last day, UTC midnight, exclusive: YYYY-MM-DD.")],
    symbol: Annotated[
        list[str] | None, typer.Option(help="Symbol to load; repeat. Default: those of the positions.")
    ] = None,
    position: Annotated[
        list[str] | None, typer.Option(help="Own position on Injective in USD, signed: ETH=100000; repeat.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the files go.")] = Path("out/backtest"),
    proxy: Annotated[
        str | None,
        typer.Option(
            help="Stand-in for Injective's funding; default injective=hyperliquid where the data hold none."
        ),
    ] = None,
    proxy_rule: Annotated[
        ProxyRuleName,
        typer.Option(help="chain: Injective's formula on the premium; level: the printed rate."),
    ] = ProxyRuleName.CHAIN,
    equity: Annotated[
        float | None, typer.Option(help="Equity in USD. Default: a third of the gross position.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file; options here come on top.")] = None,
    hedge_venues: Annotated[str | None, typer.Option(help="Comma-separated, e.g. binance,bybit.")] = None,
    cap: Annotated[
        float | None, typer.Option(min=0, max=1, help="Largest hedge, as share of the own position.")
    ] = None,
    allow_own_cut: Annotated[
        bool | None, typer.Option("--allow-own-cut/--no-own-cut", help="May the own position be cut?")
    ] = None,
    forecaster: Annotated[str | None, typer.Option(help="ensemble, nowcast, ewma or persistence.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model directory. Default: the shipped one.")] = None,
) -> None:
    """Run the daemon over recorded market data and report what hedging would have been worth."""
    from hedged.adapters.replay.proxy import Proxy
    from hedged.backtest.recorded import BacktestOptions, run_backtest
    from hedged.backtest.runner import Window
    from hedged.terminal import progress, show_summary

    _quiet_logs()
    settings = _backtest_config(
        config, position or [], equity, hedge_venues, cap, allow_own_cut, forecaster, model
    )
    symbols = sorted(set(symbol or settings.book.positions))
    stand_in: Proxy | None = None
    if proxy is not None:
        name, _, venue = proxy.partition("=")
        if name != "injective" or not venue:
            raise ConfigError(f"--proxy {proxy!r}: expected injective=VENUE")
        stand_in = Proxy(venue, proxy_rule.value)
    window = Window(day_ms(from_, "--from"), day_ms(to, "--to"))
    options = BacktestOptions(data, symbols, window, out, stand_in, proxy_rule.value)
    cycles = max(0, (window.to_ms - window.from_ms) // (settings.cycle.interval_s * 1_000))
    with progress(console, cycles) as on_cycle:
        summary, report = run_backtest(settings, options, on_cycle)
    show_summary(console, summary, report)


@app.command()
def run(
    config: ConfigPath = Path("config.yaml"),
    replay: Annotated[
        Path | None, typer.Option(help="Rehearse: a data directory to run over, as fast as it goes.")
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", help="With --replay: first day, YYYY-MM-DD.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="With --replay: last day, exclusive.")] = None,
) -> None:
    """Run the daemon until SIGTERM: paper by default, a page and metrics over HTTP."""
    from hedged.config import load_config
    from hedged.daemon import replay_daemon, run_daemon

    loaded = load_config(config)
    if replay is None:
        asyncio.run(run_daemon(loaded))
        return
    if from_ is None or to is None:
        raise ConfigError("--replay needs --from and --to")
    from hedged.backtest.recorded import BacktestOptions
    from hedged.backtest.runner import Window

    window = Window(day_ms(from_, "--from"), day_ms(to, "--to"))
    replay_daemon(
        loaded, BacktestOptions(replay, sorted(loaded.book.positions), window, loaded.state_dir, None)
    )


@app.command()
def check(
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Check a configuration without starting anything; a book on Injective is read and shown with its funding."""
    from hedged.config import load_config
    from hedged.forecast.registry import make_forecaster
    from hedged.outside_parts import read_secrets

    loaded = load_config(config)
    read_secrets(loaded)
    model = make_forecaster(loaded.hedge.forecaster, loaded.hedge.model).model_hash
    held = ", ".join(f"{s} {p.usd or p.quantity}" for s, p in loaded.book.positions.items()) or "no positions"
    has_key = loaded.injective.key_file is not None or loaded.injective.key_env is not None
    if loaded.book.source == "injective" or has_key:
        _quiet_logs()
        asyncio.run(_show_account(loaded, has_key))
    if loaded.book.source == "injective":
        held = "read from the chain"
    if any(loaded.cex_of(venue).has_key for venue in loaded.hedge.venues):
        _quiet_logs()
        asyncio.run(_show_exchange_keys(loaded))
    console.print(f"{config} is sound: mode {loaded.mode}, config {loaded.hash}, model {model}; book: {held}")


async def _show_exchange_keys(config: "Config") -> None:
    """Prove what the keys of the exchanges may and may not do, and print it. Raises ConfigError."""
    import os

    import numpy as np

    from hedged.adapters.cex.keys import load_api_key
    from hedged.cex_venues import CexVenues, open_exchanges

    named = [venue for venue in config.hedge.venues if config.cex_of(venue).has_key]
    hedge = config.hedge.model_copy(update={"venues": named})
    some = config.model_copy(update={"hedge": hedge})
    found = {venue: load_api_key(venue, config.cex_of(venue), os.environ) for venue in named}
    keys = {venue: key for venue, key in found.items() if key is not None}
    venues = CexVenues.connect(some, config.clock.make(), np.random.default_rng())
    try:
        await venues.watch(config.book.positions)
        _, clearances = await open_exchanges(venues, keys)
    finally:
        await venues.close()
    for one in clearances:
        for line in one.lines:
            console.print(f"{one.venue}: {line}", highlight=False, soft_wrap=True)
        for warning in one.warnings:
            console.print(f"[bold red]{one.venue}: {warning}[/bold red]", highlight=False, soft_wrap=True)


async def _show_account(config: "Config", has_key: bool) -> None:
    """Read the trader's book from the chain and print it; with a trading key, prove what it may do."""
    import numpy as np

    from hedged.adapters.injective.retries import Retries, patiently
    from hedged.own_book import read_own_book
    from hedged.own_book_table import show_own_book
    from hedged.real_venues import connect

    clock = config.clock.make()
    venues = connect(config, clock, np.random.default_rng())
    try:
        if (book := venues.book) is not None:
            retries = Retries.through(len(venues.network.nodes))
            read = await patiently("the book", lambda: read_own_book(venues, book, clock), retries)
            show_own_book(console, read)
        if has_key:
            await _show_trading_key(config, venues, clock)
    finally:
        await venues.close()


async def _show_trading_key(config: "Config", venues: "RealVenues", clock: "Clock") -> None:
    """Prove what the trading key may and may not do, and print it. Raises ConfigError where it may not trade."""
    import os

    from hedged.adapters.injective.live import key_of
    from hedged.live_account import clear_key

    key = key_of(config.injective, os.environ)
    if venues.book is not None:
        await venues.book.open((), config.book.equity_usd)
    _, clearance = await clear_key(config, venues, key, clock)
    for line in clearance.lines:
        console.print(f"trading key: {line}", highlight=False, soft_wrap=True)
    for warning in clearance.warnings:
        console.print(f"[bold red]trading key: {warning}[/bold red]", highlight=False, soft_wrap=True)


app.command()(download_command.download)
app.command()(model_commands.forecast)
app.command()(model_commands.train)
app.command()(model_commands.evaluate)
app.command()(sandbox_command.sandbox)


class Level(StrEnum):
    """What a kill still lets through."""

    REDUCE_ONLY = "reduce-only"
    PAUSE = "pause"


@app.command()
def kill(
    reason: Annotated[str, typer.Option(help="Why: shown wherever the latch is shown.")],
    level: Annotated[
        Level, typer.Option(help="reduce-only: only orders that reduce a hedge leg; pause: no order at all.")
    ] = Level.REDUCE_ONLY,
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Latch the kill switch, also while the daemon runs (it follows within seconds) or hangs. Outlives restarts."""
    from hedged.risk.gate import KillLevel

    _latch(config, KillLevel[level.name], reason)
    console.print(f"latched: {level}. `hedged resume` clears it.")


@app.command()
def resume(
    config: ConfigPath = Path("config.yaml"),
) -> None:
    """Clear the kill latch: the daemon may open hedges again from its next cycle on. Closes or opens nothing itself."""
    from hedged.risk.gate import KillLevel

    _latch(config, KillLevel.NONE, "resumed by the operator")
    console.print("the kill latch is cleared: new hedges are possible from the next cycle on")


@app.command()
def version() -> None:
    """Print the version."""
    from hedged import __version__

    console.print(__version__)


def main() -> None:
    """Entry point: errors made for the operator become one line and exit code 2."""
    try:
        app()
    except HedgedError as error:
        errors.print(f"[bold red]error:[/bold red] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except BaseExceptionGroup as group:  # raised out of the daemon's TaskGroup
        ours, others = group.split(HedgedError)
        if ours is None or others is not None:
            raise
        for leaf in _leaves(ours):
            errors.print(f"[bold red]error:[/bold red] {leaf}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)


def _leaves(group: BaseExceptionGroup[HedgedError]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _backtest_config(
    path: Path | None,
    positions: list[str],
    equity: float | None,
    hedge_venues: str | None,
    cap: float | None,
    allow_own_cut: bool | None,
    forecaster: str | None,
    model: Path | None,
) -> "Config":
    """Put the command line's options on top of the file (or of the defaults)."""
    from hedged.config import load_config, parse_config

    raw: dict[str, Any] = (load_config(path).model_dump(mode="json", exclude_none=True)) if path else {}
    book, hedge = raw.setdefault("book", {}), raw.setdefault("hedge", {})
    if positions:
        pairs = [_position(text) for text in positions]
        if len({symbol for symbol, _ in pairs}) != len(pairs):
            raise ConfigError("--position names a symbol twice")
        book["positions"] = {symbol: {"usd": usd} for symbol, usd in pairs}
    if equity is not None:
        book["equity_usd"] = equity
    given = {"cap": cap, "allow_own_cut": allow_own_cut, "forecaster": forecaster}
    given["model"] = str(model) if model else None
    hedge.update({key: value for key, value in given.items() if value is not None})
    if hedge_venues is not None:
        hedge["venues"] = [venue.strip() for venue in hedge_venues.split(",") if venue.strip()]
    return parse_config(raw, str(path) if path else "options")


def _position(text: str) -> tuple[str, str]:
    symbol, _, usd = text.partition("=")
    try:
        if not symbol or not Decimal(usd).is_finite() or Decimal(usd) == 0:
            raise InvalidOperation
    except InvalidOperation:
        raise ConfigError(
            f"--position {text!r}: expected SYMBOL=USD with USD not zero, e.g. ETH=100000"
        ) from None
    return symbol, usd


def _latch(path: Path, level: "KillLevel", reason: str) -> None:
    """Write the latch into the journal, which a running daemon reads every few seconds."""
    from hedged.config import load_config
    from hedged.daemon import JOURNAL_FILE
    from hedged.directories import make_directory
    from hedged.execution.store import JournalStore

    config = load_config(path)
    directory = config.state_dir
    make_directory(directory)
    store = JournalStore(str(directory / JOURNAL_FILE), durable=True)
    store.set_kill(config.clock.make().now_ms(), int(level), reason)
    store.close()


def _quiet_logs() -> None:
    from hedged.telemetry.logs import configure_logs

    configure_logs(lambda: 0, "error", "console")
