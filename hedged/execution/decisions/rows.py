"""The record of a decision: what was known, wanted, refused and done for one symbol in one cycle, and why."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Strategy
from hedged.execution.accounts import AccountState
from hedged.execution.decisions.details import Details, rule_of
from hedged.risk.exposure import gross
from hedged.risk.gate import Refused, Review, Shrunk
from hedged.strategy.portfolio import FUNDING_OFF, Note
from hedged.strategy.rules import Rule
from hedged.strategy.snapshot import Snapshot
from hedged.strategy.state import SymbolPlan


def decision_rows(
    snapshot: Snapshot,
    plans: Sequence[SymbolPlan],
    unplanned: Mapping[str, str],
    stopped: Mapping[str, str],
    review: Review,
    before: AccountState,
    after: AccountState,
    failed: Mapping[str, str],
    notes: Mapping[Strategy, Mapping[str, Note]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return one row per symbol, plain but for its `detail` (`Details`). `failed`: by symbol what went wrong with its
    orders.

    `notes`: what the strategies beside the funding hedge say. On a protected symbol they join its row, as `strategies`
    and in the reason; a symbol that only they trade has a row of their own. `strategy` names whose row it is.
    """
    rows: dict[str, dict[str, Any]] = {}
    for plan in plans:
        rows[plan.symbol] = _row(plan, snapshot, stopped, review, before, after, failed.get(plan.symbol))
    for symbol, why in unplanned.items():
        traded = gross(symbol, before.attributed) != gross(symbol, after.attributed)
        action = _action(symbol, before, after, refused=False, stopped=False) if traded else "frozen"
        silent = INJECTIVE in before.unknown
        rule = rule_of(
            symbol, snapshot, None, silent=silent, stopped=False, refused=False, failed=symbol in failed
        )
        if why == FUNDING_OFF:
            rule = Rule.SWITCHED_OFF
        rows[symbol] = _common(symbol, snapshot, before, after) | {
            "action": action, "reason": why, "rule": str(rule), "detail": Details(symbol, snapshot, None),
        }  # fmt: skip
    for row in rows.values():
        row["strategy"] = Strategy.FUNDING_HEDGE
    for strategy, by_symbol in (notes or {}).items():
        for symbol, note in by_symbol.items():
            told = _told(strategy, symbol, note, review, before, after)
            if symbol not in rows:
                rows[symbol] = _common(symbol, snapshot, before, after) | _alone(
                    strategy, symbol, told, failed.get(symbol), snapshot
                )
            else:
                rows[symbol]["reason"] += f"; {strategy}: {told['reason']}"
            rows[symbol].setdefault("strategies", {})[strategy] = told
    return rows


def _told(
    strategy: Strategy,
    symbol: str,
    note: Note,
    review: Review,
    before: AccountState,
    after: AccountState,
) -> dict[str, Any]:
    """Tell what a strategy beside the funding hedge decided on a symbol, and what came of it, by its own part."""
    judged: list[Refused | Shrunk] = [*review.refused, *review.shrunk]
    mine = [
        one for one in judged if one.intent.key.symbol == symbol and one.intent.purpose.strategy is strategy
    ]
    reason = note.reason + "".join(f"; the gate: {one.intent.key.venue} {one.text}" for one in mine)
    refused = [one for one in mine if isinstance(one, Refused)]
    was, now = (replace(one, attributed=_part(one, strategy)) for one in (before, after))
    action = _action(symbol, was, now, refused=bool(refused), stopped=False)
    return {"action": action, "reason": reason, **note.figures}


def _alone(
    strategy: Strategy, symbol: str, told: Mapping[str, Any], failed: str | None, snapshot: Snapshot
) -> dict[str, Any]:
    """Return what makes a row of a symbol that the funding hedge does not look at."""
    rule = Rule.GATE if told["action"] == "refused" else Rule.ORDER_FAILED if failed else Rule.STRATEGY
    return {
        "strategy": strategy,
        "action": told["action"],
        "reason": f"{told['reason']}; {failed}" if failed else told["reason"],
        "rule": str(rule),
        "detail": Details(symbol, snapshot, None),
    }


def _part(account: AccountState, strategy: Strategy) -> dict[SeriesKey, Decimal]:
    return {k: q for k, q in account.attributed.items() if account.owners.get(k) is strategy}


def _row(
    plan: SymbolPlan,
    snapshot: Snapshot,
    stopped: Mapping[str, str],
    review: Review,
    before: AccountState,
    after: AccountState,
    failed: str | None,
) -> dict[str, Any]:
    refused = [r.text for r in review.refused if r.intent.key.symbol == plan.symbol]
    reason = stopped.get(plan.symbol, plan.reason)
    reason += forecasters(plan.symbol, snapshot.forecasts, snapshot.markets)
    if refused:
        reason += f"; the gate refused: {', '.join(sorted(set(refused)))}"
    for one in review.shrunk:
        if one.intent.key.symbol == plan.symbol:
            reason += f"; the gate: {one.intent.key.venue} {one.text}"
    if failed:
        reason += f"; {failed}"
    rule = rule_of(
        plan.symbol, snapshot, plan, silent=False, stopped=plan.symbol in stopped, refused=bool(refused),
        failed=bool(failed),
    )  # fmt: skip
    forecast = snapshot.forecasts.marginals[SeriesKey(INJECTIVE, plan.symbol)]
    mean, low, high = plan.funding_usd
    mark = snapshot.marks[SeriesKey(INJECTIVE, plan.symbol)]
    target: dict[str, float] = {}  # a stopped hedge is to be flat, whatever the plan was
    if plan.symbol not in stopped:
        target = {INJECTIVE: _coins(-plan.cut_usd * _side(before, plan.symbol), mark)}
        target |= {v: _coins(usd, mark) for v, usd in sorted(plan.legs_usd.items())}
    return _common(plan.symbol, snapshot, before, after) | {
        "action": _action(plan.symbol, before, after, bool(refused), plan.symbol in stopped),
        "reason": reason,
        "price": float(mark),
        "expected_funding_usd": mean,
        "funding_p10_usd": low,
        "funding_p90_usd": high,
        "rate_mean_per_hour": forecast.mean,
        "rate_p10_per_hour": float(forecast.quantiles[1]),
        "rate_p90_per_hour": float(forecast.quantiles[-2]),
        "direction_confidence": forecast.direction_confidence,
        "expected_saving_usd": plan.expected_saving_usd,
        "cost_usd": plan.cost_usd,
        "break_even_h": plan.break_even_h if math.isfinite(plan.break_even_h) else None,
        "hedge_confidence": plan.confidence,
        "target": json.dumps(target),
        "rule": str(rule),
        "detail": Details(plan.symbol, snapshot, plan),
    }


def forecasters(symbol: str, forecasts: ForecastSet, markets: Iterable[SeriesKey]) -> str:
    """Say at which venues a symbol's rate was not forecast, or by the stand-in; nothing where all is as asked for."""
    keys = sorted(key for key in markets if key.symbol == symbol)
    unknown = [key.venue for key in keys if key not in forecasts.keys]
    short = [key.venue for key in keys if forecasts.made_by.get(key) == STAND_IN]
    # beside a model it has the model's hash, in its place its own
    beside = "+" in forecasts.model_hash or set(forecasts.made_by.values()) - {STAND_IN}
    why = "as history is short" if beside else "which stands in for the model"
    text = f"; forecast by {STAND_IN}, {why}: {', '.join(short)}" if short else ""
    return text + (f"; no forecast yet: {', '.join(unknown)}" if unknown else "")


def _common(symbol: str, snapshot: Snapshot, before: AccountState, after: AccountState) -> dict[str, Any]:
    current = {
        k.venue: float(q) for k, q in sorted(after.attributed.items()) if k.symbol == symbol and q != 0
    }
    return {
        # what Injective does not say is unknown, not zero
        "own_quantity": None if INJECTIVE in before.unknown else float(snapshot.own.get(symbol, Decimal(0))),
        "current": json.dumps(current),
        "horizon_h": snapshot.forecasts.horizon_h,
        "model_hash": snapshot.hashes.model,
        "feature_hash": snapshot.hashes.features,
        "config_hash": snapshot.hashes.config,
    }


def _action(symbol: str, before: AccountState, after: AccountState, refused: bool, stopped: bool) -> str:
    was, now = gross(symbol, before.attributed), gross(symbol, after.attributed)
    if now == was:
        if refused:
            return "refused"
        return "hold" if was else "none"
    if stopped:
        return "stop"
    if not was:
        return "open"
    if not now:
        return "close"
    return "increase" if now > was else "decrease"


def _side(account: AccountState, symbol: str) -> int:
    return 1 if account.own.get(symbol, Decimal(0)) >= 0 else -1


def _coins(usd: float, mark: Decimal) -> float:
    return usd / float(mark) + 0.0  # no negative zero
