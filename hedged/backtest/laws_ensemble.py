"""Forecasts of the ensemble for a whole window in one causal batch: equal to those that it says hour by hour.

What costs most are the members, and they are quickest when they are asked about many rows at once. They remember
nothing, so that a chunk of hours is asked about together; each hour's questions are made from its own grid. What comes
after, day by day and hour by hour, is the very class that serves, with these answers in the members' place. Drivers,
which explain a forecast to people, are not told.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from hedged.backtest.laws_build import Asked, Progress, kept_or_made
from hedged.backtest.laws_grids import Chunk
from hedged.backtest.laws_table import LawTable
from hedged.domain.forecast import ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.features.samples import Samples, joined
from hedged.forecast.artefact import SHIPPED, Artefact, load
from hedged.forecast.ensemble import EnsembleForecaster
from hedged.forecast.members import Opinions
from hedged.forecast.questions import Questions, Said, Told, Voices
from hedged.forecast.registry import make_forecaster

TOGETHER_H = 48
"""Hours that are asked about at once: of 60 series 10 MB."""


class Batch:
    """The ensemble with its fallback (and cascades) for a window; `told` must be called chunk by chunk in order."""

    def __init__(self, asked: Asked, artefact: Artefact, threads: int | None = None) -> None:
        self._voices, self._questions = Voices(artefact, threads), Questions()
        self._answers: deque[Told] = deque()
        config = asked.config
        inner = EnsembleForecaster(artefact, told=lambda _: self._answers.popleft())
        self.forecaster = make_forecaster(
            "ensemble", artefact.path, crowded_share=config.strategies.crowded_share, ensemble=inner
        )
        self._horizon_h = config.hedge.horizon_h

    def told(self, chunk: Chunk) -> Iterator[ForecastSet]:
        """Forecast every hour of a chunk."""
        hours = iter(range(len(chunk.hours_ms)))
        while some := list(islice(hours, TOGETHER_H)):
            grids = [chunk.at(hour) for hour in some]
            self._answers.extend(self._answered(grids))
            for grid in grids:
                yield self.forecaster.forecast(grid, int(grid.times_ms[-1]), self._horizon_h)

    def _answered(self, grids: Sequence[HourlyGrid]) -> list[Told]:
        """Have the questions of some hours answered at once."""
        asked = [self._questions.of(grid) for grid in grids]
        samples = [part for one in asked for part in (one.past, one.now) if part is not None]
        said = iter(self._said(samples) if samples else ())

        def answer(part: Samples | None) -> Said | None:
            return None if part is None else next(said)

        return [Told(answer(one.past), answer(one.now), one.kept) for one in asked]

    def _said(self, parts: Sequence[Samples]) -> list[Said]:
        opinions = self._voices.on(joined(parts)).quantiles
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return [
            Said(part, Opinions(mine))
            for part, mine in zip(parts, np.split(opinions, ends, axis=1), strict=True)
        ]


def ensemble_laws(
    asked: Asked,
    model: Path | None = None,
    directory: Path | None = None,
    dtype: DTypeLike = np.float32,
    threads: int | None = None,
    on_progress: Progress = lambda _: None,
) -> LawTable:
    """Return the laws of a window by the ensemble, as `precomputed` would have made them; `model`: the shipped one.

    `directory`: keeps them; where it holds these very laws already, they are read.
    """
    batch = Batch(asked, load(model or SHIPPED), threads)
    return kept_or_made(batch.forecaster, batch.told, asked, directory, dtype, on_progress)
