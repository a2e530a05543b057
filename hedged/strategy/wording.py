"""A plan in plain words: what is done, or why nothing is."""

from collections.abc import Sequence

from hedged.strategy.economics import CUT, RELOCATE
from hedged.strategy.state import LegPlan, PlannerSettings


def explained(
    legs: Sequence[LegPlan],
    saving_usd: float,
    cost_usd: float,
    moving: Sequence[LegPlan],
    best: LegPlan,
    settings: PlannerSettings,
    solved: bool,
) -> str:
    """Say why a plan is as it is: what its `legs` save over the horizon, what changing them costs. `moving`: legs that
    change; `best`: the leg one would open first.
    """
    hours = f"{settings.horizon_h:g} h"
    if not solved:
        return "the optimiser found no solution: every leg stays where it is"
    if moving:
        # legs often change by the same but for last digits, which are no reason to tell of one rather than the other
        main = max(moving, key=lambda p: (round(abs(p.target_usd - p.now_usd), 2), p.kind != CUT))
        verb, saves = (
            ("grow", "saves") if main.target_usd > main.now_usd else ("shrink", "what is left saves")
        )
        return (
            f"{verb} {leg_name(main.kind, main.venue)} from {main.now_usd:,.0f} to {main.target_usd:,.0f} USD: "
            f"{saves} {saving_usd:,.2f} USD expected over {hours}{_after(legs)}, "
            f"change costs {cost_usd:,.2f}, confidence {main.confidence:.2f}"
        )
    if any(p.target_usd > 0 for p in legs):
        held = max(legs, key=lambda p: p.target_usd)
        return (
            f"hold {leg_name(held.kind, held.venue)} at {held.target_usd:,.0f} USD: worth "
            f"{saving_usd:,.2f} USD over {hours}; changing it costs more than it brings"
        )
    if best.saving_per_usd + best.later_per_usd <= 0:
        return (
            f"no hedge: the position is expected to receive funding over {hours}, and no leg saves anything"
        )
    pays = best.saving_per_usd + best.later_per_usd > best.open_cost
    if not pays:
        why = "it does not earn its cost"
    elif best.confidence < settings.knots[0][0]:
        why = f"that it pays has a confidence of {best.confidence:.2f} alone"
    else:
        why = "its risk outweighs its gain"
    later = f" and {best.later_per_usd * 1e4:.2f} bp after" if settings.tail_h else ""
    return (
        f"no hedge: the best leg, {leg_name(best.kind, best.venue)}, saves {best.saving_per_usd * 1e4:.2f} bp over "
        f"{hours}{later} and costs {best.open_cost * 1e4:.2f} bp; {why}"
    )


def _after(legs: Sequence[LegPlan]) -> str:
    """Say what the hedge that is wanted is still worth when the horizon ends."""
    usd = sum(leg.later_per_usd * leg.target_usd for leg in legs)
    return f" and is worth {usd:,.2f} after" if usd > 0 else ""


def leg_name(kind: str, venue: str) -> str:
    """Name a leg as one would say it."""
    return {CUT: "the own-position cut", RELOCATE: f"the relocation to {venue}"}.get(
        kind, f"the opposite perp on {venue}"
    )
