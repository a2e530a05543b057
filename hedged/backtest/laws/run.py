"""The laws of a run, whoever forecasts: found in a folder that many runs share, else made in the quickest way."""

import fcntl
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from hedged.backtest.laws.build import Asked, Progress, precomputed
from hedged.backtest.laws.table import LawTable
from hedged.directories import make_directory
from hedged.forecast.port import Forecaster
from hedged.forecast.registry import make_forecaster
from hedged.forecast.reign import Reign

Builder = Callable[[Path | None], LawTable]
"""Reads the laws that a directory holds, else makes them there."""


def laws_of(
    asked: Asked,
    reigns: Sequence[Reign] = (),
    folder: Path | None = None,
    dtype: DTypeLike = np.float32,
    threads: int | None = None,
    on_progress: Progress = lambda _: None,
) -> LawTable:
    """Return the laws of a window by the forecaster that the configuration names, or by the models of `reigns`.

    `folder`: keeps the laws of many runs, each under its key; several processes may use it at once: the second one that
    wants the same waits for the first.
    """
    forecaster = forecaster_of(asked, reigns)
    build = _builder(asked, reigns, forecaster, dtype, threads, on_progress)
    if folder is None:
        return build(None)
    key = asked.key(forecaster.model_hash)
    kept = folder / f"{key}-{np.dtype(dtype).name}"
    if (found := LawTable.load(kept, key)) is not None:
        return found
    make_directory(folder)
    with (folder / f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it ends with the process, however that does
        return build(kept)  # or what another process has made of it meanwhile; the card is written last


def forecaster_of(asked: Asked, reigns: Sequence[Reign] = ()) -> Forecaster:
    """Return whose laws they are, as nobody has asked it yet."""
    hedge, crowded = asked.config.hedge, asked.config.strategies.crowded_share
    if reigns:
        # its library takes a while to import, and the daemon reads this module too
        from hedged.forecast.succession import Succession

        return Succession(reigns, crowded)
    return make_forecaster(hedge.forecaster, hedge.model, crowded_share=crowded)


def _builder(
    asked: Asked,
    reigns: Sequence[Reign],
    forecaster: Forecaster,
    dtype: DTypeLike,
    threads: int | None,
    on_progress: Progress,
) -> Builder:
    """Return what makes the laws in a directory."""
    if reigns:
        from hedged.backtest.laws.ensemble import succession_laws

        return lambda directory: succession_laws(asked, reigns, directory, dtype, threads, on_progress)
    if asked.config.hedge.forecaster == "ensemble":
        from hedged.backtest.laws.ensemble import ensemble_laws

        model = asked.config.hedge.model
        return lambda directory: ensemble_laws(asked, model, directory, dtype, threads, on_progress)
    return lambda directory: precomputed(forecaster, asked, directory, dtype, on_progress)
