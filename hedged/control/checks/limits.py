"""Limits against the equity and the book that they are meant for: is one so tight, or so loose, that it is a slip?"""

from collections.abc import Mapping
from decimal import Decimal

from hedged.config import Config
from hedged.control.checks.finding import Finding, Found, note, ok, warn

MOST_GEARED = Decimal(10)
"""Gross notional ÷ equity from which on a book is likely mistyped, or in danger anyway."""


def limits(config: Config, book_usd: Mapping[str, Decimal], equity_usd: Decimal | None) -> Found:
    """Compare. `book_usd`: signed notional of each position; `equity_usd`: what risk is measured by, None: unknown."""
    gross = sum((abs(usd) for usd in book_usd.values()), Decimal(0))
    equity = equity_usd or gross / 3
    if not gross or not equity:
        return [note("limits", "there is no book in USD yet to hold the limits against")]
    return [
        *_gearing(gross, equity, given=equity_usd is not None),
        *_losses(config, equity),
        *_room(config, book_usd),
        *_unbounded(config),
    ]


def _gearing(gross: Decimal, equity: Decimal, *, given: bool) -> list[Finding]:
    geared = gross / equity
    text = f"{gross:,.0f} USD of positions on {equity:,.0f} USD of equity ({geared:.1f} ×)"
    if not given:
        text += ", a third of the positions, as none is given"
        return [note("equity", text, "set book.equity_usd: every limit on losses is a share of it")]
    if geared > MOST_GEARED or geared < 1 / MOST_GEARED:
        return [warn("equity", text, "is book.equity_usd right? Every limit on losses is a share of it")]
    return [ok("equity", text)]


def _losses(config: Config, equity: Decimal) -> list[Finding]:
    risk = config.risk
    day, worst = risk.max_daily_loss * equity, risk.max_drawdown * equity
    text = f"the hedges may lose {day:,.0f} USD a day and {worst:,.0f} USD from their best before nothing is opened"
    if risk.max_drawdown < risk.max_daily_loss:
        return [warn("losses", text, "risk.max_drawdown is below max_daily_loss: the latter never binds")]
    return [ok("losses", text)]


def _room(config: Config, book_usd: Mapping[str, Decimal]) -> list[Finding]:
    """Compare the largest hedge that the cap allows with what the limits in USD let through."""
    cap, risk = config.hedge.cap, config.risk
    wanted = {symbol: cap * abs(usd) for symbol, usd in book_usd.items()}
    largest, total = max(wanted.values()), sum(wanted.values())
    at_once = Decimal(risk.max_orders_per_hour)
    found = [ok("hedges", f"up to {total:,.0f} USD in all: {cap:.0%} of each position")]
    for name, most, need in (
        ("risk.max_market_usd", risk.max_market_usd, largest),
        ("risk.max_venue_usd", risk.max_venue_usd, largest),
        ("risk.max_total_usd", risk.max_total_usd, total),
        ("risk.max_notional_per_hour_usd", risk.max_notional_per_hour_usd, largest),
    ):
        if most is not None and most < need:
            text = f"{name} is {most:,.0f} USD, and the cap would allow {need:,.0f}: {name} is what binds"
            found.append(note("hedges", text))
    small = [symbol for symbol, usd in wanted.items() if usd * config.hedge.min_change < 1]
    if cap and small:
        text = f"{', '.join(small)}: too small to hedge in steps of {config.hedge.min_change:.0%}"
        found.append(note("hedges", text))
    if at_once < len(book_usd):
        text = f"{at_once} orders an hour for {len(book_usd)} positions: not all can be hedged within one"
        found.append(warn("orders", text, "raise risk.max_orders_per_hour"))
    return found


def _unbounded(config: Config) -> list[Finding]:
    if config.mode != "live" or config.risk.max_total_usd is not None:
        return []
    return [note("hedges", "no limit in USD is set", "begin live with a small risk.max_total_usd")]
