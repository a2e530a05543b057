"""The forecast of Injective's mean rate against what came. Drawn in percent a year, simple, not compounded."""

from typing import Any

import numpy as np

from hedged.backtest.report.files import LEVEL_OF, Run
from hedged.backtest.report.money import Floats, Grid, Instants, instants
from hedged.backtest.report.outcomes import Outcomes, levels_of, outcomes, realised_per_hour, told
from hedged.domain.clock import HOUR_MS
from hedged.page import wording

PERCENT_A_YEAR = 24 * 365 * 100.0
"""From a fraction per hour to percent a year."""
DRAWN = {"q10": "low", "q25": "lower", "q75": "upper", "q90": "high"}
"""Levels that the fan draws, by what the chart calls them."""


def _sampled(ts_ms: Instants, values: Floats, grid: Grid) -> list[float | None]:
    """Return the latest value that stood at each grid instant, an hour old at most, in percent a year."""
    at = np.searchsorted(ts_ms, grid.at_ms, side="right") - 1
    fresh = (at >= 0) & (grid.at_ms - ts_ms[np.clip(at, 0, None)] < max(HOUR_MS, grid.step_ms))
    picked = np.where(fresh, values[np.clip(at, 0, None)] * PERCENT_A_YEAR, np.nan)
    return [round(float(v), 2) if np.isfinite(v) else None for v in picked]


def score_sentence(found: Outcomes | None) -> str:
    """Say how good the forecasts were, over every one whose horizon has passed."""
    if found is None:
        return "No horizon has passed yet, so nothing can be scored."
    names = {level: i for i, level in enumerate(found.levels.tolist())}
    right = wording.percent(float((np.sign(found.mean) == np.sign(found.real)).mean()))
    inside = ""
    if LEVEL_OF["q10"] in names and LEVEL_OF["q90"] in names:
        low, high = (found.quantiles[:, names[LEVEL_OF[name]]] for name in ("q10", "q90"))
        share = wording.percent(float(((found.real >= low) & (found.real <= high)).mean()))
        inside = f"inside the band {share} of the time (80{wording.THIN}% expected) and "
    side = f"on the forecast\u2019s side of zero {right}"
    return f"What came lay {inside}{side}, over {len(found.real):,} overlapping windows."


def fans(run: Run, grid: Grid) -> dict[str, dict[str, Any]]:
    """Return every symbol's fan, sampled on the grid, with its score over all forecasts."""
    drawn: dict[str, dict[str, Any]] = {}
    for symbol in run.symbols:
        every = told(run, symbol)
        if every.is_empty():
            continue
        ts_ms, horizon_h = instants(every), every["horizon_h"].to_numpy()
        parts = {DRAWN[name]: every[name].to_numpy() for name in levels_of(every) if name in DRAWN}
        parts |= {
            "mean": every["mean"].to_numpy(),
            "real": realised_per_hour(run.of("funding", symbol), ts_ms, horizon_h),
        }
        drawn[symbol] = {name: _sampled(ts_ms, values, grid) for name, values in parts.items()}
        drawn[symbol] |= {
            "horizon_h": float(np.median(horizon_h)),
            "score": score_sentence(outcomes(run, symbol)),
        }
    return drawn
