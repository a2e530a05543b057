"""The decisions with what they rest on: as `hedged explain` tells them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hedged.cycle import CycleReport
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.execution.decisions.details import Details
from hedged.status.document import (
    Amount,
    Decision,
    Driver,
    Explanation,
    HedgeLeg,
    LegTold,
    RateTold,
    SpanTold,
)
from hedged.status.figures import known
from hedged.strategy.rules import TEXTS, Rule

QUIET = ("none", "hold")
"""Actions by which nothing changes."""
FROZEN = "frozen"
Row = tuple[int, str, str, str]
"""A decision as the journal keeps it: ms, symbol, action, reason."""


def decisions(report: CycleReport) -> tuple[Decision, ...]:
    """Return the decisions of a cycle, each with its explanation."""
    return tuple(
        Decision(
            symbol=symbol,
            ts_ms=report.now_ms,
            action=str(body["action"]),
            reason=body["reason"],
            strategies={
                str(name): f"{told['action']}: {told['reason']}"
                for name, told in body.get("strategies", {}).items()
            },
            explanation=explanation(symbol, body, report),
        )
        for symbol, body in sorted(report.decisions.items())
    )


def changes(rows: Iterable[Row], actions: dict[str, str]) -> list[Decision]:
    """Return those of some decisions, oldest first, that traded, were refused, or began or ended a freeze.

    `actions`: by symbol the latest action before them; it is brought up to date.
    """
    found = []
    for ts_ms, symbol, action, reason in rows:
        before = actions.get(symbol, QUIET[0])
        turned = before != action and FROZEN in (before, action)
        if turned or action not in (*QUIET, FROZEN):
            found.append(
                Decision(
                    symbol=symbol, ts_ms=ts_ms, action=action, reason=reason, strategies={}, explanation=None
                )
            )
        actions[symbol] = action
    return found


def explanation(symbol: str, body: Mapping[str, Any], report: CycleReport) -> Explanation | None:
    """Return what a decision rests on; None where it has no details."""
    details = body.get("detail")
    if not isinstance(details, Details):
        return None
    told = details.body()
    rule = body.get("rule")
    drivers = told.get("drivers", {})
    return Explanation(
        rule=rule,
        rule_text=TEXTS.get(Rule(rule), rule) if rule else None,
        wanted=_wanted(symbol, body, report),
        spans=_spans(told.get("spans", {}), body),
        rates=_rates(told),
        legs=tuple(sorted((_leg(leg) for leg in told.get("legs", [])), key=_order)),
        closed=told.get("closed", {}),
        last_rate=drivers.get("last"),
        drivers=_drivers(drivers),
        drivers_text=drivers.get("text"),
    )


def _wanted(symbol: str, body: Mapping[str, Any], report: CycleReport) -> tuple[HedgeLeg, ...]:
    mark = report.marks.get(SeriesKey(INJECTIVE, symbol))
    return tuple(
        HedgeLeg(
            venue=venue,
            quantity=quantity,
            usd=None if mark is None else known(quantity * float(mark)),
            strategy=str(body["strategy"]) if "strategy" in body else None,
        )
        for venue, quantity in json.loads(body.get("target") or "{}").items()
        if quantity
    )


def _spans(spans: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[SpanTold, ...]:
    found = {float(hours): span for hours, span in spans.items()}
    if "expected_funding_usd" in body:
        amounts = [body[name] for name in ("expected_funding_usd", "funding_p10_usd", "funding_p90_usd")]
        found.setdefault(body["horizon_h"], {"own": amounts})
    return tuple(
        SpanTold(
            hours=hours, own=_amount(span["own"]), hedged=_amount(span["held"]) if "held" in span else None
        )
        for hours, span in sorted(found.items())
    )


def _amount(told: list[float]) -> Amount:
    mean, low, high = told
    return Amount(mean_usd=mean, low_usd=low, high_usd=high)


def _rates(told: Mapping[str, Any]) -> tuple[RateTold, ...]:
    rates, unusable = told.get("rates", {}), told.get("unusable", {})
    rows = []
    for venue in sorted({*rates, *unusable}, key=lambda name: (name != INJECTIVE, name)):
        rate = rates.get(venue, {})
        by = f"by {rate['by']}: its history is short" if "by" in rate else ""
        note = "; ".join(filter(None, (by, unusable.get(venue, ""))))
        figures = {name: rate.get(name) for name in ("mean", "p10", "p90", "p_up")}
        rows.append(RateTold(venue=venue, note=note or None, **figures))
    return tuple(rows)


def _leg(leg: Mapping[str, Any]) -> LegTold:
    return LegTold(
        kind=leg["kind"],
        venue=leg["venue"],
        rule=leg["rule"],
        why=leg.get("why") or TEXTS.get(Rule(leg["rule"]), ""),
        now_usd=leg.get("now_usd", 0.0),
        target_usd=leg.get("target_usd", 0.0),
        saves_bp=leg["saves_bp"],
        later_bp=leg["later_bp"],
        costs_bp=leg["costs_bp"],
        break_even_h=leg.get("break_even_h"),
        confidence=leg["confidence"],
    )


def _order(leg: LegTold) -> tuple[bool, float]:
    """Put what is held or wanted first, then what would bring most."""
    return not (leg.now_usd or leg.target_usd), leg.costs_bp - leg.saves_bp - leg.later_bp


def _drivers(told: Mapping[str, Any]) -> tuple[Driver, ...]:
    moved = dict(told.get("moved", {}))
    if "last" in told and "text" not in told:
        moved["had nothing happened"] = told["idle"]
    return tuple(
        Driver(name=name, moved=part) for name, part in sorted(moved.items(), key=lambda item: -abs(item[1]))
    )
