"""A decision as a person reads it at the terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hedged.domain.clock import HOURS_A_YEAR
from hedged.domain.market import INJECTIVE
from hedged.features.groups import GROUPS
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE
from hedged.strategy.rules import TEXTS, Rule

ACTIONS = {
    "none": "nothing", "hold": "hold the hedge as it is", "open": "open a hedge", "increase": "enlarge the hedge",
    "decrease": "reduce the hedge", "close": "close the hedge", "stop": "stop: close the hedge",
    "refused": "nothing: the risk gate refused", "frozen": "nothing: everything stays",
}  # fmt: skip
SPANS = {"1": "1 hour", "8": "8 hours", "168": "7 days"}
BAR = 16
"""Width of the longest bar of what drives a forecast."""


def show_decision(console: Console, row: Mapping[str, Any]) -> None:
    """Print one decision."""
    detail = row["detail"]
    console.rule(f"[bold]{row['symbol']}[/bold] at {_utc(row['ts'])}", align="left")
    _line(console, "decided", f"[bold]{ACTIONS.get(row['action'], row['action'])}[/bold]")
    _line(console, "because", escape(row["reason"]))
    if "rule" in row:
        _line(console, "rule", f"{TEXTS.get(Rule(row['rule']), row['rule'])} [dim]({row['rule']})[/dim]")
    _line(console, "you hold", _holding(row))
    _line(console, "hedge", _positions(row.get("current", {}), row))
    if "target" in row and _differs(row["target"], row.get("current", {})):
        _line(console, "wanted", _positions(row["target"], row))
    for trade in row["trades"]:
        _line(console, "traded", _trade(trade))
    if detail.get("spans") or "expected_funding_usd" in row:
        _heading(console, "Funding of your position, USD, + you receive, − you pay")
        console.print(_funding(row, detail))
    if detail.get("rates") or detail.get("unusable"):
        _heading(console, f"Rate forecast, mean of {row['horizon_h']:g} h, % a year, + longs pay")
        console.print(_rates(detail))
    for venue, why in detail.get("closed", {}).items():
        _line(console, "closed", f"{venue}: {escape(why)}")
    if detail.get("legs"):
        _heading(
            console,
            f"Every hedge there was; bp of its size: saves within {row['horizon_h']:g} h, is worth later, costs",
        )
        console.print(_legs(detail))
    if "drivers" in detail:
        _show_drivers(console, detail["drivers"])
    if not detail:
        console.print("  no details were written with this decision", style="dim")
    later = f"details as of {_utc(row['detail_ts'])} · " if row["detail_ts"] != row["ts"] else ""
    hashes = " · ".join(f"{name} {row.get(f'{name}_hash', '?')}" for name in ("model", "feature", "config"))
    console.print(f"  {later}{hashes}\n", style="dim", highlight=False, soft_wrap=True)


def _heading(console: Console, text: str) -> None:
    console.print(f"[bold]{text}[/bold]", highlight=False)


def _line(console: Console, what: str, text: str) -> None:
    """Print a labelled line, wrapped under itself."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=9, justify="right", style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row(what, text)
    console.print(grid, highlight=False)


def _utc(text: str) -> str:
    return text.replace("T", " ").removesuffix("Z").removesuffix(":00") + " UTC"


def _holding(row: Mapping[str, Any]) -> str:
    own = row.get("own_quantity")
    if own is None:
        return "unknown: Injective does not say"
    if not own:
        return "nothing on Injective"
    coins = f"{own:+,.6g} {row['symbol']} on Injective"
    worth = f", {own * row['price']:+,.0f} USD at {row['price']:,.6g}" if "price" in row else ""
    side, rate = ("long", "positive") if own > 0 else ("short", "negative")
    return f"{coins}{worth}: {side}, so you pay while the rate is {rate}"


def _held(coins: Mapping[str, float]) -> dict[str, float]:
    return {venue: quantity for venue, quantity in coins.items() if quantity}


def _differs(wanted: Mapping[str, float], held: Mapping[str, float]) -> bool:
    """Tell whether positions differ by more than what venues' steps round away."""
    return any(
        abs(wanted.get(v, 0.0) - held.get(v, 0.0))
        > 0.01 * max(abs(wanted.get(v, 0.0)), abs(held.get(v, 0.0)))
        for v in {*wanted, *held}
    )


def _positions(coins: Mapping[str, float], row: Mapping[str, Any]) -> str:
    """Say what the daemon holds, or wants to, in words."""
    price, own = row.get("price"), row.get("own_quantity") or 0.0
    told = []
    for venue, quantity in sorted(_held(coins).items()):
        usd = f" ({abs(quantity) * price:,.0f} USD)" if price else ""
        if venue == INJECTIVE:
            word = "cut from your position" if quantity * own <= 0 else "added to your position"
            told.append(f"{abs(quantity):,.6g}{usd} {word}")
        else:
            told.append(f"{'long' if quantity > 0 else 'short'} {abs(quantity):,.6g}{usd} at {venue}")
    return ", ".join(told) or "none"


def _trade(trade: Mapping[str, Any]) -> str:
    size, price, fee = (float(trade[name]) for name in ("quantity", "price", "fee_usd"))
    purpose = str(trade["purpose"]).replace("_", " ")
    return f"{trade['side']} {size:,.6g} at {trade['venue']} for {price:,.6g} each, fee {fee:,.2f} USD ({purpose})"


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left", no_wrap=bool(i))
    return table


def _funding(row: Mapping[str, Any], detail: Mapping[str, Any]) -> Table:
    """Return what funding is expected, with its band."""
    spans = detail.get("spans", {})
    hedged = any("held" in span for span in spans.values())
    heads = ("within", "expected", "80 % between") + (("with the hedge", "80 % between") if hedged else ())
    table = _table(*heads)
    lines = {float(hours): (name, spans[hours]) for hours, name in SPANS.items() if hours in spans}
    if "expected_funding_usd" in row:
        amounts = [row[name] for name in ("expected_funding_usd", "funding_p10_usd", "funding_p90_usd")]
        lines[row["horizon_h"]] = (f"{row['horizon_h']:g} hours (decides)", {"own": amounts})
    for _, (name, span) in sorted(lines.items()):
        cells = [cell for of in ("own", "held") if of in span for cell in _amount(*span[of])]
        table.add_row(name, *cells)
    return table


def _amount(mean: float, low: float, high: float) -> tuple[str, str]:
    return f"{mean:+,.2f}", f"{low:+,.2f} … {high:+,.2f}"


def _rates(detail: Mapping[str, Any]) -> Table:
    """Return the rates forecast by venue."""
    table = _table("venue", "expected", "80 % between", "it rises", "")
    for venue in sorted(
        {*detail.get("rates", {}), *detail.get("unusable", {})}, key=lambda v: (v != INJECTIVE, v)
    ):
        note = detail.get("unusable", {}).get(venue, "")
        rate = detail.get("rates", {}).get(venue)
        if rate is None:
            table.add_row(venue, "unknown", "", "", note)
            continue
        by = f"by {rate['by']}: its history is short" if "by" in rate else ""
        mean, low, high = (rate[name] * HOURS_A_YEAR * 100 for name in ("mean", "p10", "p90"))
        notes = "; ".join(filter(None, (by, note)))
        table.add_row(venue, f"{mean:+.2f}", f"{low:+.2f} … {high:+.2f}", f"{rate['p_up']:.0%}", notes)
    return table


def _legs(detail: Mapping[str, Any]) -> Table:
    """Return every hedge there was, the best first."""
    heads = (
        "hedge, and why it is no larger",
        "now",
        "wanted",
        "saves",
        "later",
        "costs",
        "pays\nafter",
        "sure",
    )
    table = _table(*heads)
    for leg in sorted(detail["legs"], key=_order):
        why = leg.get("why") or TEXTS.get(Rule(leg["rule"]), "")
        now, target = leg.get("now_usd", 0.0), leg.get("target_usd", 0.0)
        name = f"[bold]{leg_name(leg)}[/bold]" if now or target else leg_name(leg)
        table.add_row(
            f"{name}\n[dim]{escape(why)}[/dim]", f"{now:,.0f}", f"{target:,.0f}", f"{leg['saves_bp']:.1f}",
            f"{leg['later_bp']:.1f}", f"{leg['costs_bp']:.1f}", paid_off(leg.get("break_even_h")),
            f"{leg['confidence']:.0%}",
        )  # fmt: skip
    return table


def _order(leg: Mapping[str, Any]) -> tuple[bool, float]:
    """Put what is held or wanted first, then what would bring most."""
    return not (leg.get("now_usd") or leg.get("target_usd")), leg["costs_bp"] - leg["saves_bp"] - leg[
        "later_bp"
    ]


def paid_off(hours: float | None) -> str:
    """Say after what time a cost is earned; None: never."""
    if hours is None:
        return "never"
    return f"{hours:,.0f} h" if hours < 100 else f"{hours / 24:,.0f} d"


def leg_name(leg: Mapping[str, Any]) -> str:
    """Name a leg as a person would."""
    return {
        CUT: "cut on Injective",
        OPPOSITE: f"opposite at {leg['venue']}",
        RELOCATE: f"moved to {leg['venue']}",
    }[leg["kind"]]


def _show_drivers(console: Console, drivers: Mapping[str, Any]) -> None:
    """Print what moved the forecast, the largest first."""
    _heading(console, "What drives the forecast on Injective, % a year")
    if "text" in drivers:
        console.print(f"  It is {escape(drivers['text'])}.", highlight=False, soft_wrap=False)
    if "last" not in drivers:
        return
    year = HOURS_A_YEAR * 100
    parts = {name: part * year for name, part in drivers["moved"].items()}
    if "text" not in drivers:
        parts["had nothing happened"] = drivers["idle"] * year
    longest = max((abs(part) for part in parts.values()), default=0.0) or 1.0
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=28)
    table.add_column(justify="right")
    table.add_column()
    table.add_row("  the last settled rate", f"{drivers['last'] * year:+.2f}")
    for name, part in sorted(parts.items(), key=lambda item: -abs(item[1])):
        table.add_row(f"  {name}", f"{part:+.2f}", _bar(part / longest))
    table.add_row("  the forecast", f"[bold]{drivers['last'] * year + sum(parts.values()):+.2f}[/bold]")
    console.print(table, highlight=False)
    silent = [name for name in GROUPS if name not in drivers["moved"]]
    if "text" not in drivers and silent:
        console.print(f"  nothing known: {', '.join(silent)}", style="dim", highlight=False)
    console.print()


def _bar(share: float) -> str:
    colour = "red" if share > 0 else "green"
    return f"[{colour}]{'█' * round(abs(share) * BAR)}[/{colour}]"
