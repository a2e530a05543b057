"""Turns a run's files into what the charts draw, and nothing more: it all travels inside the page."""

from typing import Any

from hedged.backtest.report import text
from hedged.backtest.report.baselines import daily_lines
from hedged.backtest.report.fan import fans
from hedged.backtest.report.files import Run
from hedged.backtest.report.money import Grid, cumulative, instants, waterfall
from hedged.backtest.report.regimes import models_of, regimes_of
from hedged.backtest.report.reliability import reliability
from hedged.backtest.report.timeline import CYCLE_MS, ROWS, Sentences, timelines

MAX_POINTS = 1_500
ALL_POINTS = 12_000
LEAST_POINTS = 300


def points_of(symbols: int) -> int:
    """Return how many points each line may have: many symbols share what a phone can hold."""
    return max(LEAST_POINTS, min(MAX_POINTS, ALL_POINTS // max(symbols, 1)))


def period_ms(run: Run) -> tuple[int, int]:
    """Return the run's first and last instant: as its summary says, else as its tables show."""
    seen = [int(ts[i]) for ts in map(instants, (run.decisions, run.funding)) if len(ts) for i in (0, -1)]
    said = [at for key in ("from", "to") if (at := text.instant(run.summary.get(key)))]
    known = [round(at.timestamp() * 1_000) for at in said] if len(said) == 2 else seen
    return (min(known), max(known)) if known else (0, 0)


def make_grid(start_ms: int, end_ms: int, most: int = MAX_POINTS) -> Grid:
    """Return at most `most` instants, whole cycles apart, that reach from the start to the end or just past it."""
    cycles = -(-max(end_ms - start_ms, CYCLE_MS) // CYCLE_MS)
    step = -(-cycles // (most - 1))
    return Grid(start_ms, step * CYCLE_MS, -(-cycles // step) + 1)


def chart_data(run: Run) -> dict[str, Any]:
    """Compute every chart of the page."""
    start_ms, end_ms = period_ms(run)
    most = points_of(len(run.symbols))
    grid, sentences = make_grid(start_ms, end_ms, most), Sentences()
    return {
        "symbols": run.symbols,
        "period": [start_ms, end_ms],
        "grid": {"start": grid.start_ms, "step": grid.step_ms, "n": grid.n},
        "cumulative": cumulative(run, grid.at_ms),
        "baselines": daily_lines(run),
        "regimes": regimes_of(run, (start_ms, end_ms)),
        "models": models_of(run, (start_ms, end_ms)),
        "cap": (run.summary.get("assumptions") or {}).get("cap"),
        "waterfall": waterfall(run),
        "rows": ROWS,
        "timeline": timelines(run, sentences, most),
        "fan": fans(run, grid),
        "reliability": reliability(run),
        "sentences": sentences.all,
    }
