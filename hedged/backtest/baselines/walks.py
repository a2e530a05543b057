"""The baselines of a run, each symbol by itself, summed to the book.

What differs from the run, and is told with the figures: decisions fall on whole hours, those of the planner some hours
apart; each symbol is planned alone with the whole equity; no gate, no rounding to steps and ticks, no price moves
between decision and fill; the margin at a venue is always enough for the cap, and no leg is liquidated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.baselines.history import window_history
from hedged.backtest.metrics.course import Course, Days
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.config import Config
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.evaluation.hedging.history import HedgeHistory
from hedged.evaluation.hedging.laws import told_by_rule
from hedged.evaluation.hedging.perfect import foresee
from hedged.evaluation.hedging.scenarios import Scenarios
from hedged.evaluation.hedging.setting import Setting
from hedged.evaluation.hedging.walk import Planned, Walked, account, constant, on_sign, walk
from hedged.features.targets import HOURS
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE
from hedged.strategy.funding_hedge import planner_settings
from hedged.strategy.state import LegCosts

Floats = NDArray[np.float64]
NAMES = ("none", "constant", "on_sign", "persistence", "ewma", "foresight")
PLANNED = ("persistence", "ewma")
EVERY_H = (4, 8, 12, 24)
"""Hours between the planner's decisions: the least of these at which a book takes no more than MOST_PLANS."""
MOST_PLANS = 8_000
"""Some seconds of work: baselines may not take longer than the run that they stand beside."""


def baseline_courses(
    config: Config,
    world: World,
    own: Mapping[str, Decimal],
    window: Window,
    equity_usd: Decimal,
    days: Days,
    symbols: tuple[str, ...],
    ended: Mapping[str, int] | None = None,
) -> list[Course]:
    """Walk every baseline through a window. `own`: signed coins on Injective; rows as `symbols`, of which those without
    an own position, or without a price, stay zero. `ended`: when an own position was closed by force, ms by symbol.
    """
    tables = {name: np.zeros((3, len(symbols), days.count)) for name in NAMES}
    every_h = planned_every_h(window, len(own))
    decides_every_h = {"on_sign": 1, "foresight": 1} | dict.fromkeys(PLANNED, every_h)
    for row, symbol in enumerate(symbols):
        quantity = float(own.get(symbol, Decimal(0)))
        held = replace(window, to_ms=min(window.to_ms, (ended or {}).get(symbol, window.to_ms)))
        history = window_history(world.series, _keys(config, world, symbol), held) if quantity else None
        if history is None:
            continue
        setting = _setting(config, world, history, quantity, equity_usd)
        for name, walked in _walks(history, setting, 1 if quantity > 0 else -1, every_h):
            tables[name][:, row] = _by_day(history, walked, days)
    return [
        Course(name, symbols, saved, cost, turnover, decides_every_h.get(name))
        for name, (saved, cost, turnover) in tables.items()
    ]


def planned_every_h(window: Window, symbols: int) -> int:
    """Return how many hours lie between the planner's decisions."""
    hours = (window.to_ms - window.from_ms) / HOUR_MS * symbols * len(PLANNED)
    return next((every_h for every_h in EVERY_H if hours / every_h <= MOST_PLANS), EVERY_H[-1])


def _keys(config: Config, world: World, symbol: str) -> tuple[SeriesKey, ...]:
    there = [SeriesKey(venue, symbol) for venue in config.hedge.venues]
    return SeriesKey(INJECTIVE, symbol), *(key for key in there if key in world.markets)


def _setting(
    config: Config, world: World, history: HedgeHistory, quantity: float, equity_usd: Decimal
) -> Setting:
    """Return the run's own costs, cap and venues, for a position that is `quantity` signed coins."""
    here = history.keys[0]
    first_price = float(np.exp(history.log_price[0, history.stretches[0][0]]))
    kinds = (CUT, OPPOSITE, RELOCATE) if config.hedge.allow_own_cut else (OPPOSITE,)
    costs = {
        key.venue: LegCosts(
            float(of.taker_fee + of.half_spread), float(of.impact(of.depth_usd) / of.depth_usd)
        )
        for key in history.keys
        for of in (world.markets[key].costs,)
    }
    return Setting(
        name="run",
        own=here.venue,
        venues=tuple(key.venue for key in history.keys[1:]),
        kinds=kinds,
        costs=costs,
        planner=planner_settings(config.hedge, config.risk, equity_usd),
        notional_usd=abs(quantity) * first_price,
        every_h=1,
        horizon=min(HOURS, key=lambda name: abs(HOURS[name] - config.hedge.horizon_h)),
        closes=False,
    )


def _walks(history: HedgeHistory, setting: Setting, side: int, every_h: int) -> Iterator[tuple[str, Walked]]:
    # the charge on margin moves the planner; the run's saving does not bear it, so neither does theirs
    free = setting.with_planner(capital_rate_per_year=0.0)
    yield "constant", account(history, free, side, walk(history, free, constant(free)))
    yield "on_sign", account(history, free, side, walk(history, free, on_sign(history, free, side, among=1)))
    slow = replace(setting, every_h=every_h)
    for name in PLANNED:
        told = told_by_rule(name, history, setting.horizon)
        planned = Planned(history, slow, side, Scenarios(history, told, setting.horizon))
        held = walk(history, slow, planned)
        yield name, account(history, free, side, held, planned.unplanned)
    yield "foresight", account(history, free, side, foresee(history, free, side))


def _by_day(history: HedgeHistory, walked: Walked, days: Days) -> Floats:
    """Return funding saved, costs and notional traded by day, (3, days). A change is made an hour before it counts."""
    inside = history.walked
    settled, changed = (
        np.clip((ts // (24 * HOUR_MS)) - days.first, 0, days.count - 1)
        for ts in (history.ts_ms[inside], history.ts_ms[inside] - HOUR_MS)
    )
    return np.stack(
        [
            np.bincount(settled, walked.saved_usd[inside], days.count),
            np.bincount(changed, walked.cost_usd[inside], days.count),
            np.bincount(changed, walked.traded_usd[inside], days.count),
        ]
    )
