"""How far the forecasts may be believed: told probabilities against how often it came so."""

from typing import Any

import numpy as np

from hedged.backtest.report.files import Run
from hedged.backtest.report.money import Floats, Instants
from hedged.backtest.report.outcomes import Outcomes, outcomes
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.evaluation.bootstrap import MIN_BLOCKS

DRAWS = 500
BINS = np.linspace(0.0, 1.0, 11)
MIN_IN_BIN = 20
"""Fewer forecasts in a bin of told probability say nothing of how often it came so."""
MAX_SPANS = 120


def reliability(run: Run) -> dict[str, dict[str, Any]]:
    """Return every symbol's reliability, and under "" that of all together; symbols without outcomes have none."""
    found = {symbol: told for symbol in run.symbols if (told := outcomes(run, symbol)) is not None}
    drawn = {symbol: _of(told) for symbol, told in found.items()}
    if len(found) > 1 and len({tuple(told.levels) for told in found.values()}) == 1:
        drawn[""] = _of(_together(list(found.values())))
    return drawn


def _together(all_told: list[Outcomes]) -> Outcomes:
    """Lay several symbols' forecasts together, in order of time."""
    order = np.argsort(np.concatenate([told.ts_ms for told in all_told]), kind="stable")

    def joined(name: str) -> Any:
        return np.concatenate([getattr(told, name) for told in all_told])[order]

    names = ("ts_ms", "horizon_h", "quantiles", "mean", "p_up", "real", "last")
    return Outcomes(levels=all_told[0].levels, **{name: joined(name) for name in names})


def _of(told: Outcomes) -> dict[str, Any]:
    below = told.real[:, None] <= told.quantiles
    low, high = intervals(below, told)
    return {
        "n": len(told.real),
        "independent": told.independent(),
        "levels": _rounded(told.levels),
        "share": _rounded(below.mean(axis=0)),
        "low": _rounded(low),
        "high": _rounded(high),
        "pit": pit(told),
        "up": _bins(told.p_up, told.real > told.last),
        "pays": _bins(1.0 - told.share_below(np.zeros(len(told.real))), told.real > 0),
        "coverage": coverage(told),
        "mae": _error(told.mean, told.real),
        "mae_last": _error(told.last, told.real),
    }


def intervals(below: "np.ndarray[Any, np.dtype[np.bool_]]", told: Outcomes) -> tuple[Floats, Floats]:
    """Return the 95 % interval (levels,) of the share that came below each quantile; NaN with too few blocks.

    Blocks are as long as the horizon, and a day at the least, as windows within one overlap; symbols share them.
    Source: Künsch 1989, blocks that do not overlap.
    """
    length_ms = max(DAY_MS, int(np.median(told.horizon_h) * HOUR_MS))
    block = ((told.ts_ms - told.ts_ms[0]) // length_ms).astype(np.int64)
    n_blocks = int(block[-1]) + 1
    nothing = np.full(below.shape[1], np.nan)
    if n_blocks < MIN_BLOCKS:
        return nothing, nothing
    counts = np.bincount(block, minlength=n_blocks).astype(float)
    sums = np.stack([np.bincount(block, weights=column, minlength=n_blocks) for column in below.T], axis=1)
    weights = np.random.default_rng(0).multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=DRAWS)
    drawn = (weights @ sums) / np.maximum(weights @ counts, 1.0)[:, None]
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return low, high


def pit(told: Outcomes) -> dict[str, list[Any]]:
    """Return how often what came fell between neighbouring quantiles, and the density: 1 everywhere is perfect."""
    edges = np.concatenate([[0.0], told.levels, [1.0]])
    place = (told.quantiles < told.real[:, None]).sum(axis=1)
    counts = np.bincount(place, minlength=len(edges) - 1)
    density = counts / len(place) / np.diff(edges)
    return {"edges": _rounded(edges), "count": counts.tolist(), "density": _rounded(density)}


def _bins(probability: Floats, came: "np.ndarray[Any, np.dtype[np.bool_]]") -> list[list[float]]:
    """Return [mean told probability, share that came, count] of every bin of told probability that holds enough."""
    known = np.isfinite(probability)
    place = np.clip(np.digitize(probability[known], BINS) - 1, 0, len(BINS) - 2)
    rows = []
    for k in np.unique(place):
        mine = place == k
        if (n := int(mine.sum())) >= MIN_IN_BIN:
            rows.append(
                [
                    round(float(probability[known][mine].mean()), 4),
                    round(float(came[known][mine].mean()), 4),
                    n,
                ]
            )
    return rows


def coverage(told: Outcomes) -> dict[str, Any]:
    """Return the share inside the central bands over time: by day, or by as many days as keep it readable."""
    bands = {"80": (0.1, 0.9), "50": (0.25, 0.75)}
    days = -(-int(told.ts_ms[-1] - told.ts_ms[0] + 1) // (MAX_SPANS * DAY_MS))
    span = (told.ts_ms - told.ts_ms[0]) // (days * DAY_MS)
    starts = np.flatnonzero(np.diff(span, prepend=-1))
    counts = np.diff(np.append(starts, len(span)))
    drawn: dict[str, Any] = {
        "days": days,
        "t": _middles(told.ts_ms, starts, counts),
        "n": counts.tolist(),
    }
    for name, (low, high) in bands.items():
        places = [int(at) for at in (np.argmin(abs(told.levels - level)) for level in (low, high))]
        if np.allclose(told.levels[places], (low, high)):
            inside = (told.real >= told.quantiles[:, places[0]]) & (told.real <= told.quantiles[:, places[1]])
            drawn[name] = _rounded(np.add.reduceat(inside.astype(float), starts) / counts)
    return drawn


def _middles(ts_ms: Instants, starts: Instants, counts: Instants) -> list[int]:
    return [int((ts_ms[i] + ts_ms[i + n - 1]) // 2) for i, n in zip(starts, counts, strict=True)]


def _error(told: Floats, real: Floats) -> float | None:
    """Return the mean absolute error in percent a year; None where nothing can be compared."""
    known = np.isfinite(told) & np.isfinite(real)
    if not known.any():
        return None
    return round(float(np.abs(told[known] - real[known]).mean()) * 24 * 365 * 100, 3)


def _rounded(values: Floats) -> list[float | None]:
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]
