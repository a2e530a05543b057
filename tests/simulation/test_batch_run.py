"""`--engine batch` with its forecasts made beforehand is the run of a forecaster asked on the way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from worlds import START_MS, config, dear, tables, world_of

from hedged.backtest.batch.asking import Asking
from hedged.backtest.batch.engine import run_batch
from hedged.backtest.batch_run import heard_between_hours, run_on_laws
from hedged.backtest.laws.build import Asked
from hedged.backtest.measured import measure
from hedged.backtest.recorded import window_settlements
from hedged.backtest.runner import RunResult, Window, own_quantities
from hedged.backtest.summary import summarise
from hedged.backtest.world import World
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.registry import make_forecaster
from hedged.forecast.reign import Reign
from hedged.forecast.succession import Succession

WINDOW = Window(START_MS, START_MS + DAY_MS)
LOOKED_AT = ("accounts",)
"""The lowest free collateral is that of the bars that were looked at."""


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(dear(tables(3)))


def book_of(world: World) -> dict:
    return own_quantities(config(), lambda s: world.price(SeriesKey(INJECTIVE, s), START_MS))


def told(result: RunResult, world: World) -> dict:
    prints = window_settlements(world, result.window)
    summary = summarise(result, world, prints, "test", measure(result, world, prints))
    return {name: value for name, value in summary.items() if name not in LOOKED_AT}


@pytest.mark.parametrize("models", [0, 2])
def test_laws_change_nothing_of_a_run(world: World, tmp_path: Path, models: int) -> None:
    """If this fails, the summary depends on whether forecasts were made beforehand or bars passed over."""
    settings = config(hedge={"forecaster": "ensemble" if models else "ewma"})
    reigns = [Reign(START_MS + i * DAY_MS // 2, load(SHIPPED)) for i in range(models)]
    forecaster = Succession(reigns) if models else make_forecaster("ewma")
    asked = run_batch(
        settings, world, book_of(world), WINDOW,
        Asking(forecaster, world, settings, sorted(book_of(world)), WINDOW),
    )  # fmt: skip
    stages: list[str] = []
    kept = run_on_laws(
        settings, world, book_of(world), WINDOW, reigns, tmp_path, lambda stage, _: stages.append(stage)
    )
    assert len(asked.fills) > 5
    assert (kept.fills, kept.book) == (asked.fills, asked.book)
    assert list(kept.payments) == list(asked.payments)
    assert len(kept.decisions) < len(asked.decisions) / 2
    assert told(kept, world) == told(asked, world)
    said = {(one.key, one.made_at_ms): one for one in asked.forecasts}
    assert len(kept.forecasts) == len(said)
    for one in kept.forecasts:
        np.testing.assert_array_equal(one.quantiles, said[one.key, one.made_at_ms].quantiles)
    assert {*stages} == {"forecasts", "bars"}
    stages.clear()
    short = run_on_laws(
        settings,
        world,
        book_of(world),
        WINDOW,
        reigns,
        tmp_path,
        lambda stage, _: stages.append(stage),
        every_ms=DAY_MS,
    )
    assert short.fills == kept.fills
    assert {*stages} == {"bars"}  # the second run found them


def test_a_print_between_hours_is_heard_when_the_daemon_hears_it(world: World) -> None:
    """If this fails, a recording with times of receipt is played on forecasts that are up to an hour too old."""
    settings, book = config(), book_of(world)
    window = Window(START_MS, START_MS + DAY_MS // 4)
    late = {
        key: replace(data, funding_known=data.funding_ts + 2 * MINUTE_MS)
        for key, data in world.series.items()
    }
    heard = World(late, world.markets, None)
    assert not heard_between_hours(Asked(world, settings, tuple(book), window))
    assert heard_between_hours(Asked(heard, settings, tuple(book), window))
    hourly = config(cycle={"history_days": 12, "bar_s": 3_600, "interval_s": 3_600})
    assert not heard_between_hours(Asked(heard, hourly, tuple(book), window))  # no bar ends there
    made = run_on_laws(settings, heard, book, window)
    asked = Asking(make_forecaster("ewma"), heard, settings, sorted(book), window)
    assert list(made.decisions) == list(run_batch(settings, heard, book, window, asked).decisions)
    assert any(one.made_at_ms % HOUR_MS for one in made.forecasts)
