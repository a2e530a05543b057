"""Regimes: stretches by how much prices and funding move, told from the past alone."""

from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from worlds import START_MS, tables

from hedged.adapters.replay.series import series_of
from hedged.backtest.regimes import Regime, by_regime, funding_moves, price_moves, regimes_of
from hedged.backtest.runner import Window
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.features.regimes import CALM, NORMAL, STORMY, labelled, ranks_of

UNKNOWN = float("nan")


def test_a_regime_holds_on() -> None:
    """If this fails, regimes flicker at their limits, or a storm of either kind is missed."""
    price = np.array([0.5, 0.91, 0.80, 0.74, UNKNOWN, 0.2, 0.2, 0.40, 0.50, 0.5])
    funding = np.array([0.5, 0.1, 0.1, 0.1, UNKNOWN, 0.35, 0.1, 0.1, 0.1, 0.95])
    names = [NORMAL, STORMY, STORMY, NORMAL, NORMAL, NORMAL, CALM, CALM, NORMAL, STORMY]
    assert labelled(price, funding) == names


@given(st.lists(st.floats(0, 1), min_size=40, max_size=80), st.integers(35, 39), st.floats(0, 1))
def test_a_rank_knows_no_future(moves: list[float], day: int, later: float) -> None:
    """If this fails, a storm is told by what came after it."""
    true = np.array([moves])
    changed = true.copy()
    changed[:, day + 1 :] = later
    before, after = ranks_of(true), ranks_of(changed)
    np.testing.assert_array_equal(before[: day + 1], after[: day + 1])
    assert np.isnan(before[:30]).all()
    assert ((before[30:] >= 0) & (before[30:] <= 1)).all()


def test_moves_are_those_of_the_week_before() -> None:
    """If this fails, a regime is told by other prices or rates than those known at midnight."""
    series = series_of(tables(2))
    days = START_MS + DAY_MS * np.arange(-3, 2)
    price, funding = price_moves(series, "BTC", days), funding_moves(series, "BTC", days)
    assert (price > 0).all()
    assert (funding > 0).all()
    cut = {
        name: frame.filter(pl.col("ts").dt.epoch("ms") <= START_MS - (HOUR_MS if name == "ohlcv" else 0))
        for name, frame in tables(2).items()
    }
    past = series_of(cut)
    np.testing.assert_array_equal(price_moves(past, "BTC", days[:4])[:3], price[:3])
    np.testing.assert_array_equal(funding_moves(past, "BTC", days)[:4], funding[:4])


def test_the_regimes_of_a_window_cover_it() -> None:
    """If this fails, a run has hours without a regime, or one that does not say why."""
    window = Window(START_MS + 5 * HOUR_MS, START_MS + 30 * HOUR_MS)
    found = regimes_of(series_of(tables(2)), ["BTC", "INJ"], window)
    assert (found[0].from_ms, found[-1].to_ms) == (window.from_ms, window.to_ms)
    assert all(a.to_ms == b.from_ms and a.name != b.name for a, b in pairwise(found))
    told = found[0].to_json()
    assert told["name"] == NORMAL  # twelve days of history are too few to rank a week among
    assert told["why"] == "moves of the week, of prices unknown, of funding unknown"


def test_money_by_regime() -> None:
    """If this fails, a report says that hedging paid in a storm when it paid in a calm."""
    day = START_MS // DAY_MS
    regimes = [
        Regime(START_MS + HOUR_MS, START_MS + DAY_MS, CALM, ""),
        Regime(START_MS + DAY_MS, START_MS + 3 * DAY_MS, STORMY, ""),
    ]
    rows = [
        (date.fromordinal(date(1970, 1, 1).toordinal() + day + i), name, "BTC", saved, 1.0)
        for name, money in (("hedged", (5.0, 7.0, 9.0)), ("none", (1.0, 1.0, 1.0)))
        for i, saved in enumerate(money)
    ]
    daily = pl.DataFrame(rows, ["day", "name", "symbol", "saved_usd", "cost_usd"], orient="row")
    assert by_regime(daily, regimes) == {
        CALM: {"days": 1, "net_saving_usd": {"hedged": 4.0, "none": 0.0}},
        STORMY: {"days": 2, "net_saving_usd": {"hedged": 14.0, "none": 0.0}},
    }
