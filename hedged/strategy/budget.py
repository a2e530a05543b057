"""The risk that the strategies share: one loss, one margin at each venue. What one takes the next no longer has.

A leg's 95 % loss over the horizon adds up with every other's, as in the funding hedge's own programme: no
diversification is counted on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from hedged.config import RiskConfig
from hedged.domain.market import SeriesKey
from hedged.features.moments import Moments
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE
from hedged.strategy.programme import Z_95
from hedged.strategy.state import SymbolPlan


@dataclass(frozen=True, slots=True)
class Budget:
    """USD. `risk_usd`: 95 % loss that may still be taken on; `used_usd`: notional of the legs at each venue, held or
    wanted; `collateral_usd` there.
    """

    risk_usd: float
    collateral_usd: Mapping[str, float]
    used_usd: Mapping[str, float]
    risk: RiskConfig

    def leverage(self, wanted: Decimal) -> float:
        """Return the leverage that may be used: never beyond risk's own, nor nearer to liquidation than it allows."""
        distance = self.risk.min_liquidation_distance + self.risk.liquidation_cushion
        return float(min(wanted, self.risk.max_leverage, 1 / distance))

    def room_usd(self, venue: str, leverage: Decimal) -> float:
        """Return the notional that may still be held at a venue."""
        most = self.leverage(leverage) * self.collateral_usd.get(venue, 0.0)
        return max(0.0, most - self.used_usd.get(venue, 0.0))

    def taken(self, risk_usd: float, legs_usd: Mapping[str, float]) -> Self:
        """Return what is left after legs of these notionals by venue."""
        used = dict(self.used_usd)
        for venue, usd in legs_usd.items():
            used[venue] = used.get(venue, 0.0) + abs(usd)
        return replace(self, risk_usd=max(0.0, self.risk_usd - risk_usd), used_usd=used)


def plan_risk_usd(plan: SymbolPlan, moments: Moments) -> float:
    """Return the 95 % loss that a funding hedge adds over the horizon: price where exposure changes, and basis."""
    total = 0.0
    for leg in plan.legs:
        sigma = moments.sigma[plan.symbol] if leg.kind in (CUT, OPPOSITE) else 0.0
        if leg.kind in (OPPOSITE, RELOCATE):
            sigma += moments.basis_sigma.get(SeriesKey(leg.venue, plan.symbol), 0.0)
        total += Z_95 * sigma * leg.target_usd
    return total
