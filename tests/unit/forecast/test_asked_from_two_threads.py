"""One ensemble asked from two threads: by the cycle, and by whoever scores it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from rates import tables
from small_tables import ms

from hedged.adapters.replay.series import series_of
from hedged.domain.clock import HOUR_MS
from hedged.features.history import grid_at
from hedged.features.resample import HourlyGrid
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.ensemble import EnsembleForecaster
from hedged.forecast.questions import Told

AT_H = 24 * 9


@pytest.fixture(scope="module")
def grids() -> list[HourlyGrid]:
    """One hour after the other."""
    series = series_of(tables())
    keys = sorted(series)
    return [grid_at(series, keys, np.arange(ms(h - 48), ms(h) + 1, HOUR_MS)) for h in (AT_H, AT_H + 1)]


class Asked:
    """Answers nothing, after a while or when it is told to, and notices whether anybody else asks meanwhile."""

    def __init__(self, while_s: float) -> None:
        self.while_s = while_s
        self.inside, self.both, self.go, self.times = 0, threading.Event(), threading.Event(), 0

    def __call__(self, grid: HourlyGrid) -> Told:
        self.inside += 1
        self.times += 1
        if self.inside > 1:
            self.both.set()
        self.go.set()
        self.both.wait(self.while_s)
        self.inside -= 1
        return Told(None, None)


def test_it_answers_one_after_the_other(grids: list[HourlyGrid]) -> None:
    """If this fails, a model that came back while it was being scored loses or doubles what it remembers."""
    asked = Asked(0.3)
    forecaster = EnsembleForecaster(load(SHIPPED), told=asked)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda grid: forecaster.forecast(grid, int(grid.times_ms[-1]), 24), grids))
    assert asked.times >= 2
    assert not asked.both.is_set()


def test_the_memory_of_one_that_is_at_work_is_not_taken(grids: list[HourlyGrid]) -> None:
    """If this fails, an heir begins with half a memory, or the event loop waits for a forecast."""
    asked, artefact = Asked(60), load(SHIPPED)
    forecaster = EnsembleForecaster(artefact, told=asked)
    heir = EnsembleForecaster(artefact, told=lambda _: Told(None, None))
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(forecaster.forecast, grids[0], int(grids[0].times_ms[-1]), 24)
        assert asked.go.wait(60)
        assert not heir.succeed(forecaster)
        asked.both.set()
        job.result(60)
    assert heir.succeed(forecaster)
