"""The plan: full-Kelly sizes (step 1), shrunk by each leg's confidence (step 2), said in plain words."""

from collections.abc import Sequence
from dataclasses import replace

from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import (
    CUT,
    OPPOSITE,
    RELOCATE,
    Leg,
    confidence,
    frozen_cut_usd,
    kelly_share,
    may_grow,
    own_funding_usd,
)
from hedged.strategy.kelly import KellySolution, frozen_legs, full_kelly
from hedged.strategy.state import LegPlan, PlannerSettings, PlannerState, SymbolPlan, SymbolState

NEGLIGIBLE = 1e-4  # of the own position: below this a solver's answer is zero


def plan(state: PlannerState) -> tuple[SymbolPlan, ...]:
    """Plan every market. Pure; the same state gives the same plan."""
    solution = full_kelly(state)
    return tuple(_plan_symbol(state, solution, i) for i in range(len(state.symbols)))


def _plan_symbol(state: PlannerState, solution: KellySolution, i: int) -> SymbolPlan:
    symbol, settings = state.symbols[i], state.settings
    legs, sizes = solution.legs[i], solution.sizes_usd[i]
    keep_small = not _over_a_limit(state, symbol, legs)
    plans = [
        _step_two(leg, float(size), symbol, settings, keep_small)
        for leg, size in zip(legs, sizes, strict=True)
    ]
    room = settings.cap * symbol.own_usd - sum(frozen_legs(symbol).values())
    plans = _within_cap(_without_round_trip(plans), room)
    plans = [
        replace(p, expected_saving_usd=leg.mean_saving * p.target_usd)
        for leg, p in zip(legs, plans, strict=True)
    ]
    cut, positions = _positions(plans, symbol)
    saving = sum(p.expected_saving_usd for p in plans)
    cost = _cost_usd(symbol, cut, positions)
    moving = [p for p in plans if abs(p.target_usd - p.now_usd) > NEGLIGIBLE * symbol.own_usd]
    allowed = [leg for leg in legs if settings.allow_own_cut or leg.kind == OPPOSITE] or legs
    allowed = [leg for leg in allowed if may_grow(leg, symbol)] or allowed
    best = max(allowed, key=lambda leg: leg.mean_saving - leg.open_cost)
    gain = saving - sum(leg.mean_saving * leg.now_usd for leg in legs)
    shown = moving or [p for p in plans if p.target_usd > 0]
    result = SymbolPlan(
        symbol=symbol.symbol,
        cut_usd=cut,
        legs_usd=positions,
        legs=tuple(plans),
        funding_usd=own_funding_usd(symbol, settings),
        expected_saving_usd=saving,
        cost_usd=cost,
        break_even_h=_break_even_h(gain, cost, best, settings.horizon_h),
        confidence=max((p.confidence for p in shown), default=confidence(best, 0.0)),
        reason="",
    )
    reason = _reason(result, moving, best, settings, solution.solved)
    held_back = [f"held back: {why}" for why in sorted(set(symbol.closed.values()))]
    return replace(result, reason="; ".join(filter(None, [reason, *held_back, symbol.note])))


def _over_a_limit(state: PlannerState, symbol: SymbolState, legs: Sequence[Leg]) -> bool:
    """Tell whether what is held exceeds the cap, the delta band or a venue's margin: then every decrease counts."""
    settings = state.settings
    frozen = sum(frozen_legs(symbol).values())
    if sum(leg.now_usd for leg in legs) + frozen > settings.cap * symbol.own_usd:
        return True
    if sum(leg.now_usd for leg in legs if leg.kind != RELOCATE) > settings.delta_band * symbol.own_usd:
        return True
    return any(
        sum(abs(s.legs_usd.get(venue, 0.0)) for s in state.symbols) > settings.max_leverage * collateral
        for venue, collateral in state.collateral_usd.items()
        if symbol.legs_usd.get(venue)
    )


def _step_two(
    leg: Leg, full_usd: float, symbol: SymbolState, settings: PlannerSettings, keep_small: bool
) -> LegPlan:
    """Shrink an increase by the leg's confidence; a decrease is already worth its closing cost and stands.

    Signals scale the increase once more, never beyond full Kelly, and not at all where the confidence allows none.
    `keep_small`: leave changes that are too little to be worth an order; going flat always is.
    """
    if not may_grow(leg, symbol):
        full_usd = min(full_usd, leg.now_usd)  # the solver keeps to it but for its tolerance
    if abs(full_usd - leg.now_usd) < NEGLIGIBLE * symbol.own_usd:
        full_usd = leg.now_usd
    if full_usd < NEGLIGIBLE * symbol.own_usd:
        full_usd = 0.0
    c = confidence(leg, full_usd)
    target = full_usd
    if full_usd > leg.now_usd:
        share = min(1.0, kelly_share(c, settings.knots) * symbol.increase_factor)
        target = max(leg.now_usd, share * full_usd)
    small = abs(target - leg.now_usd) < settings.min_change * symbol.own_usd
    if small and target > 0 and (keep_small or target > leg.now_usd):
        target = leg.now_usd
    return LegPlan(
        leg.kind, leg.venue, leg.now_usd, full_usd, target, c, expected_saving_usd=0.0
    )  # set when final


def _without_round_trip(plans: list[LegPlan]) -> list[LegPlan]:
    """Keep a cut that full Kelly turns into relocations until those, grown by confidence, have taken its place.

    Both are the same cut on Injective: giving it back now and cutting again later would pay for nothing.
    """
    here = [p for p in plans if p.kind in (CUT, RELOCATE)]
    stays = min(sum(p.now_usd for p in here), sum(p.full_kelly_usd for p in here))
    short = stays - sum(p.target_usd for p in here)
    if short <= 0:
        return plans
    return [
        replace(p, target_usd=max(p.target_usd, min(p.now_usd, p.target_usd + short))) if p.kind == CUT else p
        for p in plans
    ]


def _within_cap(plans: list[LegPlan], cap_usd: float) -> list[LegPlan]:
    """Scale the increases back where, together with legs that stay, they would exceed the cap."""
    excess = sum(p.target_usd for p in plans) - cap_usd
    growth = sum(max(0.0, p.target_usd - p.now_usd) for p in plans)
    if excess <= 0 or growth <= 0:
        return plans
    keep = max(0.0, 1.0 - excess / growth)
    return [
        replace(p, target_usd=p.now_usd + keep * (p.target_usd - p.now_usd))
        if p.target_usd > p.now_usd
        else p
        for p in plans
    ]


def _positions(plans: list[LegPlan], symbol: SymbolState) -> tuple[float, dict[str, float]]:
    """Turn legs into the desired cut and signed positions; a leg at a venue of unknown rate stays as it is."""
    cut = frozen_cut_usd(symbol) + sum(p.target_usd for p in plans if p.kind in (CUT, RELOCATE))
    positions = dict(symbol.legs_usd)
    for venue in sorted({p.venue for p in plans} - {INJECTIVE}):
        sizes = {p.kind: p.target_usd for p in plans if p.venue == venue}
        positions[venue] = symbol.side * (sizes[RELOCATE] - sizes[OPPOSITE])
    return cut, positions


def _cost_usd(symbol: SymbolState, cut: float, positions: dict[str, float]) -> float:
    """Cost of going from today's positions to the desired ones: fees, half-spread, impact."""
    changes = {INJECTIVE: cut - symbol.cut_usd}
    changes |= {v: usd - symbol.legs_usd.get(v, 0.0) for v, usd in positions.items() if v in symbol.costs}
    return sum(
        symbol.costs[v].per_usd * abs(usd) + symbol.costs[v].impact_per_usd2 * usd**2
        for v, usd in changes.items()
    )


def _break_even_h(gain_usd: float, cost_usd: float, best: Leg, horizon_h: float) -> float:
    """Hours until the change has earned its cost; with no change, of the best leg not taken."""
    if cost_usd <= 0:
        gain_usd, cost_usd = best.mean_saving, best.open_cost
    return cost_usd / gain_usd * horizon_h if gain_usd > 0 else float("inf")


def _reason(
    result: SymbolPlan, moving: list[LegPlan], best: Leg, settings: PlannerSettings, solved: bool
) -> str:
    hours = f"{settings.horizon_h:g} h"
    if not solved:
        return "the optimiser found no solution: every leg stays where it is"
    if moving:
        main = max(moving, key=lambda p: abs(p.target_usd - p.now_usd))
        verb, saves = (
            ("grow", "saves") if main.target_usd > main.now_usd else ("shrink", "what is left saves")
        )
        return (
            f"{verb} {_name(main.kind, main.venue)} from {main.now_usd:,.0f} to {main.target_usd:,.0f} USD: "
            f"{saves} {result.expected_saving_usd:,.2f} USD expected over {hours}, "
            f"change costs {result.cost_usd:,.2f}, confidence {main.confidence:.2f}"
        )
    if any(p.target_usd > 0 for p in result.legs):
        held = max(result.legs, key=lambda p: p.target_usd)
        return (
            f"hold {_name(held.kind, held.venue)} at {held.target_usd:,.0f} USD: worth "
            f"{result.expected_saving_usd:,.2f} USD over {hours}; changing it costs more than it brings"
        )
    if best.mean_saving <= 0:
        return (
            f"no hedge: the position is expected to receive funding over {hours}, and no leg saves anything"
        )
    why = "it does not earn its cost" if best.mean_saving <= best.open_cost else "its risk outweighs its gain"
    return (
        f"no hedge: the best leg, {_name(best.kind, best.venue)}, saves {best.mean_saving * 1e4:.2f} bp over {hours} "
        f"and costs {best.open_cost * 1e4:.2f} bp; {why}"
    )


def _name(kind: str, venue: str) -> str:
    return {CUT: "the own-position cut", RELOCATE: f"the relocation to {venue}"}.get(
        kind, f"the opposite perp on {venue}"
    )
