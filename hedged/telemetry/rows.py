"""Rows of the status page, formatted."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hedged.cycle import CycleReport
from hedged.domain.clock import iso
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.quarantine import Quarantine
from hedged.strategy.outlook import SpanOutlook, outlook


def ahead_row(span: SpanOutlook) -> dict[str, str]:
    """Format the book's funding over a span for the status page."""
    row = {"within": f"{span.hours} h" if span.hours < 48 else f"{span.hours // 24} days"}
    for name, amount in (("unhedged", span.own_book), ("as hedged now", span.held_book)):
        row[name] = f"{amount.mean:+,.2f} USD\n80 %: {amount.low:+,.2f} … {amount.high:+,.2f}"
    left_out = f"; without {', '.join(span.unknown)}, not forecast" if span.unknown else ""
    return row | {"rests on": span.rests_on + left_out}


def ahead(report: CycleReport) -> list[SpanOutlook]:
    """Return the book's funding over the coming hour, eight hours and week, as after a cycle; empty where unknown."""
    here = {key.symbol: float(mark) for key, mark in report.marks.items() if key.venue == INJECTIVE}
    own = {
        symbol: float(q) * here[symbol] for symbol, q in report.account.own.items() if q and symbol in here
    }
    mine = {
        k: float(q) * here[k.symbol] for k, q in report.account.attributed.items() if q and k.symbol in here
    }
    return [span for span in outlook(report.forecasts, own, mine) if span.own]


def ahead_rows(report: CycleReport) -> list[dict[str, str]]:
    """Return the same as rows of the status page."""
    return [ahead_row(span) for span in ahead(report)]


def quarantine_row(key: SeriesKey, held: Quarantine) -> dict[str, str]:
    """Format a series in quarantine for the status page."""
    return {
        "venue": key.venue, "symbol": key.symbol, "fault": held.fault, "since": iso(held.since_ms),
        "why": held.figures,
    }  # fmt: skip


def status_row(symbol: str, body: Mapping[str, Any]) -> dict[str, str]:
    """Format one decision for the status page."""
    own = body["own_quantity"]
    hedge = body["current"].strip("{}").replace('"', "").replace(", ", "\n") or "none"
    if "expected_funding_usd" not in body:
        return {
            "symbol": symbol, "own": "unknown" if own is None else f"{own:+,.6g} coins", "funding": "unknown",
            "band": "unknown", "hedge": hedge, "decision": body["action"], "why": body["reason"],
        }  # fmt: skip
    own_usd = Decimal(str(own)) * Decimal(str(body["price"]))
    return {
        "symbol": symbol,
        "own": f"{own_usd:+,.0f} USD\n{own:+,.6g} coins",
        "funding": f"{body['expected_funding_usd']:+,.2f} USD\nwithin {body['horizon_h']:g} h",
        "band": f"{body['funding_p10_usd']:+,.2f} … {body['funding_p90_usd']:+,.2f}",
        "hedge": hedge,
        "decision": body["action"],
        "why": body["reason"],
    }
