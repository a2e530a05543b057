"""The command `hedged check`: everything the daemon needs, green or red, with what to do about each."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hedged.commands.shared import ConfigPath, console, quiet_logs

if TYPE_CHECKING:
    from hedged.commands.check_text import Report
    from hedged.config import Config
    from hedged.control.checks.finding import Found
    from hedged.wiring.own_book import OwnBook

WITHIN_S = 120.0
"""All that one exchange is asked."""


def check(
    config: ConfigPath = Path("config.yaml"),
    economics: Annotated[
        bool, typer.Option("--economics", help="Also: is hedging worth it for this book?")
    ] = False,
) -> None:
    """Check everything the daemon needs, without starting anything; a book on Injective is shown with its funding.

    Configuration, secrets, disk, journal and latch, model; with data.source: venues also every venue (does it answer,
    is this clock right, what does it tell of your markets), and what each key may do. Nothing is sent. What fails hides
    nothing else. Exit code 0: sound. 1: something failed. 2: the configuration cannot be read.

    With --economics it is reckoned whether hedging pays: the funding of the coming hour, eight hours and week with
    their bands, the last month's, what every change costs and when it has earned that, the best that could have been
    saved, what the planner would have kept of it, and what it comes to. It takes as long as the daemon's start and a
    few seconds for every market, and sends nothing.
    """
    from hedged.config import load_config

    quiet_logs("critical")  # what fails is a finding
    loaded = load_config(config)
    sound = asyncio.run(_check(loaded, config))
    if economics and sound:
        asyncio.run(_show_economics(loaded))
    if not sound:
        raise typer.Exit(1)
    console.print(
        f"{config} is sound: mode {loaded.mode}, config {loaded.hash}", highlight=False, markup=False
    )


async def _check(config: "Config", path: Path) -> bool:
    """Run every check and print it; True where nothing failed."""
    from hedged.commands.check_text import Report
    from hedged.commands.own_book_table import show_own_book
    from hedged.control.checks.limits import limits

    report = Report(console)
    _local(config, path, report)
    book = None
    if config.data.source == "venues":
        with console.status("asking the venues") as status:
            book = await _remote(config, report, status.update)
    if book is not None:
        show_own_book(console, book)
        usd = {one.symbol: one.notional_usd for one in book.positions}
        report.add("Limits", limits(config, usd, config.book.equity_usd or book.equity_usd))
    else:
        usd = {symbol: one.usd for symbol, one in config.book.positions.items() if one.usd is not None}
        report.add("Limits", limits(config, usd, config.book.equity_usd))
    return report.close()


def _local(config: "Config", path: Path, report: "Report") -> None:
    """Run what asks nobody."""
    from hedged.control.checks import daemon, local
    from hedged.control.checks.finding import attempt

    report.add("Configuration", attempt("file", lambda: local.configuration(config, path)))
    report.add("Configuration", attempt("venues", lambda: local.unproven_venues(config)))
    for found in local.secrets(config):
        report.add("Keys and rights", found)
    report.add("Disk", attempt("disk", lambda: local.disk(config)))
    report.add("Disk", attempt("journal", lambda: daemon.journal(config)))
    report.add("Daemon", attempt("lease", lambda: daemon.lease(config)))
    report.add("Daemon", attempt("latch", lambda: daemon.kill_file(config)))
    report.add("Model", attempt("model", lambda: local.model(config)))
    report.add("Model", attempt("training", lambda: local.training(config)))


async def _remote(config: "Config", report: "Report", say: Callable[[str], None]) -> "OwnBook | None":
    """Ask the chain, whose book says which markets matter, then all exchanges at once. Return the book."""
    from hedged.control.checks import chain, exchanges

    say("asking Injective")
    told = await chain.injective(config)
    symbols = {one.symbol for one in told.book.positions} if told.book else set(config.book.positions)
    symbols |= set(config.strategies.beside_the_book)
    say(f"asking {', '.join(config.hedge.venues) or 'nobody else'}")
    venues = [(venue, partial(exchanges.exchange, config, venue, symbols)) for venue in config.hedge.venues]
    all_found = [told.found, *await asyncio.gather(*(_of_venue(venue, ask) for venue, ask in venues))]
    for group in ("Venues", "Clock", "Book", "Keys and rights"):
        for found in all_found:
            report.add(group, found.get(group, ()))
    if all(found["Venues"][0].grade == "FAIL" for found in all_found):
        report.say("no venue answers: this machine seems to be offline. What asks nobody was checked")
    return told.book


async def _of_venue(venue: str, ask: "Callable[[], Awaitable[dict[str, Found]]]") -> "Mapping[str, Found]":
    """Check an exchange, also one that cannot even be connected."""
    from hedged.control.checks.finding import attempt_within

    found: dict[str, Found] = {}

    async def look() -> "Found":
        found.update(await ask())
        return ()

    failed = await attempt_within(venue, look, WITHIN_S)
    return {"Venues": failed} if failed else found


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
