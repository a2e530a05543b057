"""What an ensemble's members are asked at an hour: about every series now, and about the past that is not remembered.

Asking is apart from learning and saying (`ensemble.py`), so that a backtest can ask about many hours at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.domain.market import SeriesKey
from hedged.features.nowcast_memory import NowcastMemory
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid
from hedged.features.samples import Samples, measured, samples_at
from hedged.features.scale import settled_now
from hedged.features.tabular import LOOKBACK_H
from hedged.forecast.artefact import Artefact
from hedged.forecast.joint import MEMORY_DAYS, remembered
from hedged.forecast.members import Members, Opinions
from hedged.forecast.walk import opinions_on

FIRST_DAYS = 7
"""Days at a window's start from which nothing is remembered: s is not known yet."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the members said of samples."""

    samples: Samples
    opinions: Opinions

    def pick(self, rows: NDArray[np.int64]) -> "Said":
        """Return some of it."""
        return Said(self.samples.pick(rows), Opinions(self.opinions.quantiles[:, rows]))


@dataclass(frozen=True, slots=True)
class Asked:
    """Samples without opinions: of the `past` hours that are remembered and were not heard of, by series and hour; of
    `now`, with the rows `kept` of it that belong into the memory. None where nothing can be forecast.
    """

    past: Samples | None
    now: Samples | None
    kept: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Told:
    """The same with the members' opinions."""

    past: Said | None
    now: Said | None
    kept: NDArray[np.int64]

    @classmethod
    def of(cls, asked: Asked, opinions: Callable[[Samples], Opinions]) -> Self:
        """Have what is asked answered."""
        past, now = (
            None if samples is None else Said(samples, opinions(samples))
            for samples in (asked.past, asked.now)
        )
        return cls(past, now, asked.kept)


class Voices:
    """The members of an artefact, asked about samples."""

    def __init__(self, artefact: Artefact, threads: int | None = None) -> None:
        self._members, self._vocabulary = Members(artefact, threads), artefact.card.vocabulary

    def on(self, samples: Samples) -> Opinions:
        """Return what the members say of samples."""
        return opinions_on(self._members, samples, *self._vocabulary.encode(samples.keys))


class Questions:
    """Reads grids hour by hour. It remembers up to which hour it has asked, and the nowcast's walk."""

    def __init__(self) -> None:
        self._forget(())

    def _forget(self, keys: tuple[SeriesKey, ...]) -> None:
        self._keys = keys
        self._nowcasts = NowcastMemory()
        self._heard_ms = 0  # hours up to here were asked about

    def of(self, grid: HourlyGrid) -> Asked:
        """Return what is to be asked of a grid with at least one hour."""
        now_ms = int(grid.times_ms[-1])
        if grid.keys != self._keys or now_ms < self._heard_ms:
            self._forget(grid.keys)
        from_ms = max(self._heard_ms, int(grid.times_ms[0]) + FIRST_DAYS * DAY_MS - 1)
        from_ms = max(from_ms, now_ms - MEMORY_DAYS * DAY_MS)
        wanted = (grid.times_ms > from_ms) & remembered(grid.times_ms)
        rows, cols = np.nonzero(settled_now(grid)[:, :-1] & wanted[:-1])
        order = np.argsort(cols, kind="stable")
        past = self._samples(grid, Points(rows[order], cols[order]))
        near = grid.last(LOOKBACK_H + 1)
        everyone = np.arange(len(grid.keys))
        now = self._samples(near, Points(everyone, np.full(len(everyone), len(near.times_ms) - 1)))
        self._heard_ms = now_ms
        kept = np.empty(0, np.int64)
        if now is not None and wanted[-1]:
            kept = np.flatnonzero(settled_now(near.last(1))[now.series, 0])
        return Asked(past, now, kept)

    def _samples(self, grid: HourlyGrid, at: Points) -> Samples | None:
        """Return the samples of those points that can be forecast; None where there is none."""
        if not len(at):
            return None
        at, scale = measured(grid, at)
        if not len(at):
            return None
        index = {key: i for i, key in enumerate(grid.keys)}
        return samples_at(grid, at, {}, index, 0, scale, self._nowcasts.nowcast)
