"""Laws made before a window is played: those that the daemon would have said, hour by hour."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from worlds import HISTORY_DAYS, START_MS, config, run, tables, world_of

from hedged.backtest.laws.build import Asked, precomputed, said_of
from hedged.backtest.laws.grids import chunks_of
from hedged.backtest.laws.run import laws_of
from hedged.backtest.laws.table import LawTable
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.errors import DataError
from hedged.domain.forecast import ForecastSet
from hedged.features.resample import HourlyGrid
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.fallback import WithFallback
from hedged.forecast.registry import make_forecaster

HOURS = 9
WINDOW = Window(START_MS, START_MS + HOURS * HOUR_MS)
SETTINGS = config()
SYMBOLS = ("INJ", "BTC")


def late_world() -> World:
    """Binance's prints are received two minutes late, one of Injective's three hours; a price of Bybit is absurd."""
    frames = tables(2)
    funding = frames["funding"]
    ts = pl.col("ts").dt.epoch("ms")
    late = (
        pl.when(pl.col("venue") == "binance").then(2 * MINUTE_MS)
        .when((pl.col("venue") == "injective") & (ts == START_MS + 5 * HOUR_MS)).then(3 * HOUR_MS)
        .otherwise(0)
    )  # fmt: skip
    received = pl.col("ts") + pl.duration(milliseconds=late)
    absurd = (pl.col("venue") == "bybit") & (
        pl.col("ts").dt.epoch("ms").is_between(START_MS, START_MS + 4 * HOUR_MS)
    )
    candles = frames["ohlcv"].with_columns(
        close=pl.when(absurd).then(pl.col("close") * 10).otherwise(pl.col("close"))
    )
    return world_of(frames | {"funding": funding.with_columns(known_ts=received), "ohlcv": candles})


class Spy:
    """Keeps what the daemon shows its forecaster at each whole hour, and what that says."""

    def __init__(self) -> None:
        self._inner = EwmaForecaster()
        self.model_hash, self.feature_hash = self._inner.model_hash, self._inner.feature_hash
        self.grids: dict[int, HourlyGrid] = {}
        self.told: dict[int, ForecastSet] = {}

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        told = self._inner.forecast(grid, now_ms, horizon_h)
        if now_ms % HOUR_MS == 0:
            arrays = {name: getattr(grid, name).copy() for name in ARRAYS}
            self.grids[now_ms] = HourlyGrid(grid.keys, bar_h=grid.bar_h, **arrays)
            self.told[now_ms] = told
        return told


ARRAYS = ("times_ms", "paid", "level", "mark", "interval_h", "since_h", "bars")


@pytest.fixture(scope="module")
def world() -> World:
    return late_world()


@pytest.fixture(scope="module")
def spied(world: World) -> Spy:
    """The daemon, run over the window."""
    spy = Spy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hedged.backtest.runner.make_forecaster", lambda *_, **__: spy)
        run(world, SETTINGS, HOURS / 24)
    return spy


def test_the_grids_are_those_of_the_daemon(world: World, spied: Spy) -> None:
    """If this fails, forecasts are made from other bars, from prints that were not known yet, or from doubted ones."""
    asked = Asked(world, SETTINGS, SYMBOLS, WINDOW)
    seen = 0
    for chunk in chunks_of(world, asked.keys, SETTINGS, WINDOW, chunk_h=7):
        for hour, hour_ms in enumerate(chunk.hours_ms.tolist()):
            mine, daemons = chunk.at(hour), spied.grids[hour_ms]
            assert mine.keys == daemons.keys
            for name in ARRAYS:
                np.testing.assert_array_equal(getattr(mine, name), getattr(daemons, name), err_msg=name)
            seen += 1
    assert seen == HOURS == len(spied.grids)
    quarantined = spied.grids[START_MS + 3 * HOUR_MS].mark[:, -1]
    assert np.isnan(quarantined).any()
    assert len(spied.grids[START_MS].times_ms) == HISTORY_DAYS * 24


def test_the_laws_are_what_the_daemon_said(world: World, spied: Spy, tmp_path: Path) -> None:
    """If this fails, a backtest on forecasts made before decides by others than the daemon would have had."""
    asked = Asked(world, SETTINGS, SYMBOLS, WINDOW)
    for directory in (None, tmp_path):
        laws = precomputed(EwmaForecaster(), asked, directory, np.float64)
        assert laws.keys == asked.keys
        assert laws.hours_ms.tolist() == sorted(spied.told)
        for hour_ms, daemons in spied.told.items():
            assert_same(laws.at(hour_ms + 59 * MINUTE_MS), daemons)


def test_a_law_stands_from_its_hour_on(world: World) -> None:
    """If this fails, an hour is decided by the forecast of the next one, or the time before the first by any."""
    laws = precomputed(EwmaForecaster(), Asked(world, SETTINGS, SYMBOLS, WINDOW))
    second = START_MS + HOUR_MS
    assert laws.at(second - 1).made_at_ms == START_MS
    assert laws.at(second).made_at_ms == second
    assert laws.quantiles.dtype == np.float32
    with pytest.raises(DataError, match="no forecast stands"):
        laws.at(START_MS - 1)


def test_laws_are_kept(world: World, tmp_path: Path) -> None:
    """If this fails, a second run forecasts everything again, or goes by forecasts of other data or of half a run."""
    asked = Asked(world, SETTINGS, SYMBOLS, Window(START_MS, START_MS + 3 * HOUR_MS))
    first = precomputed(EwmaForecaster(), asked, tmp_path)

    class Refusing(EwmaForecaster):
        def forecast(self, *_: object) -> ForecastSet:
            raise AssertionError("asked again")

    again = precomputed(Refusing(), asked, tmp_path)
    assert_same(again.at(START_MS + HOUR_MS), first.at(START_MS + HOUR_MS))
    with pytest.raises(AssertionError, match="asked again"):
        precomputed(Refusing(), Asked(world_of(tables(2)), SETTINGS, SYMBOLS, asked.window), tmp_path)
    assert LawTable.load(tmp_path, first.facts.key) is None  # what was begun anew has no card


def test_all_that_is_told_is_kept(world: World, tmp_path: Path) -> None:
    """If this fails, forecasts lose who made them, the coming settlement, or how near a cascade is."""
    asked = Asked(world, SETTINGS, SYMBOLS, Window(START_MS, START_MS + 2 * HOUR_MS))
    made = [
        WithFallback(make_forecaster("nowcast", crowded_share=0.9), EwmaForecaster(), ("nowcast", "ewma"))
        for _ in range(2)
    ]
    laws = precomputed(made[0], asked, tmp_path, np.float64)
    for hour, chunk in enumerate(chunks_of(world, asked.keys, SETTINGS, asked.window, chunk_h=1)):
        told = made[1].forecast(chunk.at(0), int(chunk.hours_ms[0]), SETTINGS.hedge.horizon_h)
        assert told.coming
        assert told.cascades
        assert told.made_by
        assert_same(laws.of_hour(hour), told)


def assert_same(mine: ForecastSet, daemons: ForecastSet, atol: float = 0.0) -> None:
    """All but what is for people: spans and drivers."""
    names = ("made_at_ms", "horizon_h", "keys", "model_hash", "feature_hash", "made_by")
    for name in names:
        assert getattr(mine, name) == getattr(daemons, name), name
    np.testing.assert_allclose(mine.scenarios, daemons.scenarios, rtol=0, atol=atol)
    assert mine.marginals.keys() == daemons.marginals.keys()
    for key, theirs in daemons.marginals.items():
        one = mine.marginals[key]
        np.testing.assert_allclose(one.quantiles, theirs.quantiles, rtol=0, atol=atol)
        np.testing.assert_allclose((one.mean, one.p_up), (theirs.mean, theirs.p_up), rtol=0, atol=atol)
    assert mine.coming.keys() == daemons.coming.keys()
    for key, law in daemons.coming.items():
        np.testing.assert_allclose(mine.coming[key], law, rtol=0, atol=atol)
    assert mine.cascades.keys() == daemons.cascades.keys()
    for coin, view in daemons.cascades.items():
        one_view = mine.cascades[coin]
        assert one_view.probability == pytest.approx(view.probability, rel=1e-6, nan_ok=True)
        assert (one_view.crowd, one_view.evidence, one_view.down_share, one_view.horizon_h) == (
            view.crowd, view.evidence, view.down_share, view.horizon_h,
        )  # fmt: skip


def test_runs_share_their_laws(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, every run of a sweep forecasts the same hours again, or reads those of another forecaster."""
    window = Window(START_MS, START_MS + 2 * HOUR_MS)
    asked = Asked(world, SETTINGS, SYMBOLS, window)
    first = laws_of(asked, folder=tmp_path)
    others = Asked(world, config(hedge={"forecaster": "persistence"}), SYMBOLS, window)
    assert laws_of(others, folder=tmp_path).facts.model_hash != first.facts.model_hash
    assert len(list(tmp_path.glob("*-float32"))) == 2
    monkeypatch.setattr("hedged.backtest.laws.run.precomputed", None)
    assert_same(laws_of(asked, folder=tmp_path).at(START_MS), first.at(START_MS))


def test_two_that_want_the_same_laws_do_not_both_make_them(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, the processes of a sweep forecast the same hours side by side, or read what is half written."""
    asked, made = Asked(world, SETTINGS, SYMBOLS, Window(START_MS, START_MS + 2 * HOUR_MS)), []

    def slow(*args: Any) -> Iterator[ForecastSet]:
        made.append(args)
        time.sleep(0.2)
        return said_of(*args)

    monkeypatch.setattr("hedged.backtest.laws.build.said_of", slow)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: laws_of(asked, folder=tmp_path), range(3)))
    assert len(made) == 1
    for one in found[1:]:
        assert_same(one.at(START_MS + HOUR_MS), found[0].at(START_MS + HOUR_MS))
