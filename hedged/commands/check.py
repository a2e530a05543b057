"""The command `hedged check`: the configuration, the trader's own book, and what the keys may do."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hedged.commands.shared import ConfigPath, console, quiet_logs

if TYPE_CHECKING:
    from hedged.config import Config
    from hedged.domain.clock import Clock
    from hedged.wiring.real_venues import RealVenues


def check(
    config: ConfigPath = Path("config.yaml"),
    economics: Annotated[
        bool, typer.Option("--economics", help="Also: is hedging worth it for this book?")
    ] = False,
) -> None:
    """Check a configuration without starting anything; a book on Injective is read and shown with its funding.

    Also said: whether a daemon runs on it, whether its journal is whole, and what is latched (docs/control.md).

    With --economics it is reckoned whether hedging pays: the funding of the coming hour, eight hours and week with
    their bands, the last month's, what every change costs and when it has earned that, the best that could have been
    saved, what the planner would have kept of it, and what it comes to. It takes as long as the daemon's start and a
    few seconds for every market, and sends nothing.
    """
    from hedged.config import load_config
    from hedged.forecast.registry import make_forecaster
    from hedged.wiring.outside_parts import read_secrets

    loaded = load_config(config)
    read_secrets(loaded)
    model = make_forecaster(
        loaded.hedge.forecaster, loaded.hedge.model, crowded_share=loaded.strategies.crowded_share
    ).model_hash
    held = ", ".join(f"{s} {p.usd or p.quantity}" for s, p in loaded.book.positions.items()) or "no positions"
    has_key = loaded.injective.key_file is not None or loaded.injective.key_env is not None
    if loaded.book.source == "injective" or has_key:
        quiet_logs()
        asyncio.run(_show_account(loaded, has_key))
    if loaded.book.source == "injective":
        held = "read from the chain"
    if loaded.data.source == "venues":
        _show_unproven(loaded)
    if any(loaded.cex_of(venue).has_key for venue in loaded.hedge.venues):
        quiet_logs()
        asyncio.run(_show_exchange_keys(loaded))
    _show_holding(loaded)
    if economics:
        quiet_logs()
        asyncio.run(_show_economics(loaded))
    console.print(f"{config} is sound: mode {loaded.mode}, config {loaded.hash}, model {model}; book: {held}")


def _show_holding(config: "Config") -> None:
    """Print what holds the daemon, or would. Raises ConfigError."""
    from hedged.control.holding import holding

    known, heeded = holding(config)
    for line in known:
        console.print(escape(line), highlight=False, soft_wrap=True)
    for line in heeded:
        console.print(f"[bold red]{escape(line)}[/bold red]", highlight=False, soft_wrap=True)


async def _show_economics(config: "Config") -> None:
    """Reckon whether hedging pays for the book, and print it."""
    from hedged.commands.economics_text import show_economics
    from hedged.wiring.economics import read_economics

    with console.status("reading the past of the markets, forecasting once") as status:
        told = await read_economics(
            config,
            config.clock.make(),
            lambda share: status.update(f"planning through the last month: {share:.0%}"),
        )
    show_economics(console, told)


def _show_unproven(config: "Config") -> None:
    """Print what to know of exchanges that nobody has tried. Raises ConfigError."""
    from hedged.wiring.cex_venues import unproven

    for venue, what in unproven(config).items():
        console.print(f"[bold red]{venue}: {escape(what)}[/bold red]", highlight=False, soft_wrap=True)


async def _show_exchange_keys(config: "Config") -> None:
    """Prove what the keys of the exchanges may and may not do, and print it. Raises ConfigError."""
    import os

    import numpy as np

    from hedged.adapters.cex.keys import load_api_key
    from hedged.wiring.cex_venues import CexVenues, open_exchanges

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
            console.print(f"{one.venue}: {escape(line)}", highlight=False, soft_wrap=True)
        for warning in one.warnings:
            console.print(
                f"[bold red]{one.venue}: {escape(warning)}[/bold red]", highlight=False, soft_wrap=True
            )


async def _show_account(config: "Config", has_key: bool) -> None:
    """Read the trader's book from the chain and print it; with a trading key, prove what it may do."""
    import numpy as np

    from hedged.adapters.injective.retries import Retries, patiently
    from hedged.commands.own_book_table import show_own_book
    from hedged.wiring.own_book import read_own_book
    from hedged.wiring.real_venues import connect

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
    from hedged.wiring.live_account import clear_key

    key = key_of(config.injective, os.environ)
    if venues.book is not None:
        await venues.book.open((), config.book.equity_usd)
    _, clearance = await clear_key(config, venues, key, clock)
    for line in clearance.lines:
        console.print(f"trading key: {escape(line)}", highlight=False, soft_wrap=True)
    for warning in clearance.warnings:
        console.print(f"[bold red]trading key: {escape(warning)}[/bold red]", highlight=False, soft_wrap=True)
