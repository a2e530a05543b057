"""Why each leg is as large as it is, and which rule had the last word: what a decision tells about its alternatives."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE, Leg, may_grow
from hedged.strategy.kelly import KellySolution
from hedged.strategy.programme import HEADROOM, Z_95, frozen_legs, frozen_opposite
from hedged.strategy.rules import TEXTS, Rule
from hedged.strategy.state import LegPlan, PlannerSettings, PlannerState, SymbolState

NEAR = 1e-3
"""Share of a limit by which a solver may miss it."""
FULL = (1 - HEADROOM) * (1 - NEAR)
"""Share of a limit that drifts with prices from which on it is used up."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Limits of the whole book that full Kelly has used up: the equity at risk, the margin of venues."""

    at_risk: bool
    margin: frozenset[str]

    @classmethod
    def of(cls, state: PlannerState, solution: KellySolution) -> "Shared":
        """Find them once for all markets."""
        at_risk, margin = 0.0, dict.fromkeys(state.collateral_usd, 0.0)
        for symbol, of, at in zip(state.symbols, solution.legs, solution.full_usd, strict=True):
            for leg, usd in zip(of, at, strict=True):
                if not usd:
                    continue
                if leg.kind != CUT:
                    margin[leg.venue] = margin.get(leg.venue, 0.0) + usd
                at_risk += usd * (symbol.sigma if leg.kind != RELOCATE else 0.0)
                at_risk += usd * (symbol.basis_sigma.get(leg.venue, 0.0) if leg.kind != CUT else 0.0)
        settings = state.settings
        room = {venue: settings.max_leverage * usd for venue, usd in state.collateral_usd.items()}
        return cls(
            Z_95 * at_risk >= FULL * settings.equity_at_risk * settings.equity_usd,
            frozenset(venue for venue, usd in margin.items() if usd and usd >= FULL * room.get(venue, 0.0)),
        )


def verdicts(
    state: PlannerState, i: int, solution: KellySolution, plans: Sequence[LegPlan], shared: Shared
) -> tuple[tuple[LegPlan, ...], Rule]:
    """Return the plans of market i with why each leg is no larger, and the rule that had the last word on it."""
    symbol, settings = state.symbols[i], state.settings
    bound = _bound(symbol, settings, solution.legs[i], solution.full_usd[i], shared)
    told = [
        _told(leg, plan, symbol, settings, bound, plans)
        for leg, plan in zip(solution.legs[i], plans, strict=True)
    ]
    return tuple(told), _rule(told, solution.solved)


def _told(
    leg: Leg, plan: LegPlan, symbol: SymbolState, settings: PlannerSettings, bound: frozenset[Rule],
    plans: Sequence[LegPlan],
) -> LegPlan:  # fmt: skip
    saving = leg.mean_saving
    break_even_h = leg.trade_cost / saving * settings.horizon_h if saving > 0 else math.inf
    rule = _rule_of(leg, plan, symbol, settings, bound, plans)
    # half the time of _replace, and a book has hundreds of legs
    return LegPlan._make((*plan[:-3], break_even_h, rule, _why(rule, leg, plan, symbol, settings)))


def _rule_of(
    leg: Leg, plan: LegPlan, symbol: SymbolState, settings: PlannerSettings, bound: frozenset[Rule],
    plans: Sequence[LegPlan],
) -> Rule:  # fmt: skip
    """Name what keeps a leg from being larger."""
    wanted = plan.full_kelly_usd > plan.now_usd
    if plan.now_usd > 0 and not wanted:
        return Rule.PLAN  # held: it stays or shrinks by what that is worth
    if leg.mean_value <= 0:
        return Rule.NO_SAVING
    if not wanted and leg.mean_value <= leg.trade_cost:
        return Rule.COST
    if not may_grow(leg, symbol):
        return Rule.VENUE_CLOSED
    if leg.kind != OPPOSITE and not settings.allow_own_cut:
        return Rule.OWN_CUT_OFF
    limits = [rule for rule in _limits_of(leg) if rule in bound]
    if not wanted and plan.target_usd <= 0:
        if any(p is not plan and p.full_kelly_usd > 0 for p in plans):
            return Rule.BETTER_LEG
        return limits[0] if limits else Rule.RISK
    if wanted and plan.confidence < settings.knots[0][0]:
        return Rule.CONFIDENCE
    if wanted and plan.target_usd <= plan.now_usd:
        return Rule.SIGNAL if symbol.increase_factor == 0 else Rule.MIN_CHANGE
    return limits[0] if limits else Rule.PLAN


def _why(rule: Rule, leg: Leg, plan: LegPlan, symbol: SymbolState, settings: PlannerSettings) -> str:
    """Say the rule with its figures."""
    if rule is Rule.VENUE_CLOSED:
        on = {leg.venue} if leg.kind == OPPOSITE else {INJECTIVE, leg.venue}
        return "; ".join(symbol.closed[venue] for venue in sorted(on & set(symbol.closed)))
    if rule is Rule.CONFIDENCE:
        return f"confidence {plan.confidence:.2f}, below {settings.knots[0][0]:.2f}"
    if plan.target_usd > plan.now_usd:
        share = f"{plan.target_usd / plan.full_kelly_usd:.0%} of full Kelly, at a confidence of {plan.confidence:.2f}"
        return share if rule is Rule.PLAN else f"{share}; full Kelly ends where {TEXTS[rule]}"
    if rule is Rule.PLAN:
        return (
            "changing it costs more than it brings"
            if plan.target_usd == plan.now_usd
            else "less is worth more"
        )
    return TEXTS[rule]


def _limits_of(leg: Leg) -> tuple[Rule, ...]:
    """Return the limits that a leg counts against."""
    limits = [Rule.CAP]
    if leg.kind != RELOCATE:
        limits.append(Rule.DELTA_BAND)
    if leg.kind != CUT:
        limits.append(Rule.MARGIN)
    return (*limits, Rule.EQUITY_AT_RISK)


def _bound(
    symbol: SymbolState,
    settings: PlannerSettings,
    legs: Sequence[Leg],
    sizes: Sequence[float],
    shared: Shared,
) -> frozenset[Rule]:
    """Return the limits that full Kelly has used up in a market."""
    if not any(sizes) and settings.cap and settings.delta_band:
        return frozenset()  # a limit of nothing is used up by nothing
    mine = list(zip(legs, sizes, strict=True))
    taken = sum(frozen_legs(symbol).values()) + symbol.taken_usd
    exposed = (
        sum(usd for leg, usd in mine if leg.kind != RELOCATE) + frozen_opposite(symbol) + symbol.taken_usd
    )
    used_up = {
        Rule.CAP: sum(sizes) + taken >= settings.cap * symbol.own_usd * (1 - NEAR),
        Rule.DELTA_BAND: exposed >= settings.delta_band * symbol.own_usd * (1 - NEAR),
        Rule.EQUITY_AT_RISK: shared.at_risk,
        Rule.MARGIN: any(usd and leg.kind != CUT and leg.venue in shared.margin for leg, usd in mine),
    }
    return frozenset(rule for rule, spent in used_up.items() if spent)


def _rule(told: Sequence[LegPlan], solved: bool) -> Rule:
    """Name what had the last word on a market: on its largest leg, else on the one that would bring most."""
    if not solved:
        return Rule.UNSOLVED
    if any(p.target_usd or p.now_usd for p in told):
        main = max(told, key=lambda p: max(p.target_usd, p.now_usd))
    else:
        main = max(told, key=lambda p: p.saving_per_usd + p.later_per_usd - p.open_cost)
    return Rule(main.rule)
