"""Every leg of every coin as arrays, and which of them can pay at all, by bar: what a look at a bar begins with."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.batch.bars import Floats
from hedged.config import Config
from hedged.domain.clock import HOURS_A_YEAR
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.strategy.funding_hedge import planner_settings
from hedged.strategy.state import LegCosts, PlannerSettings

CUT, OPPOSITE, RELOCATE = 0, 1, 2
Ints = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LegTable:
    """Legs in the planner's order, all (legs,): their `coin`, `kind`, rows of the series that they `earn` and
    `pay` (the last where there is none) and of the market that they lie on (`far`), costs of a trade per USD and per
    USD². By coin: `side`, `own` coins, row of its market on Injective (`here`). By series: cost per USD and per USD²,
    maintenance `ratio`, and the `smallest` order, USD.
    """

    settings: PlannerSettings
    coins: tuple[str, ...]
    coin: Ints
    kind: Ints
    earn: Ints
    pay: Ints
    far: Ints
    trade: Floats
    impact: Floats
    side: Floats
    own: Floats
    here: Ints
    per_usd: Floats
    per_usd2: Floats
    ratio: Floats
    smallest: Floats
    distance: float

    @classmethod
    def of(
        cls, config: Config, markets: dict[SeriesKey, Market], own: dict[str, Decimal], equity_usd: Decimal
    ) -> "LegTable":
        """List the legs of every protected coin. `markets`: in the order of the series' rows."""
        row = {key: i for i, key in enumerate(markets)}
        none = len(row)
        protect = config.book.protect
        coins = tuple(
            s
            for s in sorted(own)
            if own[s] and SeriesKey(INJECTIVE, s) in row and (protect is None or s in protect)
        )
        costs = [LegCosts.of(market.costs) for market in markets.values()]
        legs: list[tuple[int, int, int, int, int]] = []
        for number, symbol in enumerate(coins):
            here = row[SeriesKey(INJECTIVE, symbol)]
            legs.append((number, CUT, here, none, here))
            for venue in sorted(config.hedge.venues):
                far = row.get(SeriesKey(venue, symbol))
                if far is not None:
                    legs += [(number, OPPOSITE, far, none, far), (number, RELOCATE, here, far, far)]
        coin, kind, earn, pay, far_ = (np.array(x, dtype=np.intp) for x in zip(*legs, strict=True))
        per_usd, per_usd2 = (
            np.array(x) for x in zip(*[(c.per_usd, c.impact_per_usd2) for c in costs], strict=True)
        )
        near = np.array([row[SeriesKey(INJECTIVE, s)] for s in coins], dtype=np.intp)
        both = kind == RELOCATE
        risk = config.risk
        return cls(
            planner_settings(config.hedge, risk, equity_usd), coins, coin, kind, earn, pay, far_,
            np.where(both, per_usd[near[coin]], 0.0) + per_usd[far_],
            np.where(both, per_usd2[near[coin]], 0.0) + per_usd2[far_],
            np.array([1.0 if own[s] > 0 else -1.0 for s in coins]), np.array([abs(float(own[s])) for s in coins]),
            near, per_usd, per_usd2,
            np.array([float(m.maintenance_margin_ratio) for m in markets.values()]),
            np.array([float(m.min_notional_usd) for m in markets.values()]),
            float(risk.min_liquidation_distance + risk.liquidation_cushion),
        )  # fmt: skip

    def most_leverage(self, sigma: Floats) -> Floats:
        """Return the most leverage of each leg, (legs, …), by the price's standard deviation, (coins, …)."""
        apart = np.maximum(self.distance, 3 * sigma)[self.coin]
        ratio = self.ratio[self.far].reshape(-1, *[1] * (apart.ndim - 1))
        out: Floats = np.minimum(self.settings.max_leverage, 1 / (apart * (1 + ratio) + ratio))
        return out

    def may_pay(self, means: Floats, usual: Floats, sigma: Floats) -> Flags:
        """Tell which legs may pay by themselves, (legs, bars): the charge on margin is taken at its least, so none that
        pays is left out. means, usual: (series + 1, bars), the last row 0; sigma (coins, bars).
        """
        settings, trade = self.settings, self.trade[:, None]
        charge = settings.capital_rate_per_year / HOURS_A_YEAR / self.most_leverage(sigma)
        charge = np.where((self.kind == CUT)[:, None], 0.0, charge)
        side = self.side[self.coin][:, None]
        with np.errstate(invalid="ignore"):
            saving = settings.horizon_h * (side * (means[self.earn] - means[self.pay]) - charge)
            after = settings.tail_h * (side * self._level(usual, means) - charge)
            out: Flags = saving + np.clip(after, -trade, trade) > trade - 1e-12
        return out

    def _level(self, usual: Floats, means: Floats) -> Floats:
        level = np.where(np.isnan(usual), means, usual)
        out: Floats = level[self.earn] - level[self.pay]
        return out
