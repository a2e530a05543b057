"""What is measured: whose funding is hedged, by which kinds of leg, at which costs, decided how often."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.proxy import ProxyRule
from hedged.config import Config
from hedged.domain.clock import HOUR_MS, HOURS_A_YEAR
from hedged.domain.errors import ConfigError
from hedged.domain.market import INJECTIVE
from hedged.evaluation.hedging.history import HedgeHistory
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE
from hedged.strategy.funding_hedge import planner_settings
from hedged.strategy.state import LegCosts, PlannerSettings

Floats = NDArray[np.float64]
BP = 1e-4
LEVERAGE = 3.0
"""Of legs elsewhere."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What changes and holding cost. Venues in order: the own one first, then the hedge venues.

    Positions are (..., venues) in USD, counted on the own side: how much is cut at the own venue; how much of the own
    side is held at each hedge venue (> 0 relocated, < 0 an opposite position).
    """

    per_usd: Floats
    impact_per_usd2: Floats
    capital_per_h: float
    carry_per_h: float

    def change_usd(self, before: Floats, after: Floats) -> Floats:
        """Return what going from one set of positions to another costs: fees, half-spreads, impact. (...)."""
        size = np.abs(after - before)
        cost: Floats = (self.per_usd * size + self.impact_per_usd2 * size**2).sum(axis=-1)
        return cost

    def holding_usd(self, held: Floats) -> Floats:
        """Return what an hour of positions costs: the charge on margin at hedge venues, a cut's carry. (...)."""
        there = np.abs(held[..., 1:]).sum(axis=-1)
        cost: Floats = self.capital_per_h * there + self.carry_per_h * held[..., 0]
        return cost

    def saved_usd(self, held: Floats, paid: Floats, side: int) -> Floats:
        """Return the funding that positions (..., venues) save where longs pay the fractions `paid` (..., venues)."""
        saving: Floats = side * (held[..., 0] * paid[..., 0] - (held[..., 1:] * paid[..., 1:]).sum(axis=-1))
        return saving


@dataclass(frozen=True, slots=True)
class Setting:
    """One measurement. `own`: the venue whose funding is hedged, Injective under a proxy rule or a recorded venue as it
    is; `kinds`: legs that may be used; `every_h`: a decision at every so manieth hour of the day (UTC); `horizon`: the
    forecasts that the planner reads, by their name in a forecasts file. Notional is kept constant.

    `planner`: the operator's choices as the planner gets them; its horizon is replaced by that of `horizon`. `closes`:
    what is held at the end of a stretch is closed and paid for.
    """

    name: str
    own: str
    venues: tuple[str, ...]
    kinds: tuple[str, ...]
    costs: Mapping[str, LegCosts]
    planner: PlannerSettings
    notional_usd: float
    every_h: int
    horizon: str
    carry_per_h: float = 0.0
    priced: bool = True
    closes: bool = True

    @property
    def ledger(self) -> Ledger:
        """The costs as arrays."""
        of = [self.costs[venue] for venue in (self.own, *self.venues)]
        capital = self.planner.capital_rate_per_year / HOURS_A_YEAR / self.planner.max_leverage
        return Ledger(
            np.array([c.per_usd for c in of]),
            np.array([c.impact_per_usd2 for c in of]),
            capital,
            self.carry_per_h,
        )

    @property
    def stood_in(self) -> bool:
        """Tell whether a proxy rule has a say in the own rates."""
        return self.own == INJECTIVE

    def with_planner(self, **changes: Any) -> Self:
        """Return the setting with some of the operator's choices replaced."""
        return replace(self, planner=replace(self.planner, **changes))


def decides(history: HedgeHistory, setting: Setting, first: int, end: int) -> NDArray[np.bool_]:
    """Tell at which hours [first, end) of a stretch a plan is made: every so manieth of the day, and the first one."""
    due: NDArray[np.bool_] = history.ts_ms[first:end] // HOUR_MS % setting.every_h == 0
    due[0] = True
    return due


PRESETS: Mapping[str, str] = {
    "relocation": "a position on Injective; relocation alone, at the configured costs",
    "all": "a position on Injective; cut, opposite and relocation within the delta band, at the configured costs",
    "own": "a position at Binance cut by 0 to the cap: 1 bp a change, 1 bp carry each settlement, no price risk",
    "own-hourly": "the same at Hyperliquid, which settles every hour",
}
"""Names of the standard settings and what each measures."""
RULES: tuple[ProxyRule, ...] = ("chain", "level")


def preset(
    name: str, config: Config, venues: tuple[str, ...] = ("binance",), notional_usd: float = 100_000.0
) -> Setting:
    """Return a standard setting. Equity is the product's default, a third of the position.

    Collateral is enough for the cap at every venue: what is measured is the plan, not how money was spread before.
    Raises ConfigError for another name.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}: there are {', '.join(PRESETS)}")
    planner = planner_settings(config.hedge, config.risk, Decimal(repr(notional_usd / 3)))
    # one leverage for all that is compared, or the charge on margin would differ between them
    planner = replace(planner, min_leverage=LEVERAGE, max_leverage=LEVERAGE)
    if name in ("relocation", "all"):
        kinds = (RELOCATE,) if name == "relocation" else (CUT, OPPOSITE, RELOCATE)
        band = 0.0 if name == "relocation" else planner.delta_band
        costs = {venue: _configured(config, venue) for venue in (INJECTIVE, *venues)}
        planner = replace(planner, delta_band=band, allow_own_cut=True)
        return Setting(name, INJECTIVE, venues, kinds, costs, planner, notional_usd, 8, "m24h")
    own, every_h = ("binance", 8) if name == "own" else ("hyperliquid", 1)
    planner = replace(
        planner, delta_band=1.0, allow_own_cut=True, equity_at_risk=1.0, capital_rate_per_year=0.0
    )
    return Setting(
        name, own, (), (CUT,), {own: LegCosts(1 * BP, 0.0)}, planner, notional_usd, every_h,
        "m24h", carry_per_h=1 * BP / every_h, priced=False,
    )  # fmt: skip


def _configured(config: Config, venue: str) -> LegCosts:
    costs = config.costs_of(venue)
    return LegCosts(
        float(costs.taker_fee + costs.half_spread), float(costs.impact(costs.depth_usd) / costs.depth_usd)
    )
