"""The one seam to the planner: what it is shown of a walk, and what its plan means for the walk's positions."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import INJECTIVE
from hedged.evaluation.hedging.moments import MomentsByHour
from hedged.evaluation.hedging.setting import Setting
from hedged.features.targets import HOURS
from hedged.strategy.planner import plan
from hedged.strategy.programme import HEADROOM
from hedged.strategy.state import PlannerState, SymbolState

Floats = NDArray[np.float64]


def horizon_h(setting: Setting, interval_h: float) -> float:
    """Return the hours that the horizon's forecasts speak of; of a single settlement, those of its interval."""
    return float(HOURS.get(setting.horizon, interval_h))


def decide(
    setting: Setting, side: int, held: Floats, rates: Floats, hours: float, moments: MomentsByHour
) -> tuple[Floats, bool]:
    """Ask the planner; returns the positions it wants, (1 + venues,) USD as in `Ledger`, and whether it found any.

    rates: (1 + venues, draws) mean rate per hour over `hours`, a venue's NaN where it is unknown. `moments`: at this
    hour. The own venue stands in Injective's place. A carry lowers what cutting saves, hour by hour, so it goes off the
    own rate.
    """
    names = (INJECTIVE, *setting.venues)
    carry = side * setting.carry_per_h
    known = [v for v in range(len(names)) if not np.isnan(rates[v]).any()]
    ledger = (setting.costs[setting.own], *(setting.costs[venue] for venue in setting.venues))
    symbol = SymbolState(
        symbol="own",
        side=side,
        own_usd=setting.notional_usd,
        cut_usd=float(held[0]),
        legs_usd={names[v]: side * float(held[v]) for v in range(1, len(names)) if held[v]},
        rates={names[v]: rates[v] - carry * (v == 0) for v in known},
        costs={names[v]: ledger[v] for v in known},
        sigma=float(moments.sigma),
        basis_sigma={names[v]: float(moments.basis_sigma[v - 1]) for v in known if v},
        usual={
            names[v]: float(moments.usual[v]) - carry * (v == 0)
            for v in known
            if not np.isnan(moments.usual[v])
        },
    )
    # margin for the cap, and the part of it that the plan leaves free
    most = setting.planner.cap * setting.notional_usd / (1 - HEADROOM)
    collateral = most / setting.planner.max_leverage
    state = PlannerState(
        symbols=(symbol,),
        correlation=np.eye(1),
        collateral_usd=dict.fromkeys(setting.venues, collateral),
        settings=replace(setting.planner, horizon_h=hours),
    )
    (wanted,) = plan(state)
    positions = np.array([wanted.cut_usd, *(side * wanted.legs_usd.get(v, 0.0) for v in setting.venues)])
    return positions, not wanted.reason.startswith("the optimiser found no solution")
