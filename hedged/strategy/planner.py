"""The plan: full-Kelly sizes (step 1), shrunk by each leg's confidence (step 2), said in plain words."""

from collections.abc import Sequence

import numpy as np

from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import (
    CUT,
    OPPOSITE,
    RELOCATE,
    Leg,
    frozen_cut_usd,
    may_grow,
    own_funding_usd,
)
from hedged.strategy.kelly import NEGLIGIBLE, KellySolution, in_markets, solve
from hedged.strategy.programme import frozen_legs
from hedged.strategy.state import LegPlan, PlannerSettings, PlannerState, SymbolPlan, SymbolState
from hedged.strategy.verdict import Shared, verdicts
from hedged.strategy.wording import explained


def plan(state: PlannerState) -> tuple[SymbolPlan, ...]:
    """Plan every market. Pure; the same state gives the same plan."""
    solution = solve(state)
    funding = own_funding_usd(state.symbols, state.settings.horizon_h)
    used_up, targets = Shared.of(state, solution), _worth_an_order(state, solution)
    return tuple(
        _plan_symbol(state, solution, i, funding[i], targets[i], used_up) for i in range(len(state.symbols))
    )


def _plan_symbol(
    state: PlannerState,
    solution: KellySolution,
    i: int,
    funding_usd: tuple[float, float, float],
    targets: Sequence[float],
    used_up: Shared,
) -> SymbolPlan:
    symbol, settings = state.symbols[i], state.settings
    legs = solution.legs[i]
    plans = [
        LegPlan(
            leg.kind, leg.venue, leg.now_usd, full, target, sure, leg.mean_saving * target,
            leg.trade_cost, leg.mean_saving, leg.mean_value - leg.mean_saving, leg.protects,
        )
        for leg, full, sure, target in zip(
            legs,
            solution.full_usd[i],
            solution.confidence[i],
            targets,
            strict=True,
        )
    ]  # fmt: skip
    if any(p.target_usd != p.now_usd for p in plans):
        room = (
            settings.cap * symbol.own_usd
            - sum(frozen_legs(symbol).values())
            - symbol.taken_usd
            - symbol.reserved_usd
        )
        plans = _within_cap(_without_round_trip(plans), room)
        plans = [
            p._replace(expected_saving_usd=p.saving_per_usd * p.target_usd) if p.target_usd else p
            for p in plans
        ]
    cut, positions = _positions(plans, symbol)
    cost = _cost_usd(symbol, cut, positions)
    moving = [p for p in plans if abs(p.target_usd - p.now_usd) > NEGLIGIBLE * symbol.own_usd]
    best = _best(plans, legs, symbol, settings)
    gain = sum(p.saving_per_usd * (p.target_usd - p.now_usd) for p in plans)
    shown = moving or [p for p in plans if p.target_usd > 0] or [best]
    told, rule = verdicts(state, i, solution, plans, used_up)
    saving = sum(p.expected_saving_usd for p in plans)
    held_back = [f"held back: {why}" for why in sorted(set(symbol.closed.values()))]
    reason = explained(told, saving, cost, moving, best, settings, solution.solved)
    return SymbolPlan(
        symbol=symbol.symbol,
        cut_usd=cut,
        legs_usd=positions,
        legs=told,
        funding_usd=funding_usd,
        expected_saving_usd=saving,
        cost_usd=cost,
        break_even_h=_break_even_h(gain, cost, best, settings.horizon_h),
        confidence=max(p.confidence for p in shown),
        reason="; ".join(filter(None, [reason, *held_back, symbol.note])),
        rule=rule,
    )


def _best(
    plans: Sequence[LegPlan], legs: Sequence[Leg], symbol: SymbolState, settings: PlannerSettings
) -> LegPlan:
    """Return the leg that one would open first, whether it pays or not."""
    allowed = [p for p in plans if settings.allow_own_cut or p.kind == OPPOSITE] or list(plans)
    if symbol.closed:
        open_ = {(leg.kind, leg.venue) for leg in legs if may_grow(leg, symbol)}
        allowed = [p for p in allowed if (p.kind, p.venue) in open_] or allowed
    return max(allowed, key=lambda p: p.saving_per_usd + p.later_per_usd - p.open_cost)


def _over_margin(state: PlannerState) -> frozenset[str]:
    """Return the venues at which more is held than leverage × collateral."""
    held: dict[str, float] = {}
    for symbol in state.symbols:
        for venue, usd in symbol.legs_usd.items():
            held[venue] = held.get(venue, 0.0) + abs(usd)
    most = state.settings.max_leverage
    return frozenset(v for v, usd in held.items() if usd > most * state.collateral_usd.get(v, np.inf))


def _over_a_limit(
    settings: PlannerSettings, symbol: SymbolState, legs: Sequence[Leg], crowded: frozenset[str]
) -> bool:
    """Tell whether what is held exceeds the cap, the delta band or a venue's margin: then every decrease counts."""
    taken = sum(frozen_legs(symbol).values()) + symbol.taken_usd + symbol.reserved_usd
    now = dict.fromkeys((CUT, OPPOSITE, RELOCATE), 0.0)
    for leg in legs:
        now[leg.kind] += leg.now_usd
    if sum(now.values()) + taken > settings.cap * symbol.own_usd:
        return True
    if now[CUT] + now[OPPOSITE] > settings.delta_band * symbol.own_usd:
        return True
    return any(usd and venue in crowded for venue, usd in symbol.legs_usd.items())


def _worth_an_order(state: PlannerState, solution: KellySolution) -> list[list[float]]:
    """Scale increases by what signals say, never beyond full Kelly, and leave what is too little for an order.

    Small decreases are left too, unless a limit is exceeded; going flat always is worth an order. Per market, USD.
    """
    if not solution.legs:
        return []
    crowded, sizes = _over_margin(state), [len(of) for of in solution.legs]
    per_market = [
        (
            s.increase_factor,
            state.settings.min_change * s.own_usd,
            _over_a_limit(state.settings, s, of, crowded),
        )
        for s, of in zip(state.symbols, solution.legs, strict=True)
    ]
    factor, least, over = np.repeat(np.array(per_market, dtype=float), sizes, axis=0).T
    now = np.array([leg.now_usd for of in solution.legs for leg in of])
    full, target = (np.concatenate(x) for x in (solution.full_usd, solution.target_usd))
    # the size, not the step: a step halved each cycle would end at the same size
    target = np.where(target > now, np.clip(factor * target, now, full), target)
    small = (np.abs(target - now) < least) & ((over == 0) | (target > now))
    worth: list[float] = np.where(small & (target > 0), now, target).tolist()
    return in_markets(worth, solution.legs)


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
        p._replace(target_usd=max(p.target_usd, min(p.now_usd, p.target_usd + short))) if p.kind == CUT else p
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
        p._replace(target_usd=p.now_usd + keep * (p.target_usd - p.now_usd))
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


def _break_even_h(gain_usd: float, cost_usd: float, best: LegPlan, horizon_h: float) -> float:
    """Hours until the change has earned its cost; with no change, of the best leg not taken."""
    if cost_usd <= 0:
        gain_usd, cost_usd = best.saving_per_usd, best.open_cost
    return cost_usd / gain_usd * horizon_h if gain_usd > 0 else float("inf")
