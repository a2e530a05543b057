"""What a decision tells beyond its row: the rates it rests on, every leg with why it is not larger, what moved the
forecast, and the funding that lies ahead. Compact JSON, numbers to six digits.
"""

import json
import math
from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hedged.domain.forecast import STAND_IN, Drivers, RateForecast
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Strategy
from hedged.strategy.outlook import outlook
from hedged.strategy.rules import TEXTS, Rule
from hedged.strategy.snapshot import Snapshot
from hedged.strategy.state import LegPlan, SymbolPlan

DIGITS = 6


@dataclass(frozen=True, slots=True)
class Details:
    """The details of a symbol's decision, put together when they are asked for: few of them are ever written.

    Without a plan they say what is known all the same.
    """

    symbol: str
    snapshot: Snapshot
    plan: SymbolPlan | None

    def story(self) -> Hashable:
        """Return what they say that is not a figure: while it stays, they need not be written again."""
        legs = tuple((leg.kind, leg.venue, str(leg.rule)) for leg in self.plan.legs) if self.plan else ()
        known = tuple(key.venue for key in self._known())
        return legs, known, tuple(self._unusable().items()), tuple(self._closed().items())

    def body(self) -> dict[str, Any]:
        """Return them as plain values, numbers to six digits."""
        snapshot = self.snapshot
        made_by = snapshot.forecasts.made_by
        body: dict[str, Any] = {
            "rates": {k.venue: _rate(snapshot.forecasts.marginals[k], made_by.get(k)) for k in self._known()},
            "unusable": self._unusable(),
            "closed": self._closed(),
            "legs": [_leg(leg) for leg in self.plan.legs] if self.plan else [],
            "spans": _spans(self.symbol, snapshot),
        }
        body = {name: value for name, value in body.items() if value}
        drivers = snapshot.forecasts.drivers.get(SeriesKey(INJECTIVE, self.symbol))
        if drivers is not None:
            body["drivers"] = _drivers(drivers)
        return body

    def text(self) -> str:
        """Return them as compact JSON."""
        return json.dumps(self.body(), separators=(",", ":"))

    def _keys(self) -> list[SeriesKey]:
        return sorted(key for key in self.snapshot.markets if key.symbol == self.symbol)

    def _known(self) -> list[SeriesKey]:
        return [key for key in self._keys() if key in self.snapshot.forecasts.marginals]

    def _unusable(self) -> dict[str, str]:
        return {k.venue: why for k in self._keys() if (why := _unusable(k, self.snapshot))}

    def _closed(self) -> dict[str, str]:
        return {k.venue: self.snapshot.closed[k] for k in self._keys() if k in self.snapshot.closed}


def rule_of(
    symbol: str,
    snapshot: Snapshot,
    plan: SymbolPlan | None,
    *,
    silent: bool,
    stopped: bool,
    refused: bool,
    failed: bool,
) -> Rule:
    """Name the rule that had the last word. `silent`: Injective does not say what is held."""
    here = SeriesKey(INJECTIVE, symbol)
    doubted = any(key.symbol == symbol for key in snapshot.quarantined)
    if plan is not None:
        if stopped:
            return Rule.STOP
        if refused:
            return Rule.GATE
        if failed:
            return Rule.ORDER_FAILED
        rule = Rule(plan.rule or Rule.PLAN)
        return Rule.QUARANTINE if rule is Rule.VENUE_CLOSED and doubted else rule
    if silent:
        return Rule.VENUE_SILENT
    if not snapshot.own.get(symbol):
        return Rule.RELEASED
    if here not in snapshot.markets:
        return Rule.NOT_FOLLOWED
    if here not in snapshot.marks:
        return Rule.QUARANTINE if here in snapshot.quarantined else Rule.NO_PRICE
    return Rule.RELEASED if here in snapshot.forecasts.keys else Rule.NO_FORECAST


def _rate(forecast: RateForecast, by: str | None) -> dict[str, Any]:
    low, high = float(forecast.quantiles[1]), float(forecast.quantiles[-2])
    told: dict[str, Any] = {
        "mean": _short(forecast.mean), "p10": _short(low), "p90": _short(high), "p_up": _short(forecast.p_up)
    }  # fmt: skip
    return told | ({"by": by} if by == STAND_IN else {})


def _unusable(key: SeriesKey, snapshot: Snapshot) -> str | None:
    """Say why nothing is planned at a venue."""
    if key not in snapshot.marks:
        return "in quarantine" if key in snapshot.quarantined else "no fresh price"
    if key not in snapshot.forecasts.marginals:
        return "no forecast yet"
    owner = snapshot.owners.get(key)
    if owner not in (None, Strategy.FUNDING_HEDGE) and snapshot.attributed.get(key):
        return f"held for {owner}"
    return None


def _leg(leg: LegPlan) -> dict[str, Any]:
    """Return a leg; sizes that are zero and reasons that the rule itself says are left out."""
    told: dict[str, Any] = {"kind": leg.kind, "venue": leg.venue, "rule": str(leg.rule)}
    sizes = {
        "now_usd": leg.now_usd, "kelly_usd": leg.full_kelly_usd, "target_usd": leg.target_usd,
        "saves_usd": leg.expected_saving_usd,
    }  # fmt: skip
    told |= {name: _short(usd) for name, usd in sizes.items() if usd}
    per_usd = {"saves_bp": leg.saving_per_usd, "later_bp": leg.later_per_usd, "costs_bp": leg.open_cost}
    told |= {name: _short(share * 1e4) for name, share in per_usd.items()}
    told["confidence"] = _short(leg.confidence)
    if math.isfinite(leg.break_even_h):
        told["break_even_h"] = _short(leg.break_even_h)
    return told | ({"why": leg.why} if leg.why != TEXTS.get(Rule(leg.rule)) else {})


def _drivers(drivers: Drivers) -> dict[str, Any]:
    told: dict[str, Any] = {"moved": {name: _short(part) for name, part in drivers.moved.items()}}
    if not math.isnan(drivers.last):
        told |= {"last": _short(drivers.last), "idle": _short(drivers.idle)}
    return told | ({"text": drivers.text} if drivers.text else {})


def _spans(symbol: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return by hours the funding of the own position and of all that is held, USD: mean, 10 %, 90 %."""
    here = SeriesKey(INJECTIVE, symbol)
    if here not in snapshot.marks or not snapshot.own.get(symbol):
        return {}
    mark = snapshot.marks[here]
    mine = {key: float(q * mark) for key, q in snapshot.attributed.items() if key.symbol == symbol and q}
    own = {symbol: float(snapshot.own.get(symbol, Decimal(0)) * mark)}
    told = {}
    for span in outlook(snapshot.forecasts, own, mine):
        if symbol in span.own:
            amounts = {"own": span.own[symbol]} | ({"held": span.held[symbol]} if mine else {})
            told[str(span.hours)] = {
                name: [_short(a.mean), _short(a.low), _short(a.high)] for name, a in amounts.items()
            }
    return told


def _short(x: float) -> float:
    """Round to what a person reads: a year of decisions is kept."""
    return float(f"{x:.{DIGITS}g}") + 0.0
