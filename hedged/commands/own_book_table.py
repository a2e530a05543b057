"""The trader's own book at the terminal: what is held, how far it is from liquidation, what funding it can expect."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table

from hedged.wiring.own_book import RECENT_DAYS, OwnBook, OwnPosition

DAY_H, MONTH_H = 24.0, 24.0 * 30
CLOSE = 0.15
"""Nearer to its liquidation price than this share of the mark, a position is shown in red."""
HELD = ("position", "entry", "mark", "profit", "margin", "liquidation")
FUNDING = (
    "rate,\na year",
    "the coming hour\n10 … 90 %",
    "at that rate\na day\na month",
    f"at {RECENT_DAYS} days' mean\na day\na month",
)
"""Each fits a terminal of 80 columns, together with what they head."""


def show_own_book(console: Console, book: OwnBook) -> None:
    """Print both tables and one sentence that says what it comes to."""
    console.print(
        f"[bold]{book.address}[/bold] subaccount {book.subaccount} on {book.chain_id}: "
        f"equity {book.equity_usd:,.2f} USD, free {book.free_usd:,.2f} USD",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if not book.positions:
        console.print("It holds no perpetual position: there is nothing to protect.", highlight=False)
    else:
        console.print(_held(book.positions))
        console.print(_funding(book.positions))
        console.print(_verdict(book.positions), highlight=False)
    for market in book.foreign:
        console.print(
            f"[yellow]not protected:[/yellow] a position in market {market} (an expiry future, or a second market of "
            "the same coin)",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def _held(positions: Iterable[OwnPosition]) -> Table:
    table = Table(title="What you hold, USD", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("symbol")
    for name in HELD:
        table.add_column(name, justify="right")
    for p in positions:
        far = f"{p.liquidation_price:,.6g}\n{p.liquidation_distance:.0%} away"
        size = f"{p.notional_usd:+,.0f}\n{p.quantity.normalize():+,f} coins"
        table.add_row(
            p.symbol, size, f"{p.entry_price:,.6g}", f"{p.mark:,.6g}",
            _signed(float(p.unrealised_usd)), f"{p.margin_usd:,.2f}",
            f"[red]{far}[/red]" if p.liquidation_distance < CLOSE else far,
        )  # fmt: skip
    return table


def _funding(positions: tuple[OwnPosition, ...]) -> Table:
    table = Table(
        title="Funding you can expect, USD, + received − paid",
        title_justify="left",
        caption="as the rate of the coming settlement stands now, and as it was on average; neither is a forecast",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("symbol")
    for name in FUNDING:
        table.add_column(name, justify="right")
    for p in positions:
        e = p.expected
        when = f"{p.symbol}\nin {e.settles_in_s / 60:.0f} min,\n{e.decided:.0%} decided"
        band = sorted(x for x in (p.funding_usd(e.low), p.funding_usd(e.high)) if x is not None)
        table.add_row(
            when,
            "unknown" if e.mean is None else f"{e.mean * 24 * 365:+.1%}",
            f"{_signed(p.funding_usd(e.mean))}\n" + (" … ".join(f"{x:+,.2f}" for x in band) or "unknown"),
            _signed(p.funding_usd(e.mean, DAY_H), p.funding_usd(e.mean, MONTH_H)),
            _signed(p.funding_usd(e.recent, DAY_H), p.funding_usd(e.recent, MONTH_H)),
        )  # fmt: skip
    if len(positions) > 1:
        nows, means = [p.expected.mean for p in positions], [p.expected.recent for p in positions]
        cells = [
            _signed(_sum(positions, nows, 1.0)),
            _signed(_sum(positions, nows, DAY_H), _sum(positions, nows, MONTH_H)),
            _signed(_sum(positions, means, DAY_H), _sum(positions, means, MONTH_H)),
        ]  # fmt: skip
        table.add_row("all", "", *cells, style="bold")
    return table


def _sum(positions: Iterable[OwnPosition], rates: Iterable[float | None], hours: float) -> float | None:
    """Sum over all positions; unknown as soon as one is."""
    parts = [p.funding_usd(rate, hours) for p, rate in zip(positions, rates, strict=True)]
    return None if any(part is None for part in parts) else sum(part for part in parts if part is not None)


def _signed(*usd: float | None) -> str:
    """Write amounts below each other, in their colour."""
    told = ("unknown" if x is None else f"[{'green' if x >= 0 else 'red'}]{x:+,.2f}[/]" for x in usd)
    return "\n".join(told)


def _verdict(positions: tuple[OwnPosition, ...]) -> str:
    month = _sum(positions, [p.expected.recent for p in positions], MONTH_H)
    if month is None:
        month, basis = (
            _sum(positions, [p.expected.mean for p in positions], MONTH_H),
            "rates stay where they stand now",
        )
    else:
        basis = f"rates stay at their mean of {RECENT_DAYS} days"
    if month is None:
        return "The funding of this book cannot be told yet."
    does = "receives about" if month >= 0 else "pays about"
    return f"[bold]If {basis}, this book {does} {abs(month):,.2f} USD of funding a month.[/bold]"
