"""What `hedged status` prints: the daemon's own document, or what it left, for a terminal."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from hedged.commands.shared import console
from hedged.control.state import Left, State, Verdict, last_seen
from hedged.domain.clock import SECOND_MS, iso
from hedged.status.document import Amount, BookRow, Status

COLOURS = {
    State.HEALTHY: "green",
    State.DEGRADED: "yellow",
    State.HALTED: "bold red",
    State.STOPPED: "bold red",
    State.HANGING: "bold red",
}
UNKNOWN = "?"


def show_status(told: Status, verdict: Verdict) -> None:
    """Print the daemon's document on one screen."""
    about, now_ms = told.about, told.about.now_ms
    _headline(verdict, f"{about.mode}, {about.account}; {about.version}, config {about.config_hash}")
    if about.paper_days is not None:
        _line(f"{about.paper_days} of {about.paper_days_goal} paper days")
    _line(
        f"last cycle {_ago(told.cycle.last_ms, now_ms)}, next in {_until(told.cycle.next_ms, now_ms)}; "
        f"{told.cycle.missed} missed"
    )
    if told.saved is not None and told.saved.net_usd is not None:
        _line(f"saved so far {_usd(told.saved.net_usd)}")
    _print(_book(told.book), bool(told.book))
    _print(_collateral(told), bool(told.collateral))
    for row in told.venues:
        age = UNKNOWN if row.oldest_s is None else f"{row.oldest_s:.0f} s"
        _line(
            f"{row.venue}: data {age} old{', stale' if row.stale else ''}{''.join(f'; {note}' for note in row.notes)}"
        )
    for alert in told.alerts:
        _line(
            f"{alert.severity}: {alert.subject}: {alert.text}",
            "red" if alert.severity == "critical" else "yellow",
        )


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
    table = Table(
        "",
        "own",
        "hedged with",
        "expected unhedged",
        "hedged",
        "why",
        title=_horizon(rows),
        title_justify="left",
    )
    for row in rows:
        own = UNKNOWN if row.own_quantity is None else f"{row.own_quantity:+g} ({_usd(row.own_usd, 0)})"
        legs = "\n".join(f"{leg.venue} {leg.quantity:+g}" for leg in row.hedge)
        why = f"{row.action or UNKNOWN}: {row.reason or UNKNOWN}"
        table.add_row(*map(Text, (row.symbol, own, legs or "-", _amount(row.own), _amount(row.hedged), why)))
    return table


def _horizon(rows: Iterable[BookRow]) -> str:
    spans = sorted({row.horizon_h for row in rows})
    return f"Funding of the coming {' / '.join(f'{span:g}' for span in spans)} h, USD, + received"


def _collateral(told: Status) -> Table:
    table = Table("collateral", "equity", "free", "move to margin call")
    for row in told.collateral:
        move = (
            "-"
            if not row.held
            else UNKNOWN
            if row.margin_call_move is None
            else f"{row.margin_call_move:.1%}"
        )
        if row.unknown:
            move = row.unknown
        near = f" ({row.nearest})" if row.nearest and row.held else ""
        table.add_row(*map(Text, (row.venue, _usd(row.equity_usd), _usd(row.free_usd), move + near)))
    return table


def _amount(amount: Amount | None) -> str:
    if amount is None:
        return UNKNOWN
    return f"{amount.mean_usd:+,.2f}\n{amount.low_usd:+,.2f} … {amount.high_usd:+,.2f}"


def _usd(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{value:+,.{digits}f} USD"


def _ago(ts_ms: int | None, now_ms: int) -> str:
    return "none yet" if ts_ms is None else f"{iso(ts_ms)}, {max(0, now_ms - ts_ms) // SECOND_MS} s ago"


def _until(ts_ms: int | None, now_ms: int) -> str:
    return UNKNOWN if ts_ms is None else f"{max(0, ts_ms - now_ms) // SECOND_MS} s"


def _print(table: Table, wanted: bool) -> None:
    if wanted:
        console.print(table)


def _line(text: str, style: str = "") -> None:
    console.print(Text(text, style), soft_wrap=True)
