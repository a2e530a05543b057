"""The figures of a run as a tree for summary.json."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from hedged.backtest.metrics.course import Course, Days, Unhedged
from hedged.backtest.metrics.definitions import LABELS, Metric
from hedged.backtest.metrics.formulas import Floats, Frame, Part
from hedged.backtest.metrics.sums import drawn, sums_of, totals
from hedged.domain.clock import DAY_MS

SEED = 20_250_903
"""Of every bootstrap: the same run gives the same intervals."""


def figures(
    course: Course,
    courses: Sequence[Course],
    alone: Unhedged,
    days: Days,
    frame: Frame,
    by_fills: Mapping[Metric, Part] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return every figure of one course. `courses`: the baselines that it is held against; `by_fills`: figures that
    only fills can tell, not known where there are none.
    """
    known = {one.name: one for one in courses}
    daily = sums_of(course, alone, known.get("foresight"), known.get("constant"))
    was, might = totals(daily), drawn(daily, np.random.default_rng(SEED))
    net = daily.net
    worst = int(net.argmin())
    direct = {Metric.WORST_DAY: Part(net[worst : worst + 1])} | dict(by_fills or {})
    unknown = Part(np.array([np.nan]))
    found = {}
    for metric in Metric:
        part = metric.of(was, frame) if metric.of else direct.get(metric, unknown)
        found[str(metric)] = _tree(metric, part)
        if metric.of and might is not None and np.isfinite(part.value[0]):
            low, high = interval(metric.of(might, frame).value)
            if low != high:  # what no draw changes is not uncertain
                found[str(metric)] |= {"low": low, "high": high}
    found[Metric.WORST_DAY]["date"] = iso_day(days, worst)
    return found


def _tree(metric: Metric, part: Part) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "value": number(part.value[0]),
        "low": None,
        "high": None,
        "unit": metric.unit,
        "label": metric.label,
        "definition": metric.meaning,
    }
    for name, money in (("numerator_usd", part.numerator_usd), ("denominator_usd", part.denominator_usd)):
        if money is not None:
            tree[name] = number(money[0])
    return tree


def interval(draws: Floats) -> tuple[float | None, float | None]:
    """Return the 95 % interval of draws; unknown where a draw in twenty or more is."""
    if np.isnan(draws).mean() > 0.05:
        return None, None
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return float(low), float(high)


def number(value: float) -> float | None:
    """Return a figure as JSON knows it: what is not known is null."""
    return float(value) if np.isfinite(value) else None


def baseline_rows(courses: Sequence[Course], alone: Unhedged) -> list[dict[str, Any]]:
    """Return a row for each course: money in USD, with the 95 % interval of its net saving."""
    return [_row(course, alone) for course in courses]


def _row(course: Course, alone: Unhedged) -> dict[str, Any]:
    daily = sums_of(course, alone, None, None)
    might = drawn(daily, np.random.default_rng(SEED))
    low, high = interval(might.net) if might is not None else (None, None)
    return {
        "name": course.name,
        "label": LABELS[course.name][0],
        "net_saving_usd": float(daily.net.sum()),
        "low_usd": low,
        "high_usd": high,
        "saved_usd": float(daily.saved.sum()),
        "costs_usd": float(daily.cost.sum()),
        "turnover_usd": float(daily.turnover.sum()),
        "worst_day_usd": float(daily.net.min()),
        "decides_every_h": course.every_h,
    }


def daily_table(courses: Sequence[Course], days: Days) -> pl.DataFrame:
    """Return what each course saved and cost, by day and symbol: day, name, symbol, saved_usd, cost_usd."""
    first = datetime.fromtimestamp(days.first * DAY_MS / 1_000, UTC).date()
    dates = pl.date_range(first, first + pl.duration(days=days.count - 1), eager=True)
    parts = [
        pl.DataFrame(
            {"day": dates, "name": course.name, "symbol": symbol, "saved_usd": saved, "cost_usd": cost}
        )
        for course in courses
        for symbol, saved, cost in zip(course.symbols, course.saved_usd, course.cost_usd, strict=True)
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=DAILY)


DAILY = {
    "day": pl.Date(), "name": pl.String(), "symbol": pl.String(), "saved_usd": pl.Float64(), "cost_usd": pl.Float64(),
}  # fmt: skip


def iso_day(days: Days, place: int) -> str:
    """Return the date of the day of that number."""
    return datetime.fromtimestamp((days.first + place) * DAY_MS / 1_000, UTC).date().isoformat()
