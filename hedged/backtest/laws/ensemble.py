"""Forecasts of the ensemble for a whole window in one causal batch: equal to those that it says hour by hour.

What costs most are the members. They remember nothing, so that they are asked about many hours at once; each hour's
questions are made from its own grid. What comes after, day by day and hour by hour, is the very class that serves, with
these answers in the members' place. Drivers, which explain a forecast to people, are not told.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from hedged.backtest.laws.build import Asked, Progress, kept_or_made
from hedged.backtest.laws.grids import Chunk
from hedged.backtest.laws.table import LawTable
from hedged.domain.forecast import ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.features.samples import Samples, joined
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.ensemble import EnsembleForecaster
from hedged.forecast.members import Opinions
from hedged.forecast.port import Forecaster
from hedged.forecast.questions import Questions, Said, Told, Voices
from hedged.forecast.registry import make_forecaster
from hedged.forecast.reign import Reign, reigning
from hedged.forecast.succession import Succession

TOGETHER_H = 48
"""Hours that are asked about at once: of 60 series 10 MB."""
Answers = Callable[[HourlyGrid], Told]


class Batch:
    """The models of a window, asked ahead. `forecaster` speaks with their answers; `told` goes chunk by chunk."""

    def __init__(
        self,
        reigns: Sequence[Reign],
        forecaster_of: Callable[[Answers], Forecaster],
        horizon_h: int,
        threads: int | None = None,
    ) -> None:
        self._reigns, self._threads, self._horizon_h = reigns, threads, horizon_h
        self._answers: deque[Told] = deque()
        self.forecaster = forecaster_of(lambda _: self._answers.popleft())
        self._number = -1
        self._questions = Questions()
        self._voices: Voices | None = None

    def told(self, chunk: Chunk) -> Iterator[ForecastSet]:
        """Forecast every hour of a chunk."""
        hours_ms = chunk.hours_ms.tolist()
        for number, group in groupby(range(len(hours_ms)), lambda i: reigning(self._reigns, hours_ms[i])):
            voices, hours = self._voices_of(number), list(group)
            for begin in range(0, len(hours), TOGETHER_H):
                grids = [chunk.at(hour) for hour in hours[begin : begin + TOGETHER_H]]
                self._answers.extend(self._answered(voices, grids))
                for grid in grids:
                    yield self.forecaster.forecast(grid, int(grid.times_ms[-1]), self._horizon_h)

    def _voices_of(self, number: int) -> Voices:
        """Return the members that speak; those who cannot take over a memory ask about the past anew."""
        if self._voices is None or number != self._number:
            artefact = self._reigns[number].artefact
            if (
                self._number >= 0
                and self._reigns[self._number].artefact.card.members != artefact.card.members
            ):
                self._questions = Questions()
            self._voices, self._number = Voices(artefact, self._threads), number
        return self._voices

    def _answered(self, voices: Voices, grids: Sequence[HourlyGrid]) -> list[Told]:
        """Have the questions of some hours answered at once."""
        asked = [self._questions.of(grid) for grid in grids]
        samples = [part for one in asked for part in (one.past, one.now) if part is not None]
        said = iter(_said(voices, samples) if samples else ())

        def answer(part: Samples | None) -> Said | None:
            return None if part is None else next(said)

        return [Told(answer(one.past), answer(one.now)) for one in asked]


def _said(voices: Voices, parts: Sequence[Samples]) -> list[Said]:
    opinions = voices.on(joined(parts)).quantiles
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return [
        Said(part, Opinions(mine)) for part, mine in zip(parts, np.split(opinions, ends, axis=1), strict=True)
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
    artefact, crowded = load(model or SHIPPED), asked.config.strategies.crowded_share

    def forecaster_of(answers: Answers) -> Forecaster:
        inner = EnsembleForecaster(artefact, told=answers)
        return make_forecaster("ensemble", artefact.path, crowded_share=crowded, ensemble=inner)

    reigns = [Reign(asked.window.from_ms, artefact)]
    batch = Batch(reigns, forecaster_of, asked.config.hedge.horizon_h, threads)
    return kept_or_made(batch.forecaster, batch.told, asked, directory, dtype, on_progress)


def succession_laws(
    asked: Asked,
    reigns: Sequence[Reign],
    directory: Path | None = None,
    dtype: DTypeLike = np.float32,
    threads: int | None = None,
    on_progress: Progress = lambda _: None,
) -> LawTable:
    """Return the laws of a window by models that succeed each other, as `Succession` says them hour by hour."""
    crowded = asked.config.strategies.crowded_share
    batch = Batch(
        reigns, lambda answers: Succession(reigns, crowded, answers), asked.config.hedge.horizon_h, threads
    )
    return kept_or_made(batch.forecaster, batch.told, asked, directory, dtype, on_progress)
