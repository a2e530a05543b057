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
    half-spreads of opening or closing it; `capital_cost`: charge on the margin that opening ties up over the horizon.
    """

    kind: str
    venue: str
    now_usd: float
    saving: NDArray[np.float64]
    trade_cost: float
    capital_cost: float
    mean_saving: float

    @property
    def open_cost(self) -> float:
        """Cost of one more USD of the leg."""
        return self.trade_cost + self.capital_cost


def _leg(
    kind: str, venue: str, now_usd: float, saving: NDArray[np.float64], trade_cost: float, capital_cost: float
) -> Leg:
    return Leg(kind, venue, now_usd, saving, trade_cost, capital_cost, float(saving.mean()))


def legs_of(state: SymbolState, settings: PlannerSettings) -> list[Leg]:
    """List the legs of a market whose rates are known: cut first, then by venue opposite and relocate."""
    hours = settings.horizon_h
    here = state.side * hours * state.rates[INJECTIVE]
    a_here = state.costs[INJECTIVE].per_usd
    capital = settings.capital_rate_per_year / (365 * 24) * hours / settings.max_leverage
    legs = [_leg(CUT, INJECTIVE, pure_cut_usd(state), here, a_here, 0.0)]
    for venue in usable_venues(state):
        there = state.side * hours * state.rates[venue]
        a_there = state.costs[venue].per_usd
        same = max(0.0, state.side * state.legs_usd.get(venue, 0.0))
        opposite = max(0.0, -state.side * state.legs_usd.get(venue, 0.0))
        legs.append(_leg(OPPOSITE, venue, opposite, there, a_there, capital))
        legs.append(_leg(RELOCATE, venue, same, here - there, a_here + a_there, capital))
    return legs


def usable_venues(state: SymbolState) -> list[str]:
    """Return the hedge venues whose rate and cost are known, in name order."""
    return sorted(v for v in state.rates if v != INJECTIVE and v in state.costs)


def pure_cut_usd(state: SymbolState) -> float:
    """Return the part of the cut that is not the near side of a relocation."""
    same = sum(max(0.0, state.side * usd) for usd in state.legs_usd.values())
    return max(0.0, state.cut_usd - same)


def confidence(leg: Leg, size_usd: float) -> float:
    """Return P(net saving of the leg over the horizon > 0) when it is moved from where it is to `size_usd`.

    Costs count for the change only. For a size of nothing the first dollar is judged.
    """
    size = size_usd if size_usd > 0 else 1.0
    change = size - (leg.now_usd if size_usd > 0 else 0.0)
    cost = (leg.open_cost if change > 0 else leg.trade_cost) * abs(change)
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
