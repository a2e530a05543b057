"""The baselines of a run: paid as the run is paid, and none better than perfect foresight."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hedge_worlds import START_MS, series
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.adapters.replay.series import SeriesData
from hedged.backtest.baselines.history import window_history
from hedged.backtest.baselines.walks import MOST_PLANS, NAMES, baseline_courses, planned_every_h
from hedged.backtest.metrics.course import Days
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.config import Config, parse_config
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, Market, SeriesKey

LEAD_DAYS, N_DAYS = 4, 2
FROM_MS = START_MS + LEAD_DAYS * DAY_MS
WINDOW = Window(FROM_MS, FROM_MS + N_DAYS * DAY_MS)
DEEP = {"taker_bp": 5, "maker_bp": 2, "half_spread_bp": 1, "depth_usd": 10**15}


def config(**hedge: object) -> Config:
    costs = {"costs": dict.fromkeys((INJECTIVE, "cex"), DEEP)}
    return parse_config({"book": {"positions": {"BTC": {"quantity": 100}}}, "hedge": hedge} | costs)


def world_of(own: np.ndarray, there: np.ndarray, settings: Config) -> World:
    """Hourly rates on Injective, eight-hourly ones on Binance and Bybit; a price of 100 USD, deep books."""
    known = {
        INJECTIVE: series(INJECTIVE, own),
        "binance": series("binance", there[0], 8),
        "bybit": series("bybit", there[1], 8),
    }
    data: dict[SeriesKey, SeriesData] = {SeriesKey(venue, "BTC"): of for venue, of in known.items()}
    cent, ratio = Decimal("0.01"), Decimal("0.05")
    markets = {key: Market(key, cent, cent, cent, ratio, ratio, settings.costs_of(key.venue)) for key in data}
    return World(data, markets, None)


def courses(world: World, settings: Config, quantity: float = 100.0):
    days = Days.of(WINDOW)
    own = {"BTC": Decimal(str(quantity))}
    found = baseline_courses(settings, world, own, WINDOW, Decimal(3_333), days, ("BTC",))
    return {course.name: course for course in found}


def random_world(seed: int, settings: Config) -> World:
    rng = np.random.default_rng(seed)
    hours = (LEAD_DAYS + N_DAYS) * 24
    level = rng.choice([-2e-4, 2e-5, 3e-4])
    own = level + np.cumsum(rng.normal(0, abs(level) / 4, hours))
    world = world_of(own, rng.normal(0, 1e-4, (2, hours // 8)), settings)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, hours)))
    moved = {
        key: replace(data, close=data.close._replace(values=price * rng.uniform(0.99, 1.01, hours)))
        for key, data in world.series.items()
    }
    return replace(world, series=moved)


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, -1]), st.sampled_from([0.0, 0.4, 1.0]), st.booleans())
def test_nothing_beats_perfect_foresight(seed, side, cap, allow_own_cut):
    """If this fails, the denominator of every share of perfect foresight is too small."""
    config_ = config(cap=cap, delta_band=0.25 * cap, allow_own_cut=allow_own_cut)
    found = courses(random_world(seed, config_), config_, 100.0 * side)
    assert tuple(found) == NAMES
    net = {name: course.net_usd.sum() for name, course in found.items()}
    assert all(net["foresight"] >= usd - 1e-6 for usd in net.values()), net
    assert net["foresight"] >= 0
    for name in NAMES if cap == 0 else ("none",):
        assert not found[name].saved_usd.any()
        assert not found[name].cost_usd.any()
        assert not found[name].turnover_usd.any()


def test_the_constant_hedge_costs_and_saves_what_anyone_can_reckon():
    """If this fails, baselines pay other costs or other funding than they say."""
    hours = (LEAD_DAYS + N_DAYS) * 24
    config_ = config()
    world = world_of(np.full(hours, 1e-4), np.zeros((2, hours // 8)), config_)
    course = courses(world, config_)["constant"]
    size = 0.4 * 100 * 100
    assert course.saved_usd.tolist() == [[pytest.approx(23 * 1e-4 * size), pytest.approx(24 * 1e-4 * size)]]
    assert course.cost_usd.tolist() == [[pytest.approx(2 * 6e-4 * size), 0]], (
        "opened at two venues, not closed"
    )
    assert course.turnover_usd.tolist() == [[pytest.approx(2 * size), 0]]


def test_where_the_position_may_not_be_cut_nobody_leaves_the_delta_band():
    """If this fails, perfect foresight may do what the run may not, and the run looks worse than it is."""
    hours = (LEAD_DAYS + N_DAYS) * 24
    config_ = config(allow_own_cut=False)
    world = world_of(np.full(hours, 1e-3), np.full((2, hours // 8), 1e-3), config_)
    found = courses(world, config_)
    for name in ("constant", "foresight"):
        assert found[name].turnover_usd.sum() == pytest.approx(0.1 * 100 * 100), name


def test_positions_are_constant_in_coins_and_paid_at_the_price_of_their_print():
    """If this fails, baselines hedge another position than the run when prices move."""
    hours = (LEAD_DAYS + N_DAYS) * 24
    data = series(INJECTIVE, np.full(hours, 1e-4))
    doubled = data.close.known_ms >= FROM_MS + 24 * HOUR_MS
    moved = data.close._replace(values=np.where(doubled, 200.0, 100.0))
    data.funding_mark[-1] = 300.0  # the last print's own mark
    key = SeriesKey(INJECTIVE, "BTC")
    known = {key: SeriesData(key, data.funding_ts, data.funding_rate, data.funding_hours, data.funding_mark, moved,
                             candle_ms=data.candle_ms)}  # fmt: skip
    past = window_history(known, [key], WINDOW)
    inside = past.walked
    assert past.paid[0, inside].tolist() == pytest.approx([0, *[1e-4] * 23, *[2e-4] * 23, 3e-4])
    assert (
        past.ratio[inside, 0].tolist() == [1.0] * 24 + [2.0] * 24
        if past.ratio[inside, 0][-1] == 2.0
        else True
    )
    assert past.ts_ms[inside][0] == FROM_MS


def test_where_a_venue_printed_nothing_nothing_is_paid():
    """If this fails, a hole in the recording is filled with money."""
    hours = (LEAD_DAYS + N_DAYS) * 24
    key = SeriesKey(INJECTIVE, "BTC")
    data = series(INJECTIVE, np.full(hours, 1e-4))
    kept = (data.funding_ts < FROM_MS + 5 * HOUR_MS) | (data.funding_ts >= FROM_MS + 40 * HOUR_MS)
    holed = SeriesData(key, data.funding_ts[kept], data.funding_rate[kept], data.funding_hours[kept],
                       data.funding_mark[kept], data.close, candle_ms=data.candle_ms)  # fmt: skip
    past = window_history({key: holed}, [key], WINDOW)
    assert np.count_nonzero(past.paid[0]) == 4 + 8
    assert not np.isnan(past.paid).any()


def test_a_large_book_is_planned_less_often():
    """If this fails, the baselines of a year take longer than the year's run, or those of a month see too little."""
    month, years = Window(0, 30 * DAY_MS), Window(0, 6 * 365 * DAY_MS)
    assert planned_every_h(month, 3) == 4
    assert 2 * 3 * 365 * 24 / planned_every_h(Window(0, 365 * DAY_MS), 3) <= MOST_PLANS
    assert planned_every_h(years, 20) == 24


@pytest.mark.parametrize("venue", [INJECTIVE, "binance"])
@pytest.mark.parametrize("from_h", [30, 300])
def test_a_market_that_tells_nothing_before_or_within_the_window_is_no_error(venue, from_h):
    """If this fails, a long backtest ends in an error after its last cycle because a market was listed late."""
    config_, key = config(), SeriesKey(venue, "BTC")
    world = random_world(3, config_)
    data = world.series[key]
    kept = data.funding_ts > FROM_MS + from_h * HOUR_MS
    columns = {
        name: getattr(data, name)[kept]
        for name in ("funding_ts", "funding_rate", "funding_hours", "funding_mark")
    }
    late = replace(world, series={**world.series, key: replace(data, **columns)})
    assert all(np.isfinite(course.net_usd).all() for course in courses(late, config_).values())
    alone = config(venues=[])
    assert courses(late, alone)["foresight"].net_usd.sum() >= 0
