"""What hedging is worth for one's own book, at the terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from hedged.commands.explain_text import leg_name, paid_off
from hedged.domain.clock import iso
from hedged.strategy.economics import RELOCATE
from hedged.strategy.outlook import MONTH_H, Amount, SpanOutlook, verdict
from hedged.wiring.economics import Economics

NAMES = {1: "1 hour", 8: "8 hours", 168: "7 days"}


def show_economics(console: Console, told: Economics) -> None:
    """Print the funding ahead, the month behind, what every change costs, and the verdict."""
    console.print(f"[bold]Is hedging worth it for this book?[/bold] {iso(told.now_ms)}", highlight=False)
    for symbol in told.unpriced:
        console.print(
            f"[yellow]{symbol} is left out: no fresh price of it is known[/yellow]", highlight=False
        )
    if not told.own_usd:
        console.print("There is no position with a known price: nothing to reckon.", highlight=False)
        return
    console.print(
        "\n[bold]Funding ahead, USD, + you receive, − you pay, nothing hedged[/bold]", highlight=False
    )
    console.print(_ahead(told))
    for span in told.spans:
        console.print(f"  {_name(span)}: {span.rests_on}", style="dim", highlight=False)
    console.print(
        "  all: the markets' rates are drawn together, so its band is no sum", style="dim", highlight=False
    )
    console.print(f"\n[bold]Behind: the last {told.days:.0f} days, USD[/bold]", highlight=False)
    console.print(_past(told))
    console.print(_basis(told), style="dim", highlight=False)
    console.print(_kept(told), style="dim", highlight=False)
    console.print(
        "\n[bold]Every change there is: bp of its size, and USD at the largest size allowed[/bold]",
        highlight=False,
    )
    console.print(_changes(told))
    console.print(
        f"  saves: expected within {told.horizon_h} h, less the charge on its margin; costs: to open it; pays after: "
        "when it has earned that, if the forecast holds; a month: at the rates of these hours",
        style="dim", highlight=False,
    )  # fmt: skip
    for symbol, reason in sorted(told.reasons.items()):
        console.print(f"  [bold]{symbol}[/bold] now: {reason}", highlight=False)
    console.print(
        f"\n[bold]{verdict(told.months, told.attainable_usd, told.kept_usd)}[/bold]", highlight=False
    )


def _name(span: SpanOutlook) -> str:
    return NAMES.get(span.hours, f"{span.hours} h")


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left", no_wrap=True)
    return table


def _ahead(told: Economics) -> Table:
    table = _table(
        "symbol",
        "position",
        *(f"{_name(span)}\n80 % between" for span in told.spans),
        "a month\nat 7 days' rate",
    )
    for symbol, usd in sorted(told.own_usd.items()):
        cells = [_amount(span.own.get(symbol)) for span in told.spans]
        last = told.spans[-1].own.get(symbol) if told.spans else None
        table.add_row(symbol, f"{usd:+,.0f}", *cells, _month(last, told))
    if len(told.own_usd) > 1 and told.spans:
        cells = [_amount(span.own_book) for span in told.spans]
        table.add_row("all", "", *cells, _month(told.spans[-1].own_book, told), style="bold")
    return table


def _month(amount: Amount | None, told: Economics) -> str:
    return "unknown" if amount is None else f"{amount.mean * MONTH_H / told.spans[-1].hours:+,.0f}"


def _amount(amount: Amount | None) -> str:
    if amount is None:
        return "unknown"
    digits = 0 if max(abs(amount.low), abs(amount.high)) >= 100 else 1
    return f"{amount.mean:+,.2f}\n[dim]{amount.low:+,.{digits}f} … {amount.high:+,.{digits}f}[/dim]"


def _past(told: Economics) -> Table:
    heads = ("symbol", "funding", "saved at best,\nafter costs", "share", "the planner\nkept", "known")
    charged = told.charged is not None
    table = _table(*heads[:1], *(("charged by\nthe chain",) if charged else ()), *heads[1:])
    for symbol, past in told.past.items():
        paid = max(0.0, -past.funding_usd)
        share = f"{past.saved_usd / paid:.0%}" if paid >= 1 else ""
        kept = None if isinstance(told.kept, str) else told.kept.get(symbol)
        cells = [
            f"{past.funding_usd:+,.2f}", f"{past.saved_usd:,.2f}", share,
            f"{kept.net_usd:+,.2f}" if kept else "unknown", f"{past.hours / 24:.0f} d",
        ]  # fmt: skip
        if told.charged is not None:
            cells.insert(0, f"{told.charged[symbol]:+,.2f}" if symbol in told.charged else "none")
        table.add_row(symbol, *cells)
    return table


def _basis(told: Economics) -> str:
    text = (
        "  funding: the rates that settled, on the position as it is now. Saved at best: perfect foresight, one hedge "
        f"at a time within the cap of {told.cap:.0%}, price exposure changed by {told.delta_band:.0%} at most, price "
        "moves left out"
    )
    if told.charged is not None:
        return text + ". Charged: by the chain, of what was held then."
    if told.source == "injective":
        return text + ". What the chain charged cannot be told: its indexer does not answer."
    return text + ". What was really charged is told where book.source is injective."


def _kept(told: Economics) -> str:
    """Say what the planner would have kept, and what that figure rests on."""
    if isinstance(told.kept, str):
        return f"  What the planner would have kept is not known: {told.kept}."
    hours = max((one.hours for one in told.kept.values()), default=0)
    names = ("saved_usd", "cost_usd", "closing_usd")
    saved, cost, closing = (sum(getattr(one, name) for one in told.kept.values()) for name in names)
    held = ", ".join(f"{s} {one.most_usd:,.0f}" for s, one in told.kept.items() if one.most_usd >= 1)
    text = (
        f"  The planner kept: this configuration's forecaster and plan over {hours / 24:.0f} days, each decision on "
        f"what was known then, at today's prices: {saved:,.2f} USD saved, {cost:,.2f} of costs, of which "
        f"{closing:,.2f} to close what was held at the end; largest leg held, USD: "
        f"{held or 'none'}. Without the gate, and as if every order filled."
    )
    return text + (" Its model was trained on some of these days: flattered." if told.trained_on else "")


def _changes(told: Economics) -> Table:
    table = _table(
        "change", "saves\nbp", "costs\nbp", "pays\nafter", "size\nUSD", "saves\na month", "costs\nonce"
    )
    for symbol, legs in sorted(told.legs.items()):
        for leg in sorted(legs, key=lambda leg: leg["costs_bp"] - leg["saves_bp"] - leg["later_bp"]):
            size = _size(leg, abs(told.own_usd.get(symbol, 0.0)), told)
            month = leg["saves_bp"] * 1e-4 * size * MONTH_H / told.horizon_h
            table.add_row(
                f"{symbol}: {leg_name(leg)}", f"{leg['saves_bp']:.2f}", f"{leg['costs_bp']:.2f}",
                paid_off(leg.get("break_even_h")), f"{size:,.0f}", f"{month:+,.0f}",
                f"{leg['costs_bp'] * 1e-4 * size:,.2f}",
            )  # fmt: skip
    return table


def _size(leg: Mapping[str, Any], own_usd: float, told: Economics) -> float:
    """Return the largest size that cap and delta band allow."""
    return own_usd * (told.cap if leg["kind"] == RELOCATE else min(told.cap, told.delta_band))
