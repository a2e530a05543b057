"""A window by the batch engine, its forecasts made beforehand: what `hedged backtest` and `hedged sweep` play."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hedged.backtest.batch.asking import Asking
from hedged.backtest.batch.engine import Book, run_batch
from hedged.backtest.batch.law_arrays import Tells
from hedged.backtest.batch.supported import check_supported
from hedged.backtest.laws.build import Asked
from hedged.backtest.laws.run import forecaster_of, laws_of
from hedged.backtest.runner import RunResult, Window
from hedged.backtest.world import World
from hedged.config import Config
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.forecast.reign import Reign

EVERY_MS = HOUR_MS
"""All coins' decisions are told so often: at every hour the forecasts of the report and what was held are whole."""

Progress = Callable[[str, float], None]
"""Called with a stage and the share of it that is done."""


def run_on_laws(
    config: Config,
    world: World,
    book: Book,
    window: Window,
    reigns: Sequence[Reign] = (),
    folder: Path | None = None,
    on_progress: Progress = lambda _stage, _share: None,
    *,
    every_ms: int = EVERY_MS,
    threads: int | None = None,
) -> RunResult:
    """Play a window as `run_batch` does, with the forecaster that the configuration names or the models of `reigns`.

    `folder`: keeps the forecasts for other runs; None: memory. They are kept in full precision, so that the run is the
    one of a forecaster asked on the way. Where a print becomes known between two hours, which the daemon hears at once
    and laws an hour later, the forecaster is asked on the way. Raises ConfigError for what the engine does not play.
    """
    check_supported(config)
    asked = Asked(world, config, tuple(sorted(book)), window)
    laws: Tells
    if heard_between_hours(asked):
        laws = Asking(forecaster_of(asked, reigns), world, config, asked.symbols, window)
    else:
        laws = laws_of(
            asked, reigns, folder, np.float64, threads, lambda share: on_progress("forecasts", share)
        )
    span_ms = window.to_ms - window.from_ms
    return run_batch(
        config, world, book, window, laws, lambda now_ms: on_progress("bars", (now_ms - window.from_ms) / span_ms),
        every_ms=every_ms,
    )  # fmt: skip


def heard_between_hours(asked: Asked) -> bool:
    """Tell whether a daemon would hear of a settlement within the window at a bar that ends no whole hour."""
    bar_ms, window = asked.config.cycle.bar_s * SECOND_MS, asked.window
    for key in asked.keys:
        heard_ms = -(-asked.world.series[key].told_ms // bar_ms) * bar_ms
        within = (heard_ms > window.from_ms) & (heard_ms < window.to_ms)
        if (within & (heard_ms % HOUR_MS != 0)).any():
            return True
    return False
