"""The figures of a run as a tree for summary.json."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from hedged.backtest.metrics.course import Course, Days, Unhedged
from hedged.backtest.metrics.definitions import LABELS, Metric
from hedged.backtest.metrics.formulas import Floats, Frame
from hedged.backtest.metrics.sums import Sums, drawn, sums_of, totals
from hedged.domain.clock import DAY_MS

SEED = 20_250_903
"""Of every bootstrap: the same run gives the same intervals."""


def figures(
    course: Course,
    courses: Sequence[Course],
    alone: Unhedged,
    days: Days,
    frame: Frame,
    naked_h: float | None,
) -> dict[str, dict[str, Any]]:
    """Return every figure of one course. `courses`: the baselines that it is held against; `naked_h`: hours in which a
    leg stood alone, None where there are no fills to tell.
    """
    known = {one.name: one for one in courses}
    daily = sums_of(course, alone, known.get("foresight"), known.get("constant"))
    was, might = totals(daily), drawn(daily, np.random.default_rng(SEED))
    found = {str(metric): _figure(metric, was, might, frame) for metric in Metric if metric.of}
    net = daily.net
    worst = int(net.argmin())
    found[Metric.WORST_DAY] = _tree(Metric.WORST_DAY, float(net[worst])) | {"date": iso_day(days, worst)}
    found[Metric.NAKED_HOURS] = _tree(Metric.NAKED_HOURS, naked_h)
    return {str(metric): found[metric] for metric in Metric}


def _figure(metric: Metric, was: Sums, might: Sums | None, frame: Frame) -> dict[str, Any]:
    assert metric.of is not None
    part = metric.of(was, frame)
    tree = _tree(metric, float(part.value[0]))
    if might is not None and tree["value"] is not None:
        tree["low"], tree["high"] = interval(metric.of(might, frame).value)
    for name, money in (("numerator_usd", part.numerator_usd), ("denominator_usd", part.denominator_usd)):
        if money is not None:
            tree[name] = number(float(money[0]))
    return tree


def _tree(metric: Metric, value: float | None) -> dict[str, Any]:
    return {
        "value": number(value),
        "low": None,
        "high": None,
        "unit": metric.unit,
        "label": metric.label,
        "definition": metric.meaning,
    }


def interval(draws: Floats) -> tuple[float | None, float | None]:
    """Return the 95 % interval of draws; unknown where a draw in twenty or more is."""
    if np.isnan(draws).mean() > 0.05:
        return None, None
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return float(low), float(high)


def number(value: float | None) -> float | None:
    """Return a figure as JSON knows it: what is not known is null."""
    return value if value is not None and np.isfinite(value) else None


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
