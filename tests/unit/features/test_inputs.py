"""What a model reads: nothing of the future, the same when serving and when training, never a silent number."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rates import tables
from small_tables import TS, at, ms

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.venue import observe_at
from hedged.buffer.ring import BarWindow
from hedged.domain.bars import BAR_MS, N_FIELDS
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.features.history import grid_at
from hedged.features.points import Points, Rolling, ewm_lately, ewm_of_prints, others_mean
from hedged.features.resample import HourlyGrid, hourly
from hedged.features.samples import ARRAYS, Pile, samples_at, usable
from hedged.features.sampling import ALL_SETTLEMENTS, Sampling, collect
from hedged.features.scale import MIN_SCALE, scale_of, settled_now
from hedged.features.sequence import sequences
from hedged.features.tabular import tabular
from hedged.features.targets import targets_of

END_H = 24 * 70
VALUES = ("funding_rate", "mark_price", "close", "volume", "open_interest_base", "premium", "depth_50bps_usd",
          "liquidations_usd", "funding_estimate", "long_short_ratio", "value")  # fmt: skip


def grid_of(told: dict[str, pl.DataFrame], end_h: int = END_H, hours: int = END_H) -> HourlyGrid:
    series = series_of(told)
    times_ms = np.arange(ms(end_h - hours + 1), ms(end_h) + 1, HOUR_MS)
    return grid_at(series, sorted(series), times_ms)


def inputs_of(grid: HourlyGrid) -> tuple[list[str], np.ndarray, np.ndarray]:
    at_end = Points(np.arange(len(grid.keys)), np.full(len(grid.keys), len(grid.times_ms) - 1))
    scale = scale_of(grid, at_end)
    names, columns = tabular(grid, at_end, scale)
    return names, columns, sequences(grid, at_end, scale)


def known_at(name: str, frame: pl.DataFrame) -> pl.Expr:
    """When a row was known, said independently of the adapter."""
    if "bar" not in frame.columns:
        return pl.col("ts")
    length = pl.when(pl.col("bar") == "1d").then(24 * HOUR_MS)
    length = length.otherwise(HOUR_MS if name == "ohlcv" else 0)
    return (pl.col("ts") + pl.duration(milliseconds=length)).cast(TS)


@cache
def true_inputs(end_h: int = END_H) -> tuple[list[str], np.ndarray, np.ndarray]:
    return inputs_of(grid_of(tables(), end_h))


@pytest.mark.parametrize("name", sorted(tables(hours=48)))
@pytest.mark.parametrize("end_h", [END_H, END_H - 3])
def test_no_table_tells_the_future(name: str, end_h: int) -> None:
    """If this fails, a feature reads a row of this table before it was known, and every backtest is too good."""
    told = tables()
    late = known_at(name, told[name]) > pl.lit(at(end_h)).cast(TS)
    assert told[name].filter(late).height > 0
    columns = [c for c in VALUES if c in told[name].columns]
    changed = told[name].with_columns(pl.when(late).then(pl.col(c) * 7 + 1).otherwise(pl.col(c)).alias(c)
                                      for c in columns)  # fmt: skip
    true, perturbed = true_inputs(end_h), inputs_of(grid_of(told | {name: changed}, end_h))
    np.testing.assert_array_equal(perturbed[1], true[1])
    np.testing.assert_array_equal(perturbed[2], true[2])


@pytest.mark.parametrize("name", sorted(tables(hours=48)))
def test_the_leak_test_would_notice(name: str) -> None:
    """If this fails, no feature reads this table at all, and the leak test above proves nothing about it."""
    told = tables()
    recent = known_at(name, told[name]) > pl.lit(at(END_H - 48)).cast(TS)
    columns = [c for c in VALUES if c in told[name].columns]
    changed = told[name].with_columns(pl.when(recent).then(pl.col(c) * 1.5 + 1e-5).otherwise(pl.col(c)).alias(c)
                                      for c in columns)  # fmt: skip
    true, perturbed = true_inputs(), inputs_of(grid_of(told | {name: changed}))
    assert not np.array_equal(perturbed[1], true[1], equal_nan=True)


def test_serving_sees_what_training_saw() -> None:
    """If this fails, the model gets other numbers from 15-minute live bars than from the hourly history it learned."""
    series = series_of(tables())
    keys = sorted(series)
    times_ms = np.arange(ms(0), ms(END_H) + 1, BAR_MS)
    values = np.empty((len(keys), len(times_ms), N_FIELDS), np.float32)
    for row, key in enumerate(keys):
        values[row] = observe_at(series, key, times_ms)[0]
    live = hourly(BarWindow(tuple(keys), BAR_MS, times_ms, values, values[:, :, :0]))
    past = grid_at(series, keys, np.arange(ms(0), ms(END_H) + 1, HOUR_MS))
    names, served, sequence = inputs_of(live)
    _, learned, sequence_learned = inputs_of(past)
    for i, feature in enumerate(names):
        np.testing.assert_allclose(served[:, i], learned[:, i], rtol=1e-5, atol=1e-5, err_msg=feature)
    np.testing.assert_allclose(sequence, sequence_learned, rtol=1e-5, atol=1e-5)


def test_an_hour_alone_tells_what_it_tells_among_others() -> None:
    """If this fails, the daemon, which asks for one hour, sees other numbers than training, which asks for many."""
    grid = grid_of(tables())
    rows = np.arange(len(grid.keys))
    cols = np.array([END_H - 9, END_H - 6, END_H - 1])
    among = Points(np.tile(rows, len(cols)), np.repeat(cols, len(rows)))
    scale = scale_of(grid, among)
    names, columns = tabular(grid, among, scale)
    sequence = sequences(grid, among, scale)
    for i, col in enumerate(cols):
        alone, mine = Points(rows, np.full(len(rows), col)), slice(i * len(rows), (i + 1) * len(rows))
        own = scale_of(grid, alone)
        for figure in ("last", "s", "pin", "pin_share"):
            np.testing.assert_allclose(getattr(own, figure), getattr(scale, figure)[mine], rtol=1e-9)
        told = tabular(grid, alone, own)[1]
        for k, feature in enumerate(names):
            np.testing.assert_allclose(told[:, k], columns[mine, k], rtol=1e-6, atol=1e-6, err_msg=feature)
        np.testing.assert_allclose(sequences(grid, alone, own), sequence[mine], rtol=1e-6, atol=1e-6)


@given(st.data())
def test_prints_are_smoothed_the_same_by_either_way(data: st.DataObject) -> None:
    """If this fails, EWMs of a live hour differ from those of history, or a rate that rests has one beside itself."""
    hours = data.draw(st.integers(4, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    level = np.cumsum(rng.normal(0, 1e-6, (5, hours)), axis=1) + 1e-5
    level[rng.random(level.shape) < data.draw(st.sampled_from((0.0, 0.3)))] = np.nan
    level[0] = 1.25e-5
    settled = rng.random(level.shape) < data.draw(st.sampled_from((0.1, 0.5, 1.0)))
    lately = data.draw(st.integers(1, min(9, hours)))
    slow, quick = (smooth(level, settled, (1.0, 8.0, 64.0), lately) for smooth in (ewm_of_prints, ewm_lately))
    np.testing.assert_allclose(quick, slow, rtol=1e-12)
    assert np.isin(quick[:, 0][~np.isnan(quick[:, 0])], 1.25e-5).all()


def test_a_short_window_tells_nearly_the_same() -> None:
    """If this fails, what the daemon sees through its buffer differs from what the model learned on longer history."""
    told = tables()
    names, whole, _ = true_inputs()
    _, short, _ = inputs_of(grid_of(told, hours=60 * 24 + 1))
    for i, feature in enumerate(names):
        # the nowcast learns its band from what it sees go by: a longer past has seen other misses
        near = 1.0 if feature.startswith("nowcast") else 0.15
        np.testing.assert_allclose(short[:, i], whole[:, i], rtol=0.05, atol=near, err_msg=feature)


def test_a_missing_venue_leaves_the_rest_standing() -> None:
    """If this fails, a venue that is down takes the forecasts of the others with it."""
    told = tables()
    without = {n: f.filter(pl.col("venue") != "hyperliquid") for n, f in told.items()}
    names, columns, sequence = inputs_of(grid_of(without))
    assert np.isnan(columns[:, names.index("at_hyperliquid")]).all()
    assert np.isfinite(columns[:, names.index("lag1")]).all()
    assert np.isfinite(sequence).all()


def test_an_overdue_series_is_not_forecast() -> None:
    """If this fails, a venue whose prints stopped is forecast from a rate of days ago."""
    told = tables()
    stopped = (pl.col("venue") == "binance") & (pl.col("ts") > pl.lit(at(END_H - 20)).cast(TS))
    grid = grid_of(told | {"funding": told["funding"].filter(~stopped)})
    at_end = Points(np.arange(len(grid.keys)), np.full(len(grid.keys), len(grid.times_ms) - 1))
    left = {grid.keys[row].venue for row in usable(grid, at_end).rows}
    assert left == {"hyperliquid", "bybit"}


def test_too_few_prints_are_no_yardstick() -> None:
    """If this fails, a market listed hours ago is forecast from nothing."""
    told = tables(hours=30)
    grid = grid_of(told, end_h=29, hours=30)
    left = {grid.keys[row].venue for row in usable(grid, Points(np.arange(6), np.full(6, 29))).rows}
    assert left == {"hyperliquid", "bybit"}  # 30 prints, 7 prints; binance printed four times


def test_a_constant_series_divides_by_no_zero() -> None:
    """If this fails, a market that always rests gives infinite features."""
    told = tables()
    flat = told["funding"].with_columns(funding_rate=pl.col("interval_hours") * 1.25e-5)
    grid = grid_of(told | {"funding": flat})
    names, columns, sequence = inputs_of(grid)
    assert not np.isinf(columns).any()
    assert np.isfinite(sequence).all()
    at_end = Points(np.arange(6), np.full(6, len(grid.times_ms) - 1))
    assert (scale_of(grid, at_end).s == MIN_SCALE).all()
    assert (columns[:, names.index("at_pin")] == 1.0).all()


def test_targets_are_the_prints_that_followed() -> None:
    """If this fails, the model learns a rate of another settlement, or a mean over another stretch."""
    series = series_of(tables())
    data = series[SeriesKey("binance", "BTC")]
    origin = int(data.funding_ts[50])
    found = targets_of(data, np.array([origin]), 2**60)
    per_hour = data.funding_rate / 8
    assert found.rate[0] == pytest.approx(
        [per_hour[51], per_hour[53], per_hour[51:54].mean(), per_hour[51:66].mean()]
    )
    assert (found.ts_ms[0] - origin == np.array([8, 24, 24, 120]) * HOUR_MS).all()
    assert list(found.interval_h[0]) == [8.0, 8.0, 24.0, 120.0]


def test_a_target_not_known_yet_is_unknown() -> None:
    """If this fails, training learns from prints that settled after its date."""
    data = series_of(tables())[SeriesKey("binance", "BTC")]
    origin = int(data.funding_ts[50])
    for column, hours in enumerate((8, 24, 24, 120)):
        due_ms = origin + hours * HOUR_MS
        assert np.isnan(targets_of(data, np.array([origin]), due_ms).rate[0, column])
        assert not np.isnan(targets_of(data, np.array([origin]), due_ms + 1).rate[0, column])


def test_a_gap_ends_the_chain() -> None:
    """If this fails, the print after a gap of days counts as the next settlement."""
    told = tables()
    hole = (pl.col("venue") == "binance") & pl.col("ts").is_between(
        pl.lit(at(401)).cast(TS), pl.lit(at(431)).cast(TS)
    )
    data = series_of(told | {"funding": told["funding"].filter(~hole)})[SeriesKey("binance", "BTC")]
    before, last = targets_of(data, np.array([ms(392), ms(400)]), 2**60).rate
    assert not np.isnan(before[0])
    assert np.isnan(before[1:]).all()
    assert np.isnan(last).all()


def test_an_interval_taken_for_another_is_seen() -> None:
    """If this fails, an 8 h rate read as an hourly one passes unnoticed into s and the targets."""
    told = tables()
    wrong = told["funding"].with_columns(
        interval_hours=pl.when(pl.col("venue") == "binance").then(1.0).otherwise(pl.col("interval_hours"))
    )
    series = series_of(told | {"funding": wrong})
    grid = grid_at(series, sorted(series), np.arange(ms(0), ms(END_H - 1) + 1, HOUR_MS))
    row = grid.row[SeriesKey("binance", "BTC")]
    left = usable(grid, Points(np.array([row]), np.array([END_H - 1])))
    assert not len(left)  # said to settle hourly, seven hours late: overdue, so not forecast


def test_samples_know_nothing_after_the_date() -> None:
    """If this fails, `hedged train --to` learns from the future it is later tested on."""
    told = tables()
    until = ms(END_H)
    cut = {n: f.filter(known_at(n, f) < pl.lit(at(END_H)).cast(TS)) for n, f in told.items()}
    sampling = Sampling(1.0, 1.0, 1.0, 0.1, seed=3)
    whole, shortened = (collect(series_of(t), ms(0) - 1, until, sampling) for t in (told, cut))
    assert len(whole) == len(shortened) > 2_000
    np.testing.assert_array_equal(whole.tabular, shortened.tabular)
    np.testing.assert_array_equal(whole.target, shortened.target)
    assert whole.target_ms.max() < until


def test_every_settlement_is_an_origin_once() -> None:
    """If this fails, forecasts are missing or doubled."""
    series = series_of(tables())
    found = collect(series, ms(40 * 24), ms(END_H), ALL_SETTLEMENTS)
    for i, key in enumerate(found.keys):
        mine = np.sort(found.origin_ms[found.series == i])
        ts = series[key].funding_ts
        np.testing.assert_array_equal(mine, ts[(ts > ms(40 * 24)) & (ts < ms(END_H))])


def test_means_count_known_hours_only() -> None:
    """If this fails, an unknown hour is taken for a rate of zero."""
    x = np.array([[1.0, np.nan, 3.0, np.nan, np.nan]])
    points = Points(np.array([0, 0, 0]), np.array([2, 3, 4]))
    np.testing.assert_allclose(Rolling(x).mean(points, 2), [3.0, 3.0, np.nan])
    mean, others = others_mean(np.array([[1.0], [np.nan], [5.0], [7.0]]), np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(mean[:, 0], [5.0, 3.0, 1.0, np.nan])
    assert list(others[:, 0]) == [1, 2, 1, 0]


def test_a_pile_holds_what_was_put_on_it() -> None:
    """If this fails, training reads rows of one origin beside the target of another."""
    series = series_of(tables())
    parts = [
        collect(series, ms(from_h), ms(from_h + 24), ALL_SETTLEMENTS) for from_h in (1_000, 1_500, 1_200)
    ]
    pile = Pile()
    for part in parts:
        pile.add(part)
    whole = pile.samples(parts[0].keys)
    assert len(pile) == len(whole) == sum(map(len, parts))
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(p, name) for p in parts]))


def test_a_print_of_a_hundred_basis_points_stays_finite() -> None:
    """If this fails, one squeeze gives infinite or absent features."""
    told = tables()
    instant = pl.lit(at(END_H)).cast(TS)
    wild = told["funding"].with_columns(
        funding_rate=pl.when(pl.col("ts") == instant).then(-0.01).otherwise(pl.col("funding_rate"))
    )
    grid = grid_of(told | {"funding": wild})
    assert settled_now(grid)[:, -1].all()
    names, columns, sequence = inputs_of(grid)
    assert not np.isinf(columns).any()
    assert np.isfinite(sequence).all()
    assert (columns[:, names.index("lag1")] > 10).all()


def test_samples_of_a_grid_without_future_have_no_targets() -> None:
    """If this fails, serving invents outcomes."""
    grid = grid_of(tables())
    at_end = Points(np.arange(6), np.full(6, len(grid.times_ms) - 1))
    index = {key: i for i, key in enumerate(grid.keys)}
    assert np.isnan(samples_at(grid, at_end, {}, index, 0).target).all()
