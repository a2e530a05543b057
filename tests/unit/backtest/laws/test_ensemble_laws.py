"""The causal batch of the ensemble: what it says hour by hour, from nothing that came later."""

import numpy as np
import polars as pl
import pytest
from worlds import START_MS, config, tables, world_of

from hedged.backtest.laws.build import Asked, precomputed
from hedged.backtest.laws.ensemble import ensemble_laws
from hedged.backtest.laws.table import LawTable
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.forecast.registry import make_forecaster

HOURS = 18
WINDOW = Window(START_MS - 3 * HOUR_MS, START_MS + (HOURS - 3) * HOUR_MS)  # over a midnight, when it learns
SETTINGS = config(hedge={"forecaster": "ensemble"})
ARRAYS = ("hours_ms", "made_by", "means", "p_up", "quantiles", "coming")


def frames() -> dict[str, pl.DataFrame]:
    """Two days in which Binance's prints are received two minutes late."""
    told = tables(2)
    late = pl.when(pl.col("venue") == "binance").then(2 * MINUTE_MS).otherwise(0)
    funding = told["funding"].with_columns(known_ts=pl.col("ts") + pl.duration(milliseconds=late))
    return told | {"funding": funding}


def asked(world: World) -> Asked:
    return Asked(world, SETTINGS, ("INJ", "BTC"), WINDOW)


@pytest.fixture(scope="module")
def laws() -> LawTable:
    return ensemble_laws(asked(world_of(frames())), dtype=np.float64, threads=1)


def test_it_says_what_the_forecaster_says_hour_by_hour(laws: LawTable) -> None:
    """If this fails, a backtest on precomputed forecasts is one of another model."""
    reference = precomputed(make_forecaster("ensemble"), asked(world_of(frames())), dtype=np.float64)
    assert len(laws.hours_ms) == HOURS
    assert np.isfinite(laws.quantiles).any()
    for name in ARRAYS:
        # rates per hour; the graphs may answer many rows a rounding error off from few
        np.testing.assert_allclose(getattr(laws, name), getattr(reference, name), rtol=0, atol=1e-10)
    for hour in range(HOURS):
        mine, theirs = laws.of_hour(hour), reference.of_hour(hour)
        assert mine.keys == theirs.keys
        assert mine.made_by == theirs.made_by
        assert mine.model_hash == theirs.model_hash
        np.testing.assert_allclose(mine.scenarios, theirs.scenarios, rtol=0, atol=1e-10)


def test_it_knows_no_future(laws: LawTable) -> None:
    """If this fails, asking about many hours at once lets an hour see the ones behind it."""
    cut_ms = START_MS + 5 * HOUR_MS
    changed = {}
    for name, frame in frames().items():
        length_ms = (
            15 * MINUTE_MS if name in ("ohlcv", "liquidations") else 0
        )  # stamped with their bar's beginning
        known = pl.col("known_ts" if name == "funding" else "ts").dt.epoch("ms") + length_ms
        numbers = [column for column, kind in frame.schema.items() if kind == pl.Float64]
        changed[name] = frame.with_columns(
            pl.when(known > cut_ms).then(pl.col(column) * 1.02 + 1e-5).otherwise(pl.col(column))
            for column in numbers
        )
    other = ensemble_laws(asked(world_of(changed)), dtype=np.float64, threads=1)
    before = laws.hours_ms <= cut_ms
    assert before.sum() == 9
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(other, name)[before], getattr(laws, name)[before], err_msg=name)
    assert not np.array_equal(other.quantiles[~before], laws.quantiles[~before], equal_nan=True)
