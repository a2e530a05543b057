"""The forecast of Injective's mean rate against what came. Drawn in percent a year, simple, not compounded."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from hedged.backtest.report.files import Run
from hedged.backtest.report.money import Floats, Grid, Instants, instants
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import INJECTIVE
from hedged.page import wording

PERCENT_A_YEAR = 24 * 365 * 100.0
"""From a fraction per hour to percent a year."""
COVERED = 0.9
"""The least part of a window that settlements must cover for its realised mean to count."""


@dataclass(frozen=True, slots=True)
class Score:
    """How the forecasts of one symbol fared, over every decision whose horizon has passed."""

    n: int
    inside_share: float
    direction_share: float


def realised_per_hour(funding: pl.DataFrame, ts_ms: Instants, horizon_h: Floats) -> Floats:
    """Return Injective's mean hourly rate over (ts, ts + horizon]; NaN until the horizon has passed."""
    home = funding.filter(pl.col("venue") == INJECTIVE).drop_nulls(["rate", "interval_hours"])
    settled = instants(home)
    if not len(settled):
        return np.full(len(ts_ms), np.nan)
    rates = np.concatenate([[0.0], np.cumsum(home["rate"].to_numpy())])
    hours = np.concatenate([[0.0], np.cumsum(home["interval_hours"].to_numpy())])
    end_ms = ts_ms + horizon_h * HOUR_MS
    first = np.searchsorted(settled, ts_ms, side="right")
    last = np.searchsorted(settled, end_ms, side="right")
    covered_h = hours[last] - hours[first]
    whole = (covered_h >= COVERED * horizon_h) & (end_ms <= settled[-1]) & (covered_h > 0)
    mean: Floats = np.where(whole, (rates[last] - rates[first]) / np.where(whole, covered_h, 1.0), np.nan)
    return mean


def score(low: Floats, mean: Floats, high: Floats, real: Floats) -> Score | None:
    """Score every forecast that can be: inside its band, and on the right side of zero."""
    known = np.isfinite(low) & np.isfinite(mean) & np.isfinite(high) & np.isfinite(real)
    if not known.any():
        return None
    low, mean, high, real = low[known], mean[known], high[known], real[known]
    inside = (real >= low) & (real <= high)
    return Score(len(real), float(inside.mean()), float((np.sign(mean) == np.sign(real)).mean()))


def _sampled(ts_ms: Instants, values: Floats, grid: Grid) -> list[float | None]:
    """Return the latest value within the step before each grid instant, in percent a year."""
    at = np.searchsorted(ts_ms, grid.at_ms, side="right") - 1
    fresh = (at >= 0) & (grid.at_ms - ts_ms[np.clip(at, 0, None)] < grid.step_ms)
    picked = np.where(fresh, values[np.clip(at, 0, None)] * PERCENT_A_YEAR, np.nan)
    return [round(float(v), 2) if np.isfinite(v) else None for v in picked]


def score_sentence(found: Score | None) -> str:
    """Say how good the forecasts were."""
    if found is None:
        return "No horizon has passed yet, so nothing can be scored."
    return (
        f"What came lay inside the band {wording.percent(found.inside_share)} of the time "
        f"(80{wording.THIN}% expected) and "
        f"on the forecast\u2019s side of zero {wording.percent(found.direction_share)}, "
        f"over {found.n:,} overlapping windows."
    )


def fans(run: Run, grid: Grid) -> dict[str, dict[str, Any]]:
    """Return every symbol's fan, sampled on the grid, with its score over all decisions."""
    drawn: dict[str, dict[str, Any]] = {}
    for symbol in run.symbols:
        decisions = run.of("decisions", symbol).drop_nulls(["rate_mean_per_hour", "horizon_h"])
        if decisions.is_empty():
            continue
        ts_ms, horizon_h = instants(decisions), decisions["horizon_h"].to_numpy()
        low, mean, high = (decisions[f"rate_{q}_per_hour"].to_numpy() for q in ("p10", "mean", "p90"))
        real = realised_per_hour(run.of("funding", symbol), ts_ms, horizon_h)
        parts = {"low": low, "mean": mean, "high": high, "real": real}
        drawn[symbol] = {name: _sampled(ts_ms, values, grid) for name, values in parts.items()}
        drawn[symbol] |= {
            "horizon_h": float(np.median(horizon_h)),
            "score": score_sentence(score(low, mean, high, real)),
        }
    return drawn
