"""Cascades told beside the rates: the head as it was trained, and when open interest is one-sided."""

from dataclasses import replace

import numpy as np
import pytest
from worlds import START_MS, tables

from hedged.adapters.replay.series import series_of
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS
from hedged.domain.market import SeriesKey
from hedged.features.crowding import crowding
from hedged.features.history import chunks
from hedged.features.resample import HourlyGrid
from hedged.features.scale import scale_of
from hedged.features.tabular import tabular
from hedged.forecast.artefact import SHIPPED, Artefact, load
from hedged.forecast.cascade import DOWN_SHARE, HORIZON_H, CascadeHead, coin_points, features
from hedged.forecast.registry import make_forecaster
from hedged.forecast.with_cascades import INTEREST, RATIO, crowded


@pytest.fixture(scope="module")
def grid() -> HourlyGrid:
    """Two weeks of simulated markets, hour by hour."""
    series = series_of(tables(2))
    return next(iter(chunks(series, START_MS - 12 * DAY_MS, START_MS + DAY_MS))).grid


def test_it_tells_what_the_head_was_trained_to_tell(grid: HourlyGrid) -> None:
    """If this fails, the head is served other features than it has learned from."""
    now_ms = int(grid.times_ms[-1])
    told = make_forecaster("ewma", crowded_share=0.95).forecast(grid, now_ms, 24)
    at = coin_points(grid, np.array([len(grid.times_ms) - 1]))
    x = features(grid, at, *tabular(grid, at, scale_of(grid, at)), crowding(grid))
    card = load(SHIPPED).cascade()
    assert card is not None
    expected = CascadeHead(card["model"], card["card"]["calibration"]).probability(x)
    found = {symbol: view.probability for symbol, view in told.cascades.items()}
    assert set(found) >= {"BTC", "INJ"}
    assert found == pytest.approx(
        {grid.keys[row].symbol: p for row, p in zip(at.rows, expected, strict=True)}
    )
    assert all(v.horizon_h == HORIZON_H and v.down_share == DOWN_SHARE for v in told.cascades.values())


def test_the_model_is_named_with_its_head(grid: HourlyGrid) -> None:
    """If this fails, decisions do not say which head they were made with, or a forecast of another one trades."""
    plain, told = make_forecaster("ewma"), make_forecaster("ewma", crowded_share=0.95)
    assert told.model_hash.startswith(f"{plain.model_hash}+cascade:")
    made = told.forecast(grid, int(grid.times_ms[-1]), 24)
    assert made.model_hash == told.model_hash
    assert made.keys == plain.forecast(grid, int(grid.times_ms[-1]), 24).keys


def test_a_model_without_the_head_tells_none(grid: HourlyGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a model that was trained without the head stops the daemon."""
    monkeypatch.setattr(Artefact, "cascade", lambda self: None)
    told = make_forecaster("ewma", crowded_share=0.95).forecast(grid, int(grid.times_ms[-1]), 24)
    assert told.cascades == {}


def shaped(grid: HourlyGrid, **fields: np.ndarray) -> HourlyGrid:
    """The same grid with one series, its fields replaced."""
    one = grid.rows([grid.keys.index(SeriesKey("binance", "BTC"))])
    bars = one.bars.copy()
    for name, values in fields.items():
        bars[0, :, Field[name]] = values
    return replace(one, bars=bars)


@pytest.mark.parametrize("side", [1, -1])
def test_a_crowd_is_told_by_the_ratio_else_by_interest(grid: HourlyGrid, side: int) -> None:
    """If this fails, the override of requirement C6 hangs on the wrong thing."""
    hours = len(grid.times_ms)
    wave = 1 + 0.1 * np.sin(np.arange(hours))
    leap = wave.copy()
    leap[-1] = 1.5 if side > 0 else 0.5
    premium = np.where(np.arange(hours) == hours - 1, side * 0.01, 1e-4 * np.sin(np.arange(hours)))
    by_ratio = shaped(grid, LONG_SHORT_RATIO=leap, PREMIUM=premium)
    assert crowded(by_ratio, 0.95) == {"BTC": (side, RATIO)}
    many = wave.copy()
    many[-1] = 1.3
    blank = np.full(hours, np.nan)
    by_interest = shaped(grid, LONG_SHORT_RATIO=blank, PREMIUM=premium, OPEN_INTEREST=many)
    assert crowded(by_interest, 0.95) == {"BTC": (side, INTEREST)}
    few = shaped(grid, LONG_SHORT_RATIO=blank, PREMIUM=premium, OPEN_INTEREST=wave)
    assert crowded(few, 0.95) == {"BTC": (0, INTEREST)}
    assert crowded(shaped(grid, LONG_SHORT_RATIO=blank, OPEN_INTEREST=blank), 0.95) == {}
