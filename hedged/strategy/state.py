"""What the planner sees: one value per cycle, floats in USD, everything known at the decision."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import Costs


@dataclass(frozen=True, slots=True)
class LegCosts:
    """Cost of changing a position at one venue. `per_usd`: fee + half-spread, fraction; `impact_per_usd2`: 1/USD.

    Changing by x USD costs per_usd·x + impact_per_usd2·x².
    """

    per_usd: float
    impact_per_usd2: float

    @classmethod
    def of(cls, costs: Costs) -> "LegCosts":
        """Return what a venue charges for taking: the very law by which the paper venue fills."""
        return cls(float(costs.taker_fee + costs.half_spread), float(costs.impact(Decimal(1))))


@dataclass(frozen=True, slots=True)
class SymbolState:
    """One protected market. Notionals in USD at the current mark; the own side is +1 long, −1 short.

    `cut_usd` ≥ 0: how much of the own position the daemon has taken away on Injective. `legs_usd`: the daemon's signed
    position by hedge venue. `rates`: (n_scenarios,) mean rate per hour by venue over the horizon; a venue whose rate is
    unknown is absent and is neither opened nor enlarged. `sigma`: standard deviation of the price's relative move
    over the horizon; `basis_sigma`: the same of the venue's price against Injective's. `closed`: venues on which no leg
    may grow, and why; `increase_factor`: what signals scale increases by; `note`: what they say. `usual`: the rate per
    hour that each venue's returns to; `taken_usd`: what other strategies take of the cap and of the delta band;
    `leverage`: most by venue, as far as liquidation allows; `reserved_usd`: part of the cap that a stronger strategy
    asks for and does not hold yet.
    """

    symbol: str
    side: int
    own_usd: float
    cut_usd: float
    legs_usd: Mapping[str, float]
    rates: Mapping[str, NDArray[np.float64]]
    costs: Mapping[str, LegCosts]
    sigma: float
    basis_sigma: Mapping[str, float]
    closed: Mapping[str, str] = field(default_factory=dict)
    increase_factor: float = 1.0
    note: str = ""
    usual: Mapping[str, float] = field(default_factory=dict)
    taken_usd: float = 0.0
    leverage: Mapping[str, float] = field(default_factory=dict)
    reserved_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class PlannerSettings:
    """The operator's choices, as floats. `knots`: (confidence, share of full Kelly), ascending; `tail_h`: hours after
    the horizon for which a leg may still be worth something; `min_leverage`: of a leg whose saving is uncertain (inf:
    as of any other).
    """

    horizon_h: float
    cap: float
    delta_band: float
    allow_own_cut: bool
    min_change: float
    equity_usd: float
    equity_at_risk: float
    max_leverage: float
    capital_rate_per_year: float
    knots: tuple[tuple[float, float], ...]
    tail_h: float = 0.0
    min_leverage: float = math.inf


@dataclass(frozen=True, slots=True)
class PlannerState:
    """Everything for one plan. `correlation`: (n, n) of the symbols' prices; `collateral_usd`: by hedge venue."""

    symbols: tuple[SymbolState, ...]
    correlation: NDArray[np.float64]
    collateral_usd: Mapping[str, float]
    settings: PlannerSettings


class LegPlan(NamedTuple):
    """One leg: `kind` is cut, opposite or relocate; sizes in USD ≥ 0. `confidence` = P(its value less its cost > 0) at
    its full-Kelly size. Per USD: `open_cost`, `saving_per_usd` expected over the horizon, `later_per_usd` what it is
    then still worth, `protects_per_usd` the funding that it is held against.

    For people (`verdict.py`): hours until it has earned its cost at that saving (inf: never), the rule that keeps it
    from being larger, and that rule with its figures.
    """

    kind: str
    venue: str
    now_usd: float
    full_kelly_usd: float
    target_usd: float
    confidence: float
    expected_saving_usd: float
    open_cost: float = 0.0
    saving_per_usd: float = 0.0
    later_per_usd: float = 0.0
    protects_per_usd: float = 0.0
    break_even_h: float = math.inf
    rule: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """The desired hedge of one market and why.

    `cut_usd` ≥ 0 and `legs_usd` (signed, by venue) are the desired state. `funding_usd`: (mean, 10 %, 90 %) of the own
    book's funding over the horizon, > 0 received. `break_even_h`: hours until the change has earned its cost; inf when
    it never does. `rule`: what had the last word.
    """

    symbol: str
    cut_usd: float
    legs_usd: Mapping[str, float]
    legs: tuple[LegPlan, ...]
    funding_usd: tuple[float, float, float]
    expected_saving_usd: float
    cost_usd: float
    break_even_h: float
    confidence: float
    reason: str
    rule: str = ""
