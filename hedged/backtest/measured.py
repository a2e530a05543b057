"""A run held against its baselines: the courses by day, and the part of summary.json that tells of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from hedged.backtest.baselines.walks import baseline_courses
from hedged.backtest.metrics.course import (
    Course,
    Days,
    Unhedged,
    as_paid,
    course_of,
    held_symbols,
    unhedged,
)
from hedged.backtest.metrics.formulas import Frame
from hedged.backtest.metrics.measure import baseline_rows, daily_table, figures
from hedged.backtest.metrics.naked import naked_hours
from hedged.backtest.runner import RunResult
from hedged.backtest.world import World
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.domain.funding import Settlement
from hedged.domain.market import INJECTIVE, SeriesKey


@dataclass(frozen=True, slots=True)
class Measured:
    """`courses`: the run first, then its baselines."""

    courses: tuple[Course, ...]
    alone: Unhedged
    days: Days
    metrics: dict[str, dict[str, Any]]

    def summary(self) -> dict[str, Any]:
        """Return what summary.json gains."""
        return {"metrics": self.metrics, "baselines": baseline_rows(self.courses, self.alone)}

    def daily(self) -> pl.DataFrame:
        """Return the table daily.parquet."""
        return daily_table(self.courses, self.days)


def measure(result: RunResult, world: World, settlements: Sequence[Settlement]) -> Measured:
    """Reckon everything. `settlements`: Injective's prints within the window, whatever was held."""
    config, window = result.config, result.window
    own = own_of(result)
    days, symbols = Days.of(window), held_symbols(result)
    settlements = as_paid(settlements, result)
    alone = unhedged(own, settlements, days, symbols)
    run = course_of(result, own, settlements, days, symbols)
    courses = (run, *baseline_courses(config, world, own, window, result.equity_usd, days, symbols))
    naked = naked_hours(result.fills, own, world.markets, config.cycle.interval_s * SECOND_MS, window.to_ms)
    return Measured(
        courses, alone, days, figures(run, courses[1:], alone, days, frame_of(result, world, own), naked)
    )


def own_of(result: RunResult) -> dict[str, Decimal]:
    """Return the own positions of a run, signed coins by symbol: as they were first told."""
    return {symbol: quantity for _, _, symbol, quantity in reversed(result.book)}


def frame_of(result: RunResult, world: World, own: dict[str, Decimal]) -> Frame:
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
