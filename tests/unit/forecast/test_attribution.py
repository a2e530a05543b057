"""What moved a forecast: parts that add up, to whom they are due, through the very model that serves."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rates import tables
from small_tables import ms

from hedged.adapters.replay.series import series_of
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import SPANS_H, ForecastSet
from hedged.domain.market import SeriesKey
from hedged.features.groups import GROUPS, Inputs
from hedged.features.history import grid_at
from hedged.features.resample import HourlyGrid
from hedged.features.sequence import CHANNELS, STEPS
from hedged.features.targets import HORIZONS
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.attribution import attribute
from hedged.forecast.registry import make_forecaster
from hedged.forecast.spans import M24H, S1, S3, spans_of

NAMES = load(SHIPPED).card.features
ONE = [NAMES.index(features.split()[0]) for features, _ in GROUPS.values()]
"""One feature of each group."""
END_H = 24 * 70


def told(seed: int, n: int = 3) -> Inputs:
    rng = np.random.default_rng(seed)
    tabular = np.full((n, len(NAMES)), np.nan, np.float32)
    tabular[:, ONE] = rng.normal(size=(n, len(GROUPS)))
    return Inputs(tabular, np.zeros((n, STEPS, len(CHANNELS)), np.float32))


def values(inputs: Inputs) -> np.ndarray:
    """One number for each group, (n, groups)."""
    return np.nan_to_num(inputs.tabular[:, ONE]).astype(np.float64)


@given(st.integers(0, 2**31))
def test_pairs_are_shared_evenly_and_all_adds_up(seed: int) -> None:
    """If this fails, a part is not Shapley's value where groups act alone and in pairs, or something is left over."""
    rng = np.random.default_rng(seed)
    weight, pairs = rng.normal(size=len(GROUPS)), np.triu(rng.normal(size=(len(GROUPS),) * 2), 1)
    inputs = told(seed)

    def ask(_: np.ndarray, changed: Inputs) -> np.ndarray:
        x = values(changed)
        total = x @ weight + np.einsum("ni,ij,nj->n", x, pairs, x)
        return np.repeat(total[:, None], len(HORIZONS), axis=1)

    found = attribute(NAMES, inputs, ask)
    whole = ask(np.arange(3), inputs)
    np.testing.assert_allclose(found.idle + found.parts.sum(axis=2), whole, atol=1e-9)
    x = values(inputs)
    neutral = x.copy()
    level = list(GROUPS).index("where it usually rests")  # without a resting rate it stays as it is
    neutral[:, [g for g in range(len(GROUPS)) if g != level]] = 0.0
    hour = list(GROUPS).index("time of day and week")
    moved = x - neutral
    base = weight * moved + 0.5 * moved * ((pairs + pairs.T) @ (x + neutral).T).T
    mine = [g for g in range(len(GROUPS)) if g != level]
    np.testing.assert_allclose(found.parts[:, 0][:, mine], base[:, mine], atol=1e-5)
    assert hour in mine


def test_a_model_that_reads_one_group_owes_everything_to_it() -> None:
    """If this fails, the wrong input is named as what moved the forecast."""
    volume = list(GROUPS).index("volume")
    found = attribute(NAMES, told(1), lambda _, x: np.repeat(values(x)[:, [volume]], len(HORIZONS), axis=1))
    assert (found.parts[:, :, [g for g in range(len(GROUPS)) if g != volume]] == 0).all()
    assert (found.parts[:, :, volume] != 0).all()


@pytest.fixture(scope="module")
def grid() -> HourlyGrid:
    renamed = {
        n: f.with_columns(pl.col("venue").replace("hyperliquid", "injective")) for n, f in tables().items()
    }
    series = series_of(renamed)
    return grid_at(series, sorted(series), np.arange(ms(1), ms(END_H) + 1, HOUR_MS))


@pytest.fixture(scope="module", params=["ensemble", "ewma", "persistence", "nowcast"])
def made(request: pytest.FixtureRequest, grid: HourlyGrid) -> ForecastSet:
    return make_forecaster(request.param).forecast(grid, ms(END_H), 24)


def test_every_forecast_on_injective_is_explained_to_its_last_digit(made: ForecastSet) -> None:
    """If this fails, what is told of a forecast is not what was forecast."""
    assert set(made.drivers) == {SeriesKey("injective", coin) for coin in ("BTC", "ETH")}
    for key, drivers in made.drivers.items():
        total = drivers.last + drivers.idle + sum(drivers.moved.values())
        assert total == pytest.approx(made.marginals[key].mean, abs=1e-12)
        assert drivers.moved
        assert drivers.text or set(drivers.moved) <= set(GROUPS)


def test_every_span_is_told_of_every_series(made: ForecastSet) -> None:
    """If this fails, the funding of the coming hour or week lacks a market, or is a number from nowhere."""
    assert [span.hours for span in made.spans] == list(SPANS_H)
    for span in made.spans:
        assert span.scenarios.shape == made.scenarios.shape
        assert np.isfinite(span.scenarios).all()
        assert span.rests_on


def test_eight_hours_fit_between_the_next_settlement_and_the_day() -> None:
    """If this fails, hours are counted twice or not at all where forecasts of several horizons are joined."""
    draws = np.random.default_rng(2).normal(size=(3, len(HORIZONS), 50))
    hour, eight, week = spans_of(draws, np.array([1.0, 8.0, 4.0]))
    np.testing.assert_allclose(hour.scenarios, draws[:, S1].T)
    np.testing.assert_allclose(week.scenarios, draws[:, -1].T)
    np.testing.assert_allclose(eight.scenarios[:, 1], draws[1, S1])  # one settlement covers them all
    np.testing.assert_allclose(eight.scenarios[:, 2], (draws[2, S1] + draws[2, S3]) / 2)
    later = (24 * draws[0, M24H] - draws[0, S1] - 2 * draws[0, S3]) / 21
    np.testing.assert_allclose(eight.scenarios[:, 0], (draws[0, S1] + 2 * draws[0, S3] + 5 * later) / 8)
