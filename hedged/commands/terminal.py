"""What a person at the terminal sees of a run: a progress bar with live counters, then a summary table."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from hedged.commands.figures_text import show_baselines
from hedged.cycle import CycleReport
from hedged.domain.clock import iso
from hedged.domain.funding import funding_payment
from hedged.domain.market import INJECTIVE

CAPTION = (
    "own: position at the start · unhedged, hedged: funding, + received, − paid · net: hedged − unhedged − fees − "
    "spread · price: gain of the hedge against the unhedged book, from price moves alone"
)
REDRAW_EVERY = 16  # cycles; drawing each one would cost more than computing it


@contextmanager
def progress(console: Console, cycles: int) -> Iterator[Callable[[CycleReport], None]]:
    """Show a bar over `cycles`; yields the callback for each finished cycle."""
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counters]}"),
        console=console,
        refresh_per_second=4,
    )
    with bar:
        task = bar.add_task("loading history", total=cycles, counters="")
        counters = _Counters()

        def on_cycle(report: CycleReport) -> None:
            counters.count(report)
            if counters.cycles % REDRAW_EVERY == 0 or counters.cycles == cycles:
                bar.update(
                    task,
                    description=iso(report.now_ms)[:10],
                    completed=counters.cycles,
                    counters=counters.line(),
                )

        yield on_cycle


class _Counters:
    def __init__(self) -> None:
        self.cycles = self.fills = 0
        self.hedged = self.unhedged = Decimal(0)

    def count(self, report: CycleReport) -> None:
        self.cycles += 1
        self.fills += len(report.fills)
        for payment in report.payments:
            self.hedged += payment.payment_usd
            if payment.settlement.key.venue == INJECTIVE:
                own = report.account.own.get(payment.settlement.key.symbol, Decimal(0))
                self.unhedged += funding_payment(own, payment.settlement).payment_usd

    def line(self) -> str:
        return f"funding {self.unhedged:+,.0f} → {self.hedged:+,.0f} USD, {self.fills} fills"


def show_summary(console: Console, summary: Mapping[str, Any], report: Path) -> None:
    """Print the tables, the verdict, what was assumed, and where the report lies."""
    title = f"{summary['from'][:10]} to {summary['to'][:10]}, USD"
    table = Table(title=title, caption=CAPTION, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("symbol")
    for name in ("own", "unhedged", "hedged", "fees", "spread", "net", "price", "fills"):
        table.add_column(name, justify="right")
    rows = [*summary["per_symbol"].items(), ("all", _totals(summary))]
    for symbol, row in rows:
        table.add_row(
            symbol,
            *(
                f"{row[name]:+,.0f}" if name != "fills" else f"{row[name]}"
                for name in (
                    "position_usd", "unhedged_funding_usd", "hedged_funding_usd", "fees_usd", "spread_usd",
                    "net_saving_usd", "price_pnl_vs_unhedged_usd", "fills",
                )
            ),
            style="bold" if symbol == "all" else "",
        )  # fmt: skip
    console.print(table)
    for symbol, row in summary["per_symbol"].items():
        console.print(f"[bold]{symbol}[/bold] {row['why']}", highlight=False)
    show_baselines(console, summary)
    console.print(f"\n[bold]{summary['pays']}\n\n{summary['worth']}[/bold]\n", highlight=False)
    _show_assumptions(console, summary)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)


def _totals(summary: Mapping[str, Any]) -> dict[str, Any]:
    rows = summary["per_symbol"].values()
    return {
        **summary,
        "position_usd": sum(r["position_usd"] for r in rows),
        "fills": sum(r["fills"] for r in rows),
    }


def _show_assumptions(console: Console, summary: Mapping[str, Any]) -> None:
    if summary["proxy"]:
        console.print(
            f"Injective's funding is stood in for: {summary['proxy']}, rule {summary['proxy_rule']}.",
            highlight=False,
        )
    costs = Table(title="costs: assumed, not recorded", title_justify="left", box=None, pad_edge=False)
    for name in ("at", "maker bp", "taker bp", "half-spread bp", "depth within 50 bp, USD"):
        costs.add_column(name, justify="left" if name == "at" else "right")
    for where, cost in summary["assumptions"]["costs (assumed)"].items():
        costs.add_row(where, *(f"{value:,.10g}" for value in cost.values()))
    console.print(costs)
    for what, sources in summary["price_sources"].items():
        if sources:
            counted = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in sources.items())
            console.print(f"prices of {what} from: {counted}", highlight=False)
    gaps = summary["data_gaps"]
    if gaps:
        text = f"{len(gaps)} gaps in the data, listed in summary.json; the first: {_gap(gaps[0])}"
        console.print(text, highlight=False)


def _gap(gap: Mapping[str, str]) -> str:
    return f"{gap['table']} of {gap['venue']}:{gap['symbol']} from {gap['from']} to {gap['to']} ({gap['detail']})"
