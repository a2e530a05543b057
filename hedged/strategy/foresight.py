"""What hedging could have saved at best over hours that are past: a yardstick of one's own book, not of the planner.

It knows every settlement, pays the costs that the planner pays, and uses one leg at a time, in quarters of what the cap
(or for legs that change the price exposure the delta band) allows: a small dynamic programme. Price moves are nothing
to it. The yardstick of evaluations (`hedged evaluate-hedge`) combines legs; this one needs but a daemon's window.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOURS_A_YEAR
from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE
from hedged.strategy.state import LegCosts, PlannerSettings

Floats = NDArray[np.float64]
STEPS = 4


@dataclass(frozen=True, slots=True)
class Past:
    """One market over hours that are past. USD: `funding_usd` of the unhedged position, > 0 received; `saved_usd` ≥ 0
    what the best hedge would have saved net of its costs; `hours` in which its funding is known.
    """

    funding_usd: float
    saved_usd: float
    hours: int


def best_past(
    own_usd: float,
    paid: Mapping[str, Floats],
    costs: Mapping[str, LegCosts],
    settings: PlannerSettings,
) -> Past:
    """Return what was, and what was best, for a position of constant notional (signed USD).

    paid: by venue what longs paid in each hour, fraction of notional, (hours,), NaN unknown: there is
    nothing to be held then.
    """
    side, size = (1.0 if own_usd >= 0 else -1.0), abs(own_usd)
    here = paid[INJECTIVE]
    earned, trade = [np.zeros(len(here))], [np.zeros(2)]  # flat: nothing earned, nothing paid
    for kind, venue, share in _legs(paid, costs, settings):
        saves = {CUT: here, OPPOSITE: paid[venue], RELOCATE: here - paid[venue]}[kind] * side
        per_h = 0.0 if kind == CUT else settings.capital_rate_per_year / HOURS_A_YEAR / settings.max_leverage
        on = [costs[v] for v in {CUT: [INJECTIVE], OPPOSITE: [venue]}.get(kind, [INJECTIVE, venue])]
        for step in range(1, STEPS + 1):
            usd = share * size * step / STEPS
            earned.append(np.where(np.isnan(saves), -np.inf, (saves - per_h) * usd))
            trade.append(
                np.array([sum(c.per_usd for c in on) * usd, sum(c.impact_per_usd2 for c in on) * usd**2])
            )
    known = ~np.isnan(here)
    funding = float(-side * size * np.nan_to_num(here).sum())
    return Past(funding, _best(np.array(earned), np.array(trade)), int(known.sum()))


def _legs(
    paid: Mapping[str, Floats], costs: Mapping[str, LegCosts], settings: PlannerSettings
) -> list[tuple[str, str, float]]:
    """Return the legs that the operator allows, each with its largest share of the position."""
    others = sorted(venue for venue in paid if venue != INJECTIVE and venue in costs)
    exposed = min(settings.cap, settings.delta_band)
    legs = [(OPPOSITE, venue, exposed) for venue in others]
    if settings.allow_own_cut:
        legs += [(CUT, INJECTIVE, exposed), *((RELOCATE, venue, settings.cap) for venue in others)]
    return legs


def _best(earned: Floats, trade: Floats) -> float:
    """Return the most that any path earns: earned (states, hours), trade (states, 2) linear and impact to go there.

    State 0 is flat, where every path begins and ends. Between two states everything is closed and opened, but for
    another size of the same leg, where the difference alone is traded.
    """
    n = len(earned)
    leg = np.concatenate(([-1], (np.arange(n - 1) // STEPS)))
    total = trade.sum(axis=1)
    cost = total[:, None] + total[None, :]
    step = np.concatenate(([0], np.arange(n - 1) % STEPS + 1))
    same = leg[:, None] == leg[None, :]
    apart = np.abs(step[:, None] - step[None, :])
    first = trade[np.maximum(leg, 0) * STEPS + min(1, n - 1)]  # what the first quarter costs
    within = apart * first[:, :1] + apart**2 * first[:, 1:]
    cost = np.where(same, within, cost)
    np.fill_diagonal(cost, 0.0)
    value = np.full(n, -np.inf)
    value[0] = 0.0
    for hour in earned.T:
        value = (value[:, None] - cost).max(axis=0) + hour
    return float((value - cost[:, 0]).max())
