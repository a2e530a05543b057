"""The laws of a run, whoever forecasts: found in a folder that many runs share, else made in the quickest way."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import DTypeLike

from hedged.backtest.laws_build import Asked, Progress, precomputed
from hedged.backtest.laws_table import LawTable
from hedged.forecast.port import Forecaster
from hedged.forecast.registry import make_forecaster
from hedged.forecast.reign import Reign

Builder = Callable[[Path | None], LawTable]


def laws_of(
    asked: Asked,
    reigns: Sequence[Reign] = (),
    folder: Path | None = None,
    dtype: DTypeLike = np.float32,
    threads: int | None = None,
    on_progress: Progress = lambda _: None,
) -> LawTable:
    """Return the laws of a window by the forecaster that the configuration names, or by the models of `reigns`.

    `folder`: keeps the laws of many runs, each under its key; several processes may use it at once.
    """
    forecaster, build = _builder(asked, reigns, dtype, threads, on_progress)
    if folder is None:
        return build(None)
    key = asked.key(forecaster.model_hash)
    if (kept := LawTable.load(folder / key, key)) is not None:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="making-", dir=folder) as making:
        made = build(Path(making) / key)
        try:
            (Path(making) / key).rename(folder / key)
        except OSError:  # another process was quicker: these are the same
            return LawTable.load(folder / key, key) or made
    return made


def _builder(
    asked: Asked, reigns: Sequence[Reign], dtype: DTypeLike, threads: int | None, on_progress: Progress
) -> tuple[Forecaster, Builder]:
    """Return whose laws they are, and what makes them in a directory."""
    hedge, crowded = asked.config.hedge, asked.config.strategies.crowded_share
    if reigns:
        from hedged.backtest.laws_ensemble import succession_laws
        from hedged.forecast.succession import Succession

        return Succession(reigns, crowded), lambda directory: succession_laws(
            asked, reigns, directory, dtype, threads, on_progress
        )
    forecaster = make_forecaster(hedge.forecaster, hedge.model, crowded_share=crowded)
    if hedge.forecaster == "ensemble":
        from hedged.backtest.laws_ensemble import ensemble_laws

        return forecaster, lambda directory: ensemble_laws(
            asked, hedge.model, directory, dtype, threads, on_progress
        )
    return forecaster, lambda directory: precomputed(forecaster, asked, directory, dtype, on_progress)
