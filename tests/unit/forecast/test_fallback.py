"""The ensemble with the EWMA for short histories: who speaks for whom, and that the whole stays one joint law."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from rates import tables
from small_tables import ms

from hedged.adapters.replay.series import series_of
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.domain.market import SeriesKey
from hedged.features.history import grid_at
from hedged.features.resample import HourlyGrid
from hedged.forecast.artefact import SHIPPED, load
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.fallback import WithFallback
from hedged.forecast.registry import make_forecaster

END_H = 24 * 40
LISTED = SeriesKey("hyperliquid", "BTC")


def grid_of(days: float, listed: frozenset[SeriesKey] = frozenset({LISTED})) -> HourlyGrid:
    """A window of 40 days in which some series have been there for the last `days` alone, and settle once a day."""
    told = tables()
    mine = pl.struct("venue", "symbol").is_in([{"venue": v, "symbol": s} for v, s in listed])
    daily = told["funding"].filter(mine & (pl.col("ts").dt.hour() == 0) & (pl.col("ts").dt.minute() == 0))
    daily = daily.filter(pl.col("ts").dt.epoch("ms") > ms(END_H - days * 24))
    daily = daily.with_columns(pl.col("funding_rate") * 24, interval_hours=pl.lit(24, pl.Float32))
    others = told["funding"].filter(~mine)
    told["funding"] = pl.concat([others, daily.cast(dict(others.schema))])
    series = series_of(told)
    return grid_at(series, sorted(series), np.arange(ms(1), ms(END_H) + 1, HOUR_MS))


@pytest.mark.parametrize(("days", "who"), [(2, None), (5.5, STAND_IN), (9, "ensemble")])
def test_a_young_market_is_forecast_by_what_its_history_allows(days: float, who: str | None) -> None:
    """If this fails, a market listed days ago is left alone without need, or stays with the EWMA for ever."""
    made = make_forecaster("ensemble").forecast(grid_of(days), ms(END_H), 24)
    assert made.made_by.get(LISTED) == who
    assert (LISTED in made.keys) is (who is not None)
    others = {key for key in made.keys if key != LISTED}
    assert len(others) == 5
    assert {made.made_by[key] for key in others} == {"ensemble"}
    assert made.scenarios.shape == (256, len(made.keys))
    assert np.isfinite(made.scenarios).all()


def test_the_hash_names_both() -> None:
    """If this fails, a decision does not say by which of two models it was made."""
    forecaster = make_forecaster("ensemble")
    made = forecaster.forecast(grid_of(5), ms(END_H), 24)
    assert made.model_hash == forecaster.model_hash
    assert make_forecaster("ewma").model_hash == forecaster.model_hash.split("+")[1]
    assert load(SHIPPED).hash == forecaster.model_hash.split("+")[0]


QUICK = EwmaConfig(half_lives_h=(0.0,), min_history_h=24)
YOUNG = tuple(SeriesKey("hyperliquid", symbol) for symbol in ("BTC", "ETH"))


class Elder(EwmaForecaster):
    """One that refuses the young."""

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        rows = [row for row, key in enumerate(grid.keys) if key not in YOUNG]
        return super().forecast(grid.rows(rows), now_ms, horizon_h)


def test_stand_ins_are_drawn_together_and_apart_from_the_rest() -> None:
    """If this fails, two young markets that move as one look like a riskless exchange, or a hedge of old ones."""
    grid = grid_of(30, frozenset())
    a, b = (grid.row[key] for key in YOUNG)
    level, paid = grid.level.copy(), grid.paid.copy()
    level[b], paid[b] = level[a] * 2, paid[a] * 2
    # misses that grow with time: what is old and what is new would tie the groups
    trend = 1e-3 * np.linspace(0, 1, len(grid.times_ms)) ** 2
    level, paid = level + trend, paid + trend * np.nan_to_num(grid.interval_h) * (paid != 0)
    both = WithFallback(Elder(QUICK), EwmaForecaster(QUICK), ("long", "short"))
    made = both.forecast(replace(grid, level=level, paid=paid), ms(END_H), 24)
    assert {key for key, who in made.made_by.items() if who == "short"} == set(YOUNG)
    ranks = {key: np.argsort(np.argsort(made.column(key))) for key in made.keys}

    def tied(x: SeriesKey, y: SeriesKey) -> float:
        return float(np.corrcoef(ranks[x], ranks[y])[0, 1])

    assert tied(*YOUNG) > 0.85
    assert all(abs(tied(key, one)) < 0.3 for key in made.keys if key not in YOUNG for one in YOUNG)
    for key in YOUNG:  # the draws are still the marginal's
        assert np.median(made.column(key)) == pytest.approx(made.marginals[key].quantiles[4], rel=0.05)


@pytest.mark.parametrize("hours", [0, 5])
def test_nothing_known_is_nothing_said(hours: int) -> None:
    """If this fails, the first cycle of a cold start fails, or trades on nothing."""
    made = make_forecaster("ensemble").forecast(grid_of(8).last(hours), ms(END_H), 24)
    assert made.keys == ()
    assert made.scenarios.shape == (256, 0)
