"""Turns a run's files into what the charts draw, and nothing more: it all travels inside the page."""

from typing import Any

from hedged.backtest.report import text
from hedged.backtest.report.fan import fans
from hedged.backtest.report.files import Run
from hedged.backtest.report.money import Grid, cumulative, instants, waterfall
from hedged.backtest.report.timeline import CYCLE_MS, ROWS, Sentences, timelines

MAX_POINTS = 1_500


def period_ms(run: Run) -> tuple[int, int]:
    """Return the run's first and last instant: as its summary says, else as its tables show."""
    seen = [int(ts[i]) for ts in map(instants, (run.decisions, run.funding)) if len(ts) for i in (0, -1)]
    said = [at for key in ("from", "to") if (at := text.instant(run.summary.get(key)))]
    known = [round(at.timestamp() * 1_000) for at in said] if len(said) == 2 else seen
    return (min(known), max(known)) if known else (0, 0)


def make_grid(start_ms: int, end_ms: int) -> Grid:
    """Return at most MAX_POINTS whole cycles apart that reach from the start to the end or just past it."""
    cycles = -(-max(end_ms - start_ms, CYCLE_MS) // CYCLE_MS)
    step = -(-cycles // (MAX_POINTS - 1))
    return Grid(start_ms, step * CYCLE_MS, -(-cycles // step) + 1)


def chart_data(run: Run) -> dict[str, Any]:
    """Compute every chart of the page."""
    start_ms, end_ms = period_ms(run)
    grid, sentences = make_grid(start_ms, end_ms), Sentences()
    return {
        "symbols": run.symbols,
        "period": [start_ms, end_ms],
        "grid": {"start": grid.start_ms, "step": grid.step_ms, "n": grid.n},
        "cumulative": cumulative(run, grid),
        "waterfall": waterfall(run),
        "rows": ROWS,
        "timeline": timelines(run, sentences),
        "fan": fans(run, grid),
        "sentences": sentences.all,
    }
