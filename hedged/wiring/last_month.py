"""What the planner would have kept of the month behind: forecaster and plan of the daemon, walked through its window.

Every eighth hour the forecaster is shown the hours up to then and nothing of what came after; what is wanted then is
held from the next hour on, at today's prices and positions, and pays fees, half-spreads, impact and the charge on its
margin. At the end everything is closed. Left out: the gate, orders that are not filled, the other strategies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import numpy as np

from hedged.config import Config
from hedged.cycle import CycleReport
from hedged.domain.clock import HOURS_A_YEAR
from hedged.domain.market import INJECTIVE, Market, SeriesKey
from hedged.domain.orders import Hashes
from hedged.features.moments import moments
from hedged.features.resample import HourlyGrid
from hedged.forecast.port import Forecaster
from hedged.forecast.registry import make_forecaster
from hedged.strategy.funding_hedge import decide, planner_settings
from hedged.strategy.outlook import MONTH_H
from hedged.strategy.snapshot import Snapshot
from hedged.wiring.models.serving import model_path

EVERY_H = 8
TAUGHT_H = 14 * 24
"""Hours that a forecaster is shown before its first decision counts."""
LEAST_H = 7 * 24
"""Fewer hours are no measure of anything."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Of one market, USD: funding that hedges saved, what they cost in all and what closing the last of them at the end
    was of it; the largest leg held; `hours` looked at.
    """

    saved_usd: float
    cost_usd: float
    closing_usd: float
    most_usd: float
    hours: int

    @property
    def net_usd(self) -> float:
        """Return what is left of the saving."""
        return self.saved_usd - self.cost_usd


def read_kept(
    config: Config,
    equity_usd: Decimal,
    grid: HourlyGrid,
    markets: Mapping[SeriesKey, Market],
    report: CycleReport,
    on_share: Callable[[float], None],
) -> dict[str, Kept] | str:
    """Walk through the last month with the book and the forecaster of a cycle; or say why it cannot be told."""
    if not config.strategies.funding_hedge.enabled:
        return "the funding hedge is off"
    need_h, hours = TAUGHT_H + LEAST_H + 1, len(grid.times_ms)
    if hours < need_h:
        return f"it takes {need_h / 24:.0f} days of market data, and there are {hours / 24:.0f}"
    forecaster = make_forecaster(config.hedge.forecaster, model_path(config))
    hashes = Hashes(forecaster.model_hash, forecaster.feature_hash, config.hash)
    now = Snapshot(
        now_ms=report.now_ms,
        hashes=hashes,
        forecasts=report.forecasts,
        moments=moments(grid, config.hedge.horizon_h),
        own=report.account.own,
        attributed={},
        marks=report.marks,
        markets=markets,
        collateral_usd=report.account.collateral_usd,
        equity_usd=equity_usd,
    )
    return kept_lately(grid, forecaster, now, config, on_share)


def trained_until_ms(config: Config) -> int:
    """Return when the history ends that the forecaster's model was trained on; 0 for one that is not trained."""
    if config.hedge.forecaster != "ensemble":
        return 0
    from hedged.forecast.artefact import SHIPPED, load

    return int(datetime.fromisoformat(load(model_path(config) or SHIPPED).card.trained_to).timestamp() * 1000)


def kept_lately(
    grid: HourlyGrid,
    forecaster: Forecaster,
    now: Snapshot,
    config: Config,
    on_share: Callable[[float], None] = lambda _: None,
) -> dict[str, Kept]:
    """Walk through the last month of a window, as far as enough lies before it; by symbol, none where too little does.

    `forecaster`: one that nobody has asked yet, without knowledge of coming settlements; `now`: the book, its prices
    and markets, held as they are throughout.
    """
    hours = len(grid.times_ms)
    first = max(TAUGHT_H, hours - 1 - MONTH_H)
    looked_at = hours - 1 - first
    if looked_at < LEAST_H:
        return {}
    held: dict[SeriesKey, Decimal] = {}
    walk = _Walk(grid, now, config)
    for k in range(first, hours - 1):
        if (k - first) % EVERY_H == 0:
            wanted = _wanted(grid, k, forecaster, replace(now, attributed=held), config)
            walk.change(held, wanted)
            held = wanted
            on_share((k - first) / looked_at)
        walk.earn(held, k + 1)
    so_far = dict(walk.cost)
    walk.change(held, {})
    return {
        symbol: Kept(
            walk.saved[symbol],
            walk.cost[symbol],
            walk.cost[symbol] - so_far[symbol],
            walk.most[symbol],
            looked_at,
        )
        for symbol in sorted(walk.saved)
    }


def _wanted(
    grid: HourlyGrid, k: int, forecaster: Forecaster, then: Snapshot, config: Config
) -> dict[SeriesKey, Decimal]:
    """Return the positions that the plan wants at the end of hour k, knowing no later one."""
    known, hedge = grid.first(k + 1), config.hedge
    now_ms = int(known.times_ms[-1])
    forecasts = forecaster.forecast(known, now_ms, hedge.horizon_h)
    hashes = Hashes(forecasts.model_hash, forecasts.feature_hash, then.hashes.config)
    then = replace(
        then, now_ms=now_ms, hashes=hashes, forecasts=forecasts, moments=moments(known, hedge.horizon_h)
    )
    _, desired, _ = decide(then, hedge, config.risk, config.book.protect)
    wanted = dict(then.attributed) | {one.key: one.quantity for one in desired}
    return {key: quantity for key, quantity in wanted.items() if quantity}


class _Walk:
    """Books what positions earn and cost, by symbol."""

    def __init__(self, grid: HourlyGrid, now: Snapshot, config: Config) -> None:
        self._now, self._paid, self._row = now, grid.paid, grid.row
        settings = planner_settings(config.hedge, config.risk, now.equity_usd)
        self._charge_per_h = settings.capital_rate_per_year / HOURS_A_YEAR / settings.max_leverage
        mine = [s for s, q in now.own.items() if q and SeriesKey(INJECTIVE, s) in now.marks]
        self.saved, self.cost, self.most = (dict.fromkeys(mine, 0.0) for _ in range(3))

    def earn(self, held: Mapping[SeriesKey, Decimal], hour: int) -> None:
        """Book an hour. Where a venue's funding is not known, its leg earns and costs nothing."""
        size = dict.fromkeys(self.most, 0.0)
        for key, quantity in held.items():
            usd = self._usd(key, quantity)
            self.saved[key.symbol] -= usd * float(np.nan_to_num(self._paid[self._row[key], hour]))
            if key.venue != INJECTIVE:
                self.cost[key.symbol] += abs(usd) * self._charge_per_h
            size[key.symbol] = max(size[key.symbol], abs(usd))
        for symbol, usd in size.items():
            self.most[symbol] = max(self.most[symbol], usd)

    def change(self, before: Mapping[SeriesKey, Decimal], after: Mapping[SeriesKey, Decimal]) -> None:
        """Book the cost of going from some positions to others."""
        for key in {*before, *after}:
            usd = abs(self._usd(key, after.get(key, Decimal(0)) - before.get(key, Decimal(0))))
            costs = self._now.markets[key].costs
            per_usd = float(costs.taker_fee + costs.half_spread)
            self.cost[key.symbol] += usd * (per_usd + float(costs.impact(Decimal(1))) * usd)

    def _usd(self, key: SeriesKey, quantity: Decimal) -> float:
        return float(quantity * self._now.marks[key])
