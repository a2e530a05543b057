"""What a leg earns and costs: the arithmetic that the planner, its confidences and its explanations share.

A leg takes one unit (USD) of exposure away from the own position's funding:
cut: the own position is smaller here; opposite: an opposite perpetual there; relocate: smaller here, same side there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import INJECTIVE
from hedged.strategy.state import PlannerSettings, SymbolState

CUT, OPPOSITE, RELOCATE = "cut", "opposite", "relocate"


@dataclass(frozen=True, slots=True)
class Leg:
    """One possible leg of one market, per USD.

    `saving`: (n_scenarios,) over the whole horizon, before costs; `mean_saving` is its mean. `trade_cost`: fees and
    half-spreads of opening or closing it; `capital_cost`: charge on the margin that opening ties up over the horizon;
    `impact_per_usd`: what a change costs on top, per USD and per USD of the change.
    """

    kind: str
    venue: str
    now_usd: float
    saving: NDArray[np.float64]
    trade_cost: float
    capital_cost: float
    mean_saving: float
    impact_per_usd: float = 0.0

    @property
    def open_cost(self) -> float:
        """Cost of one more USD of the leg."""
        return self.trade_cost + self.capital_cost


def legs_of(state: SymbolState, settings: PlannerSettings) -> list[Leg]:
    """List the legs of a market whose rates are known: cut first, then by venue opposite and relocate."""
    hours = settings.horizon_h
    capital = settings.capital_rate_per_year / (365 * 24) * hours / settings.max_leverage

    def leg(kind: str, venue: str, now_usd: float, saving: NDArray[np.float64]) -> Leg:
        traded = [state.costs[v] for v in {CUT: [INJECTIVE], OPPOSITE: [venue]}.get(kind, [INJECTIVE, venue])]
        return Leg(
            kind,
            venue,
            now_usd,
            saving,
            sum(c.per_usd for c in traded),
            0.0 if kind == CUT else capital,
            float(saving.mean()),
            sum(c.impact_per_usd2 for c in traded),
        )

    here = state.side * hours * state.rates[INJECTIVE]
    legs = [leg(CUT, INJECTIVE, pure_cut_usd(state), here)]
    for venue in usable_venues(state):
        there = state.side * hours * state.rates[venue]
        held = state.side * state.legs_usd.get(venue, 0.0)
        legs.append(leg(OPPOSITE, venue, max(0.0, -held), there))
        legs.append(leg(RELOCATE, venue, max(0.0, held), here - there))
    return legs


def usable_venues(state: SymbolState) -> list[str]:
    """Return the hedge venues whose rate and cost are known, in name order."""
    return sorted(v for v in state.rates if v != INJECTIVE and v in state.costs)


def may_grow(leg: Leg, state: SymbolState) -> bool:
    """Tell whether a leg may be opened or enlarged: every venue it trades on must be open."""
    trades_on = {leg.venue} if leg.kind == OPPOSITE else {INJECTIVE, leg.venue}
    return trades_on.isdisjoint(state.closed)


def pure_cut_usd(state: SymbolState) -> float:
    """Return the part of the cut that is not the near side of a relocation."""
    same = sum(max(0.0, state.side * usd) for usd in state.legs_usd.values())
    return max(0.0, state.cut_usd - same)


def frozen_cut_usd(state: SymbolState) -> float:
    """Return the part of the cut that belongs to relocations whose far venue's rate is unknown: it stays with them."""
    usable = usable_venues(state)
    far = sum(max(0.0, state.side * usd) for venue, usd in state.legs_usd.items() if venue not in usable)
    return min(far, state.cut_usd)


def confidence(leg: Leg, size_usd: float) -> float:
    """Return P(net saving of the leg over the horizon > 0) when it is moved from where it is to `size_usd`.

    Costs count for the change only. For a size of nothing the first dollar is judged.
    """
    size = size_usd if size_usd > 0 else 1.0
    change = size - (leg.now_usd if size_usd > 0 else 0.0)
    cost = (leg.open_cost if change > 0 else leg.trade_cost) * abs(change) + leg.impact_per_usd * change**2
    return float((leg.saving * size - cost > 0).mean())


def kelly_share(confidence_: float, knots: tuple[tuple[float, float], ...]) -> float:
    """Return the share κ of the full-Kelly size: linear between knots, flat above, nothing below the first."""
    if confidence_ < knots[0][0]:
        return 0.0
    xs, ys = zip(*knots, strict=True)
    return float(np.interp(confidence_, xs, ys))


def own_funding_usd(state: SymbolState, settings: PlannerSettings) -> tuple[float, float, float]:
    """Return (mean, 10 %, 90 %) of the unhedged own position's funding over the horizon, USD, > 0 received."""
    paid = -state.side * state.own_usd * settings.horizon_h * state.rates[INJECTIVE]
    low, high = np.quantile(paid, [0.1, 0.9])
    return float(paid.mean()), float(low), float(high)
