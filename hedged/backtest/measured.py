"""A run held against its baselines: the courses by day, and the part of summary.json that tells of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from hedged.backtest.baselines.walks import baseline_courses
from hedged.backtest.forced import ended_ms
from hedged.backtest.metrics.by_fills import maker_share, naked_hours
from hedged.backtest.metrics.course import (
    Course,
    Days,
    Unhedged,
    as_paid,
    course_of,
    held_symbols,
    unhedged,
)
from hedged.backtest.metrics.definitions import Metric
from hedged.backtest.metrics.formulas import MONTH_DAYS, Frame, Part
from hedged.backtest.metrics.measure import baseline_rows, daily_table, figures
from hedged.backtest.runner import RunResult
from hedged.backtest.world import World
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.domain.funding import Settlement
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.strategy.outlook import verdict

YARDSTICK = "ewma"
"""The way of hedging that stands for the run under the proxy rule that the run was not played under."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`courses`: the run first, then its baselines. `by_rule`: the figures under each proxy rule, where a stand-in is
    used.
    """

    courses: tuple[Course, ...]
    alone: Unhedged
    days: Days
    frame: Frame
    metrics: dict[str, dict[str, Any]]
    by_rule: dict[str, dict[str, Any]]

    def summary(self) -> dict[str, Any]:
        """Return what summary.json gains."""
        return {
            "metrics": self.metrics,
            "baselines": baseline_rows(self.courses, self.alone),
            "proxy_rules": self.by_rule,
            "worth": self.worth,
        }

    @property
    def worth(self) -> str:
        """Say in a sentence or two whether hedging this book is worth it (requirement A15)."""
        months = MONTH_DAYS / self.frame.days
        net = {one.name: float(one.net_usd.sum()) * months for one in self.courses}
        return verdict(
            {"in this window": float(self.alone.funding_usd.sum()) * months}, net["foresight"], net["hedged"]
        )

    def daily(self) -> pl.DataFrame:
        """Return the table daily.parquet."""
        return daily_table(self.courses, self.days)


def measure(
    result: RunResult,
    world: World,
    settlements: Sequence[Settlement],
    other: tuple[World, Sequence[Settlement]] | None = None,
) -> Measured:
    """Reckon everything. `settlements`: Injective's prints within the window, whatever was held; `other`: world and
    prints under the other proxy rule, where a stand-in is used.
    """
    config, window = result.config, result.window
    own = own_of(result)
    days, symbols = Days.of(window), held_symbols(result)
    settlements = as_paid(settlements, result)
    alone = unhedged(own, settlements, days, symbols)
    baselines = _baselines(world, result, own, days, symbols)
    courses = (course_of(result, own, settlements, days, symbols), *baselines)
    frame = _frame(result, world, own)
    naked = naked_hours(result.fills, own, world.markets, config.cycle.interval_s * SECOND_MS, window.to_ms)
    by_fills = {Metric.NAKED_HOURS: Part(np.array([naked])), Metric.MAKER_SHARE: maker_share(result.fills)}
    metrics = figures(courses[0], baselines, alone, days, frame, by_fills)
    by_rule: dict[str, dict[str, Any]] = {}
    if world.proxy:
        by_rule[world.proxy.rule] = metrics | _told_by("hedged", courses, alone)
    if other and other[0].proxy:
        by_rule[other[0].proxy.rule] = _under(*other, result, own, days, symbols)
    return Measured(courses, alone, days, frame, metrics, by_rule)


def _under(
    world: World,
    settlements: Sequence[Settlement],
    result: RunResult,
    own: Mapping[str, Decimal],
    days: Days,
    symbols: tuple[str, ...],
) -> dict[str, Any]:
    """Return the yardstick's figures in a world in which the run was not played."""
    alone = unhedged(own, settlements, days, symbols)
    courses = _baselines(world, result, own, days, symbols)
    of = next(one for one in courses if one.name == YARDSTICK)
    found = figures(of, courses, alone, days, _frame(result, world, own))
    return found | _told_by(YARDSTICK, courses, alone)


def _baselines(
    world: World, result: RunResult, own: Mapping[str, Decimal], days: Days, symbols: tuple[str, ...]
) -> list[Course]:
    ended = ended_ms(result.accounts)
    return baseline_courses(result.config, world, own, result.window, result.equity_usd, days, symbols, ended)


def _told_by(name: str, courses: Sequence[Course], alone: Unhedged) -> dict[str, Any]:
    return {"of": name, "baselines": baseline_rows(courses, alone)}


def own_of(result: RunResult) -> dict[str, Decimal]:
    """Return the own positions of a run, signed coins by symbol: as they were first told."""
    return {symbol: quantity for _, _, symbol, quantity in reversed(result.book)}


def _frame(result: RunResult, world: World, own: Mapping[str, Decimal]) -> Frame:
    """Return what a run is measured against."""
    config, window = result.config, result.window
    prices = {s: world.price(SeriesKey(INJECTIVE, s), window.from_ms) or Decimal(0) for s in own}
    return Frame(
        days=(window.to_ms - window.from_ms) / DAY_MS,
        notional_usd=float(sum((abs(q) * prices[s] for s, q in own.items()), Decimal(0))),
        cap=float(config.hedge.cap),
        collateral_usd=float(result.equity_usd * config.hedge.collateral_share * len(config.hedge.venues)),
        capital_rate_per_year=float(config.hedge.capital_rate_per_year),
    )
