"""Forecasters asked about one hour, off the event loop and one after the other; what one does harms no other."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import ParamSpec, TypeVar

from hedged.domain.forecast import ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.forecast.port import Forecaster
from hedged.forecast.record.sheet import unsound

P = ParamSpec("P")
T = TypeVar("T")


async def ask(
    asked: Mapping[str, tuple[Forecaster, HourlyGrid]], said: Mapping[str, ForecastSet]
) -> tuple[dict[str, ForecastSet], dict[str, str]]:
    """Ask forecasters what another one has `said` of an hour → what all say, and who failed, why."""
    made, failed = dict[str, ForecastSet](), dict[str, str]()
    first = next(iter(said.values()))
    for name in {**said, **asked}:
        try:
            told = said.get(name)
            if told is None:
                forecaster, grid = asked[name]
                told = await off_loop(forecaster.forecast, grid, first.made_at_ms, round(first.horizon_h))
            if wrong := list(unsound(told)):
                failed[name] = (
                    f"{len(wrong)} of {len(told.marginals)} forecasts are no law, that of {wrong[0]} first"
                )
            made[name] = told
        except Exception as error:  # a challenger may be anything
            failed[name] = f"{type(error).__name__}: {error}"
    return made, failed


async def off_loop(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function on a thread, and return what it returns."""
    return await asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))
