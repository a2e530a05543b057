"""The nowcast of slow venues: what it says is calibrated, falls to nothing at the settlement, and never looks ahead."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from premium_worlds import GRID_ARRAYS, World, premium_grid, until, without

from hedged.domain.bars import Field
from hedged.domain.forecast import LEVELS, quantile_function
from hedged.features.nowcast import MEDIAN, Evidence, Nowcast, nowcast, nowcast_features, share_below
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid
from hedged.features.running_rate import rule_of
from hedged.features.scale import scale_of

ESTIMATES = World(tells_estimate=True, days=120, coins=3)
SOURCES = World(twin="kraken", days=120, coins=2)


def at(grid: HourlyGrid, row: int, since_h: int, from_day: int = 40, interval_h: int = 8) -> Points:
    """Points `since_h` hours into each interval of a series that ends within the grid."""
    hours = grid.level.shape[1]
    cols = np.arange(from_day * 24, hours - interval_h, interval_h) + since_h
    return Points(np.full(len(cols), row), cols)


def came(grid: HourlyGrid, points: Points, interval_h: int = 8) -> np.ndarray:
    """The rate that was charged at the end of each point's interval."""
    return grid.level[points.rows, points.cols // interval_h * interval_h + interval_h]


def same(a: Nowcast, b: Nowcast) -> bool:
    return all(np.array_equal(getattr(a, f), getattr(b, f), equal_nan=True) for f in Nowcast.__slots__)


def error(grid: HourlyGrid, row: int, since_h: int) -> float:
    """Mean absolute error of the median against that of the last rate."""
    points = at(grid, row, since_h)
    law, rate = nowcast(grid, points), came(grid, points)
    return float(
        np.abs(rate - law.rate[:, MEDIAN]).mean() / np.abs(rate - grid.level[row, points.cols]).mean()
    )


def places(grid: HourlyGrid, venue: str, since_h: int) -> np.ndarray:
    """Where in their laws the rates came; in a lump at the interest, anywhere within it."""
    out = []
    rng = np.random.default_rng(3)
    for row in [i for i, key in enumerate(grid.keys) if key.venue == venue]:
        points = at(grid, row, since_h)
        law = nowcast(grid, points)
        low, high = rule_of(venue).premium(came(grid, points))
        below, upto = share_below(law.premium, low - 1e-9), share_below(law.premium, high + 1e-9)
        out.append(below + (upto - below) * rng.random(len(below)))
    return np.concatenate(out)


@pytest.mark.parametrize("venue", ["binance", "gate", "okx"])
@pytest.mark.parametrize("phi", [0.5, 0.97])
def test_a_running_estimate_is_calibrated(venue, phi):
    """The band around a rate that a venue is already telling would be too narrow to be believed, or useless."""
    grid = premium_grid(replace(ESTIMATES, venue=venue, phi=phi))
    for since_h in (1, 4, 7):
        where = places(grid, venue, since_h)
        assert 0.7 <= ((where > 0.1) & (where < 0.9)).mean() <= 0.9
        assert abs(where.mean() - 0.5) < 0.06


def test_the_error_falls_as_the_settlement_comes():
    """A rate that is three quarters decided would be forecast as badly as at the interval's beginning."""
    grid = premium_grid(ESTIMATES)
    errors = [error(grid, 0, since_h) for since_h in (1, 3, 5, 7)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.25


@pytest.mark.parametrize("interval_h", [4, 8])
def test_hourly_sources_tell_a_slow_venue(interval_h):
    """What other venues settled within the interval would be left unread, or read an interval late."""
    grid = premium_grid(replace(SOURCES, interval_h=interval_h))
    points = at(grid, 0, interval_h - 1, interval_h=interval_h)
    law, rate = nowcast(grid, points), came(grid, points, interval_h)
    assert (law.evidence == Evidence.SOURCES).all()
    last = grid.level[0, points.cols]
    assert np.abs(rate - law.rate[:, MEDIAN]).mean() < 0.5 * np.abs(rate - last).mean()
    assert law.interval_h == pytest.approx(interval_h)
    assert law.settles_in_h == pytest.approx(1.0)


def test_sources_are_calibrated_too():
    """The law learnt from other venues would claim more than they tell."""
    grid = premium_grid(SOURCES)
    for since_h in (0, 7):
        where = places(grid, "binance", since_h)
        assert 0.7 <= ((where > 0.1) & (where < 0.9)).mean() <= 0.9


def test_a_venue_at_rest_is_nowcast_with_a_lump():
    """The forecast would lie beside the interest, where half of all rates are exactly."""
    grid = premium_grid(World(mean=-1e-4, sd=2e-4, days=60, twin="kraken"))
    points = at(grid, 0, 4)
    law = nowcast(grid, points)
    resting = np.isclose(came(grid, points), 1.25e-5, rtol=0, atol=1e-9).mean()
    assert resting > 0.7
    assert np.isclose(law.rate[:, MEDIAN], 1.25e-5, rtol=0, atol=1e-9).mean() > 0.7
    last_at_rest = np.isclose(grid.level[0, points.cols], 1.25e-5, rtol=0, atol=1e-9)
    assert ((law.p_up > 0.2) & (law.p_up < 0.8))[last_at_rest].mean() > 0.9


def test_the_interest_is_read_from_the_prints():
    """A coin that rests at 0 (BNB on Binance) would be expected at 1 bp."""
    grid = premium_grid(World(mean=-1e-4, sd=2e-4, days=60, twin="kraken", rest_8h=0.0))
    law = nowcast(grid, at(grid, 0, 4))
    assert np.isclose(law.rate[:, MEDIAN], 0.0, rtol=0, atol=1e-9).mean() > 0.7


@pytest.mark.parametrize("world", [SOURCES, replace(ESTIMATES, coins=1)])
def test_the_future_is_not_read(world):
    """A backtest would trade on rates that had not been settled."""
    grid = premium_grid(replace(world, days=50))
    cut = 45 * 24 + 5
    points = Points(np.zeros(200, int), np.arange(cut - 200, cut))
    other = until(grid, grid.level.shape[1])
    rng = np.random.default_rng(4)
    for name in GRID_ARRAYS:
        x = getattr(other, name)
        if name not in ("interval_h", "since_h"):
            x[:, cut:] = rng.normal(0, 1e-3, x[:, cut:].shape)
    other.interval_h[-1, cut:] = 8.0
    assert same(nowcast(grid, points), nowcast(other, points))
    assert same(nowcast(grid, points), nowcast(until(grid, cut), points))


def test_without_sources_and_estimates_nothing_is_said():
    """A market of which nothing is known within the interval would be nowcast from nothing."""
    grid = premium_grid(World(days=40))
    points = at(grid, 0, 3, from_day=20)
    law = nowcast(grid, points)
    assert (law.evidence == Evidence.NONE).all()
    columns = dict(nowcast_features(nowcast(grid, points), scale_of(grid, points)))
    assert all(np.isnan(x).all() for x in columns.values())


@pytest.mark.parametrize("field", [Field.FUNDING_ESTIMATE, Field.SETTLES_IN_S, Field.INTERVAL_H])
def test_a_missing_estimate_falls_back_and_says_so(field):
    """An estimate that did not come, or came without its instant, would be taken for zero or for the last one."""
    world = World(tells_estimate=True, twin="kraken", days=60)
    grid = premium_grid(world)
    points = at(grid, 0, 5)
    assert (nowcast(grid, points).evidence == Evidence.ESTIMATE).all()
    law = nowcast(without(grid, field, slice(int(points.cols[-1]), None)), points)
    assert law.evidence[-1] == Evidence.SOURCES
    assert (law.evidence[:-1] == Evidence.ESTIMATE).all()
    assert np.isfinite(law.rate).all()


def test_an_estimate_that_contradicts_its_interval_is_not_used():
    """An 8 h interval told as 1 h would be decided to minus four hundred per cent."""
    grid = premium_grid(World(tells_estimate=True, days=60))
    grid.bars[:, :, Field.INTERVAL_H] = 1.0
    assert (nowcast(grid, at(grid, 0, 3)).evidence == Evidence.NONE).all()


def test_a_changed_interval_is_not_mixed_with_the_old_one():
    """After a venue went from 8 h to 4 h its rates would be learnt at the wrong hours of the interval."""
    long, short = premium_grid(SOURCES), premium_grid(replace(SOURCES, interval_h=4))
    grid = until(long, long.level.shape[1])
    middle = 60 * 24
    for name in GRID_ARRAYS:
        getattr(grid, name)[:, middle:] = getattr(short, name)[:, middle:]
    points = Points(np.zeros(4, int), middle + 40 * 24 + np.arange(4))
    law = nowcast(grid, points)
    assert law.interval_h == pytest.approx(4.0)
    assert law.settles_in_h == pytest.approx([4.0, 3.0, 2.0, 1.0])
    assert np.isfinite(law.rate).all()


def test_too_short_a_history_is_no_evidence():
    """A market listed last week would be nowcast with weights made from a handful of intervals."""
    grid = premium_grid(replace(SOURCES, days=20))
    law = nowcast(grid, Points(np.zeros(2, int), np.array([11 * 8 + 3, 19 * 24 + 3])))
    assert law.evidence.tolist() == [Evidence.NONE, Evidence.SOURCES]


def test_an_overdue_settlement_ends_the_nowcast():
    """A venue that stopped printing would be nowcast for ever from its last interval."""
    grid = premium_grid(replace(SOURCES, days=40))
    cut = 30 * 24
    grid.since_h[0, cut:] = grid.since_h[0, cut - 1] + 1 + np.arange(grid.level.shape[1] - cut)
    grid.level[0, cut:] = grid.level[0, cut - 1]
    law = nowcast(grid, Points(np.zeros(2, int), np.array([cut - 1, cut])))
    assert law.evidence.tolist() == [Evidence.SOURCES, Evidence.NONE]


def test_features_are_named_once_and_in_units_of_s():
    """A model would be given a column twice, or rates in another unit than its targets."""
    grid = premium_grid(replace(SOURCES, days=60))
    points = at(grid, 0, 7)
    scale = scale_of(grid, points)
    named = list(nowcast_features(nowcast(grid, points), scale))
    columns = dict(named)
    assert len(columns) == len(named)
    assert all(name.startswith("nowcast_") and x.shape == (len(points),) for name, x in named)
    law = nowcast(grid, points)
    assert columns["nowcast_center"] == pytest.approx((law.center - scale.last) / scale.s)
    assert (columns["nowcast_low"] <= columns["nowcast_high"]).all()
    assert columns["nowcast_decided"] == pytest.approx((7 / 8) ** 2)


@pytest.mark.parametrize("shape", [(0, 0), (2, 0), (0, 100), (2, 1)])
def test_an_empty_grid_says_nothing(shape):
    """The first cycle of a daemon that starts without history would crash."""
    grid = premium_grid(replace(SOURCES, days=5, coins=1))
    rows, hours = shape
    cut = {name: getattr(grid, name)[:rows, :hours] for name in GRID_ARRAYS}
    grid = replace(grid, keys=grid.keys[:rows], times_ms=grid.times_ms[:hours], **cut)
    rows = rows if hours else 0
    law = nowcast(grid, Points(np.arange(rows), np.zeros(rows, int)))
    assert law.evidence.tolist() == [0] * rows


def test_hourly_venues_are_left_to_others():
    """A venue that settles hourly has no interval to look into on an hourly grid, and would get one."""
    grid = premium_grid(replace(SOURCES, days=40))
    row = next(i for i, key in enumerate(grid.keys) if key.venue == "kraken")
    assert (nowcast(grid, Points(np.full(50, row), np.arange(900, 950))).evidence == 0).all()


@settings(max_examples=50)
@given(st.lists(st.floats(-1, 1), min_size=9, max_size=9, unique=True).map(sorted), st.floats(0.001, 0.999))
def test_share_below_is_the_quantile_function_reversed(quantiles, u):
    """Direction and band of the same law would contradict each other."""
    law = np.array(quantiles)
    value = quantile_function(law, np.array([u]))
    if np.diff(law).min() > 1e-6:
        assert share_below(law[None], value)[0] == pytest.approx(u, abs=1e-6)


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.floats(0.1, 0.99), st.floats(-8e-4, 8e-4), st.booleans())
def test_every_nowcast_is_a_proper_law(seed, phi, mean, tells):
    """Crossing quantiles or probabilities outside 0 … 1 would reach the planner."""
    world = World(days=30, phi=phi, mean=mean, twin="kraken", tells_estimate=tells)
    grid = premium_grid(world, seed)
    law = nowcast(grid, at(grid, 0, seed % 8, from_day=15))
    assert (np.diff(law.rate, axis=1) >= 0).all()
    assert ((law.p_up >= 0) & (law.p_up <= 1)).all()
    assert ((law.decided >= 0) & (law.decided <= 1)).all()
    assert len(LEVELS) == law.rate.shape[1]


def test_a_premium_hidden_at_the_interest_is_still_followed():
    """A venue that rested for days would be nowcast from the middle of its dead band, wherever the market has gone."""
    world = World(mean=-3.5e-4, sd=2e-4, phi=0.98, days=120, coins=2, twin="kraken")
    grid = premium_grid(world)
    points = at(grid, 0, 4)
    law, twin = nowcast(grid, points), grid.level[2, points.cols] * 8
    hidden = np.isclose(grid.level[0, points.cols], 1.25e-5, rtol=0, atol=1e-9)
    assert hidden.mean() > 0.5
    assert np.abs(law.premium[hidden, MEDIAN] - twin[hidden]).mean() < 1.5e-4
