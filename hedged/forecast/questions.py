"""What an ensemble's members are asked at an hour: about every series now, and about the past that is not remembered.

Asking is apart from learning and saying (`ensemble.py`), so that a backtest can ask about many hours at once.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS, HOUR_MS
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
    """Samples without opinions: of the `past` hours that are remembered and were not heard of, and of `now`. None where
    nothing can be forecast.
    """

    past: Samples | None
    now: Samples | None


@dataclass(frozen=True, slots=True)
class Told:
    """The same with the members' opinions."""

    past: Said | None
    now: Said | None

    @classmethod
    def of(cls, asked: Asked, opinions: Callable[[Samples], Opinions]) -> Self:
        """Have what is asked answered."""
        past, now = (
            None if samples is None else Said(samples, opinions(samples))
            for samples in (asked.past, asked.now)
        )
        return cls(past, now)


class Voices:
    """The members of an artefact, asked about samples."""

    def __init__(self, artefact: Artefact, threads: int | None = None) -> None:
        self._members, self._vocabulary = Members(artefact, threads), artefact.card.vocabulary

    def on(self, samples: Samples) -> Opinions:
        """Return what the members say of samples."""
        return opinions_on(self._members, samples, *self._vocabulary.encode(samples.keys))


class Questions:
    """Reads grids hour by hour. It remembers up to which hour it has asked, and the nowcast's walk.

    An hour is remembered when it is over: venues tell what settled at its end some seconds or minutes late.
    """

    def __init__(self) -> None:
        self._forget(())

    def _forget(self, keys: tuple[SeriesKey, ...]) -> None:
        self._keys = keys
        self._nowcasts = NowcastMemory()
        self._heard_ms = 0  # hours up to here were asked about

    def twin(self) -> "Questions":
        """Return one that has asked as much and goes on by itself."""
        made = copy(self)
        made._nowcasts = copy(self._nowcasts)  # what it has taken in is replaced, never changed
        return made

    def of(self, grid: HourlyGrid) -> Asked:
        """Return what is to be asked of a grid with at least one hour."""
        now_ms, hours = int(grid.times_ms[-1]), len(grid.times_ms)
        if grid.keys != self._keys or now_ms < self._heard_ms:
            self._forget(grid.keys)
        past = self._past(grid)
        self._heard_ms = now_ms - HOUR_MS
        everyone, here = np.arange(len(grid.keys)), min(hours - 1, LOOKBACK_H)
        now = self._samples(grid.last(LOOKBACK_H + 1), Points(everyone, np.full(len(everyone), here)))
        return Asked(past, now)

    def _past(self, grid: HourlyGrid) -> Samples | None:
        """Return the samples of the remembered hours before the last that were not asked about, by hour."""
        hours = len(grid.times_ms)
        from_ms = max(self._heard_ms, int(grid.times_ms[0]) + FIRST_DAYS * DAY_MS - 1)
        from_ms = max(from_ms, int(grid.times_ms[-1]) - MEMORY_DAYS * DAY_MS)
        wanted = (grid.times_ms > from_ms) & remembered(grid.times_ms)
        if hours < 2 or not wanted[:-1].any():
            return None
        if not wanted[:-2].any():  # the hour that has just ended, seen as it was seen then
            grid = grid.first(hours - 1).last(LOOKBACK_H + 1)
            rows = np.flatnonzero(settled_now(grid)[:, -1])
            return self._samples(grid, Points(rows, np.full(len(rows), len(grid.times_ms) - 1)))
        rows, cols = np.nonzero(settled_now(grid)[:, :-1] & wanted[:-1])
        order = np.argsort(cols, kind="stable")
        return self._samples(grid, Points(rows[order], cols[order]))

    def _samples(self, grid: HourlyGrid, at: Points) -> Samples | None:
        """Return the samples of those points that can be forecast; None where there is none."""
        if not len(at):
            return None
        at, scale = measured(grid, at)
        if not len(at):
            return None
        index = {key: i for i, key in enumerate(grid.keys)}
        return samples_at(grid, at, {}, index, 0, scale, self._nowcasts.nowcast)
