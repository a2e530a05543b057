"""What happened in a cycle that is worth telling by itself: hedges opened and closed, cycles that fell out. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from hedged.alerts.wording import coins, line
from hedged.cycle import CycleReport
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.risk.exposure import gross

CHANGED = Decimal("0.25")
"""A hedge that changed by less than this share of itself is no news."""


def events(report: CycleReport, before: CycleReport | None, interval_s: int) -> list[Alert]:
    """Return what is new in a report. `before`: the one before it, None at a start."""
    return [*_missed(report, before, interval_s), *_hedges(report)]


def _missed(report: CycleReport, before: CycleReport | None, interval_s: int) -> Iterator[Alert]:
    if before is None:
        return
    count = (report.now_ms - before.now_ms) // (interval_s * SECOND_MS) - 1
    if count > 0:
        cycles = "1 decision was" if count == 1 else f"{count} decisions were"
        text = f"{cycles} missed: a cycle ran long or yielded to a kill, or the machine slept. The latest is made."
        yield Alert(Kind.CYCLES, Severity.WARNING, "missed", text, report.now_ms)


def _hedges(report: CycleReport) -> Iterator[Alert]:
    """Tell of every hedge that trading changed by much, the earlier state being what is held now less what changed."""
    held = report.account.attributed
    moved: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    for fill in report.fills:
        moved[fill.execution.key] += fill.execution.signed_quantity
    for taken in report.account.taken:
        moved[taken.execution.key] += taken.quantity
    then = {key: held.get(key, Decimal(0)) - moved[key] for key in {*held, *moved}}
    for symbol in sorted({key.symbol for key, quantity in moved.items() if quantity}):
        was, now = gross(symbol, then), gross(symbol, held)
        if abs(now - was) <= CHANGED * max(was, now):
            continue
        grew = now > was
        verb = ("grown" if was else "opened") if grew else ("cut back" if now else "closed")
        text = (
            f"Hedge of {symbol} {verb}: {_legs(symbol, report, moved)}. {_why(report.decisions.get(symbol))}"
        )
        yield Alert(Kind.OPENED if grew else Kind.CLOSED, Severity.INFO, symbol, line(text), report.now_ms)


def _legs(symbol: str, report: CycleReport, moved: Mapping[SeriesKey, Decimal]) -> str:
    """Say what was traded at each venue, with its value where the price is known."""
    legs = []
    for key, quantity in sorted(moved.items()):
        if key.symbol != symbol or not quantity:
            continue
        verb = "bought" if quantity > 0 else "sold"
        of = "of your own position on Injective" if key.venue == INJECTIVE else f"on {key.venue}"
        mark = report.marks.get(key)
        usd = "" if mark is None else f" ({abs(quantity) * mark:,.0f} USD)"
        legs.append(f"{verb} {coins(abs(quantity))} {symbol}{usd} {of}")
    return ", ".join(legs)


def _why(decision: Mapping[str, Any] | None) -> str:
    """Say what it is expected to save, and the reason of the decision."""
    if decision is None:
        return ""
    saving, hours = decision.get("expected_saving_usd"), decision.get("horizon_h")
    reason = str(decision["reason"])
    said = not saving or not hours or f"{saving:,.2f} USD" in reason
    return ("" if said else f"Expected to save {saving:,.2f} USD over {hours:g} h. ") + f"Why: {reason}"
