"""Forecasting off the event loop: a forecaster that raises, takes long or hangs ends nothing, nor holds up for long.

Each forecast has a thread of its own, which dies with the process: one that hangs keeps neither the next forecaster nor
the exit waiting. What cannot be caught is a process that is killed for its memory, or native code that crashes.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from hedged.buffer.ring import BarWindow
from hedged.domain.forecast import ForecastSet
from hedged.features.moments import Moments, moments
from hedged.features.resample import HourlyGrid, hourly
from hedged.forecast.models.fitness import Heard, heard
from hedged.forecast.port import Forecaster

T = TypeVar("T")
HANGS, AT_FIRST = 3.0, 10.0
"""So many times as long as is slow a cycle waits for it; more the first time, when it reads the past."""


class OwnThreads(Executor):
    """A thread for each piece of work, for which nobody waits at the exit, as for those of a pool."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Begin at once."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, name="forecast", daemon=True).start()
        return future


@dataclass(slots=True)
class Thinking:
    """`slow_s`: a forecast that takes longer is slow; `last`: how the latest one went; `who` was asked last."""

    slow_s: float
    last: Heard | None = None
    who: Forecaster | None = None
    _work: "asyncio.Future[tuple[ForecastSet, str]] | None" = None
    _until_s: float = 0.0  # loop time
    _threads: OwnThreads = field(default_factory=OwnThreads)

    async def of(
        self, forecaster: Forecaster, window: BarWindow, now_ms: int, horizon_h: int
    ) -> tuple[ForecastSet, Moments]:
        """Return forecasts and moments. Where it raises or does not answer in time nothing is forecast: see `last`.

        It goes on where whoever waits for it is cancelled.
        """
        loop = asyncio.get_running_loop()
        grid, moved = await loop.run_in_executor(None, _laid_out, window, horizon_h)
        if not await self.free(forecaster):
            return self._late(forecaster, grid, now_ms, horizon_h), moved
        began_s, first = loop.time(), forecaster is not self.who
        self._until_s = began_s + (AT_FIRST if first else HANGS) * self.slow_s
        self.who = forecaster
        self._work = loop.run_in_executor(self._threads, think, forecaster, grid, now_ms, horizon_h)
        if not await self.free(forecaster):
            return self._late(forecaster, grid, now_ms, horizon_h), moved
        told, failed = await self._work
        # the first time it reads the past, which says nothing of the times to come
        took_s = 0.0 if first else loop.time() - began_s
        self.last = heard(told, grid, now_ms, took_s, failed)
        return told, moved

    async def free(self, forecaster: Forecaster) -> bool:
        """Wait until a forecaster is not at work, as long as it may be; tell whether it is not."""
        if self._work is None or self.who is not forecaster:
            return True
        left_s = self._until_s - asyncio.get_running_loop().time()
        await asyncio.wait([self._work], timeout=max(0.0, left_s))
        return self._work.done()

    def _late(self, forecaster: Forecaster, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        told, failed = nothing_of(forecaster, now_ms, horizon_h), "it does not answer"
        self.last = heard(told, grid, now_ms, 0.0, failed, hangs=True)
        return told


def think(forecaster: Forecaster, grid: HourlyGrid, now_ms: int, horizon_h: int) -> tuple[ForecastSet, str]:
    """Return forecasts, and how the forecaster failed: then nothing is forecast."""
    try:
        return forecaster.forecast(grid, now_ms, horizon_h), ""
    except (
        Exception
    ) as error:  # a model may be wrong, missing or late: stops, kill switch and reductions must go on
        return nothing_of(forecaster, now_ms, horizon_h), f"{type(error).__name__}: {error}"


def nothing_of(forecaster: Forecaster, now_ms: int, horizon_h: int) -> ForecastSet:
    """Return what a forecaster says that says nothing."""
    return ForecastSet(
        made_at_ms=now_ms, horizon_h=horizon_h, keys=(), marginals={}, scenarios=np.empty((1, 0)),
        model_hash=forecaster.model_hash, feature_hash=forecaster.feature_hash,
    )  # fmt: skip


def _laid_out(window: BarWindow, horizon_h: int) -> tuple[HourlyGrid, Moments]:
    grid = hourly(window)
    return grid, moments(grid, horizon_h)
