"""Forecasters asked about one hour, off the event loop and one after the other; what one does harms no other."""

import asyncio
from collections.abc import Mapping

from hedged.domain.forecast import ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.forecast.port import Forecaster
from hedged.forecast.record.sheet import unsound
from hedged.thinking import OwnThreads

PATIENCE_S = 300.0
"""So long one is waited for: the first time it reads the past. It is not asked again while it is still at work."""


class Asking:
    """Each question has a thread of its own: who hangs keeps neither the next one nor the exit waiting."""

    def __init__(self) -> None:
        self._threads = OwnThreads()
        self._at_work: dict[str, asyncio.Future[ForecastSet]] = {}

    async def all(
        self, asked: Mapping[str, tuple[Forecaster, HourlyGrid]], said: Mapping[str, ForecastSet]
    ) -> tuple[dict[str, ForecastSet], dict[str, str]]:
        """Ask forecasters what another one has `said` of an hour → what all say, and who failed, why."""
        made, failed = dict[str, ForecastSet](), dict[str, str]()
        first = next(iter(said.values()))
        for name in {**said, **asked}:
            try:
                told = said.get(name) or await self._hear(name, *asked[name], first)
                if wrong := list(unsound(told)):
                    failed[name] = (
                        f"{len(wrong)} of {len(told.marginals)} forecasts are no law, that of {wrong[0]} first"
                    )
                made[name] = told
            except Exception as error:  # a challenger may be anything
                failed[name] = f"{type(error).__name__}: {error}"
        return made, failed

    async def _hear(
        self, name: str, forecaster: Forecaster, grid: HourlyGrid, like: ForecastSet
    ) -> ForecastSet:
        """Return what one says at the instant and over the horizon of another's. Raises what it raises."""
        before = self._at_work.get(name)
        if before is not None and not before.done():
            raise TimeoutError("it is still at an earlier hour")
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, forecaster.forecast, grid, like.made_at_ms, round(like.horizon_h)
        )
        # who comes late may fail unheard
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._at_work[name] = work
        await asyncio.wait([work], timeout=PATIENCE_S)
        if not work.done():
            raise TimeoutError(f"no answer within {PATIENCE_S:g} s")
        return work.result()
