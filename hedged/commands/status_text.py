"""What `hedged status` prints: the daemon's own document, or what it left, for a terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from hedged.commands.shared import console
from hedged.control.state import Left, State, Verdict, last_seen
from hedged.domain.clock import SECOND_MS, iso
from hedged.status.document import Amount, BookRow, Status
from hedged.status.document_scores import Scores

COLOURS = {
    State.HEALTHY: "green",
    State.DEGRADED: "yellow",
    State.HALTED: "bold red",
    State.STOPPED: "bold red",
    State.HANGING: "bold red",
}
UNKNOWN = "?"


def show_status(told: Status, verdict: Verdict, *, at_home: bool = True) -> None:
    """Print the daemon's document on one screen. `at_home`: it runs on the configured state directory."""
    about, now_ms = told.about, told.about.now_ms
    _headline(verdict, f"{about.mode}, {about.account}; {about.version}, config {about.config_hash}")
    if not at_home:
        _line("it answers at the configured address, and does not run on this state directory", "yellow")
    if about.paper_days is not None:
        _line(f"{about.paper_days} of {about.paper_days_goal} paper days")
    _line(
        f"last cycle {_ago(told.cycle.last_ms, now_ms)}, next in {_until(told.cycle.next_ms, now_ms)}; "
        f"{told.cycle.missed} missed"
    )
    if told.saved is not None and told.saved.net_usd is not None:
        _line(f"saved so far {told.saved.net_usd:+,.2f} USD")
    _print(_book(told.book), bool(told.book))
    for row in told.book:
        _line(f"{row.symbol}: {row.action or UNKNOWN}: {row.reason or UNKNOWN}")
    _print(_collateral(told), bool(told.collateral))
    if told.scores is not None and (line := scored(told.scores)):
        _line(line)
    for venue in told.venues:
        age = UNKNOWN if venue.oldest_s is None else f"{venue.oldest_s:.0f} s"
        wrong = [*(["stale"] if venue.stale else []), *venue.notes]
        _line(
            f"{venue.venue}: data {age} old{''.join(f'; {one}' for one in wrong)}", "yellow" if wrong else ""
        )
    for alert in told.alerts:
        _line(
            f"{alert.severity}: {alert.subject}: {alert.text}",
            "red" if alert.severity == "critical" else "yellow",
        )


def scored(told: Scores) -> str:
    """Say in a line how the forecasts did; empty where nothing is judged."""
    loss = {row.venue: row.loss_ratio.value for row in told.rows if row.symbol is None}
    text = ", ".join(
        f"{venue} {UNKNOWN if ratio is None else f'{ratio:.2f}'}" for venue, ratio in loss.items()
    )
    return f"forecasts by {told.model}: loss beside the EWMA's, {told.days} days: {text}" if text else ""


def show_left(left: Left, verdict: Verdict) -> None:
    """Print what lease and journal tell."""
    _headline(verdict, "as lease and journal have it")
    _line(f"last decision {last_seen(left)}; orders whose outcome is not known: {left.unresolved}")
    held = ", ".join(f"{key} {quantity:+g}" for key, quantity in left.held.items())
    _line(f"held, as the journal has it: {held or 'nothing'}")


def _headline(verdict: Verdict, more: str) -> None:
    console.print(Text.assemble((verdict.state.text, COLOURS[verdict.state]), f" ({more})"), soft_wrap=True)
    for reason in verdict.reasons:
        _line(f"- {reason}", COLOURS[verdict.state])


def _book(rows: Sequence[BookRow]) -> Table:
    spans = " / ".join(f"{span:g}" for span in sorted({row.horizon_h for row in rows}))
    table = _table(
        f"Funding of the coming {spans} h, USD, + received", "own, coins", "hedged with", "unhedged", "hedged"
    )
    for row in rows:
        own = UNKNOWN if row.own_quantity is None else f"{row.own_quantity:+,.6g}\n{_money(row.own_usd)} USD"
        legs = "\n".join(f"{leg.venue} {leg.quantity:+,.6g}" for leg in row.hedge)
        table.add_row(*map(Text, (row.symbol, own, legs or "-", _amount(row.own), _amount(row.hedged))))
    return table


def _collateral(told: Status) -> Table:
    table = _table("Collateral, USD", "equity", "free", "price move to margin call")
    for row in told.collateral:
        move = (
            "-"
            if not row.held
            else UNKNOWN
            if row.margin_call_move is None
            else f"{row.margin_call_move:.1%}"
        )
        near = f" ({row.nearest})" if row.nearest and row.held else ""
        table.add_row(
            *map(Text, (row.venue, _money(row.equity_usd), _money(row.free_usd), row.unknown or move + near))
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _amount(amount: Amount | None) -> str:
    if amount is None:
        return UNKNOWN
    return f"{amount.mean_usd:+,.2f}\n{amount.low_usd:+,.2f} … {amount.high_usd:+,.2f}"


def _money(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def _ago(ts_ms: int | None, now_ms: int) -> str:
    return "none yet" if ts_ms is None else f"{iso(ts_ms)}, {max(0, now_ms - ts_ms) // SECOND_MS} s ago"


def _until(ts_ms: int | None, now_ms: int) -> str:
    return UNKNOWN if ts_ms is None else f"{max(0, ts_ms - now_ms) // SECOND_MS} s"


def _print(table: Table, wanted: bool) -> None:
    if wanted:
        console.print(table)


def _line(text: str, style: str = "") -> None:
    console.print(Text(text, style), soft_wrap=True)
