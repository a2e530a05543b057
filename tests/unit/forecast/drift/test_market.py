"""The market told live: the backtest's regimes, from the daemon's window, and what has changed of late."""

from dataclasses import replace

import numpy as np
from worlds import START_MS, tables

from hedged.adapters.replay.series import series_of
from hedged.backtest.regimes import funding_moves, price_moves
from hedged.domain.bars import N_FIELDS, Field
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.history import grid_at
from hedged.features.regimes import CALM, NORMAL, STORMY, weekly_moves
from hedged.features.resample import HourlyGrid
from hedged.forecast.drift import market
from hedged.forecast.drift.market import Market, market_of

COINS = ("BTC", "ETH", "INJ")
HOURS = 90 * 24


def grid_of(swing: np.ndarray, common: np.ndarray | float = 0.0) -> HourlyGrid:
    """Three coins that settle hourly on Injective. swing: by hour, of prices (log) and of rates (1e-5); common: the
    share of it that all coins have in common."""
    rng = np.random.default_rng(0)
    n, keys = len(swing), tuple(SeriesKey(INJECTIVE, coin) for coin in COINS)
    share = np.broadcast_to(common, n)
    together, own = rng.standard_normal(n), rng.standard_normal((3, n))
    moves = swing * (np.sqrt(share) * together + np.sqrt(1 - share) * own)
    mark = 100 * np.exp(np.cumsum(0.01 * moves, axis=1))
    level = 1e-5 * (1 + swing * rng.standard_normal((3, n)))
    times_ms = START_MS // DAY_MS * DAY_MS + np.arange(n, dtype=np.int64) * HOUR_MS
    ones = np.ones((3, n))
    bars = np.full((3, n, N_FIELDS), np.nan, np.float32)
    bars[:, :, Field.INTERVAL_H] = 1.0
    return HourlyGrid(keys, times_ms, level, level, mark, ones, 0 * ones, bars, 1.0)


def test_moves_are_the_backtests_on_the_same_data() -> None:
    """If this fails, a regime told live is another one than the same days have in a backtest."""
    series = series_of(tables(2))
    midnights = START_MS // DAY_MS * DAY_MS + DAY_MS * np.arange(-1, 2)
    times_ms = np.arange(midnights[0] - 8 * DAY_MS, midnights[-1] + 1, HOUR_MS, dtype=np.int64)
    grid = grid_at(series, sorted(series), times_ms)
    columns = [int(at) for at in np.searchsorted(times_ms, midnights)]
    price = market.price_of(grid, "BTC")[columns[0] - 168 : columns[-1] + 1]
    theirs = price_moves(series, "BTC", midnights)
    assert not np.isnan(theirs).any()
    np.testing.assert_allclose(weekly_moves(price, 3), theirs, rtol=1e-3)
    theirs = funding_moves(series, "BTC", midnights)
    assert not np.isnan(theirs).any()
    np.testing.assert_allclose(market.funding_moves(grid, "BTC", columns), theirs, rtol=1e-3)


def test_a_storm_and_a_calm_are_told() -> None:
    """If this fails, retraining comes as seldom in a storm as in a calm."""
    usual = np.where(np.arange(HOURS) // 24 % 2, 0.8, 1.2)
    stormy, calm = usual.copy(), usual.copy()
    stormy[-100:], calm[-170:] = 4.0, 0.3
    found = [market_of(grid_of(one)) for one in (stormy, calm)]
    assert [one.regime for one in found] == [STORMY, CALM]
    assert "of prices above 100% of the 82 days before" in found[0].why
    assert market_of(grid_of(usual).first(24 * 5)) == Market(), "no week yet"
    assert market_of(grid_of(usual).first(24 * 20)).regime == NORMAL, "too few days to rank among"


def test_coins_that_begin_to_move_together_are_told() -> None:
    """If this fails, what diversified a book does so no more, and nobody is told."""
    usual, common = np.ones(HOURS), np.full(HOURS, 0.3)
    assert not market_of(grid_of(usual, common)).changes
    common[-168:] = 0.95
    told = market_of(grid_of(usual, common)).changes
    assert len(told) == 1
    assert told[0].startswith("prices of the coins moved with a correlation of 0.9")


def test_another_interval_and_another_cap_are_told() -> None:
    """If this fails, a venue changes its rules and the model is blamed."""
    grid = grid_of(np.ones(HOURS))
    bars = grid.bars.copy()
    bars[0, -100:, Field.INTERVAL_H] = 4.0
    level = np.clip(grid.level, -1e-4, 1e-4)
    level[1, [50, 90, 130]] = 1e-3
    level[1, -20] = 2e-3
    found = market_of(replace(grid, bars=bars, level=level)).changes
    assert found == (
        "injective:BTC settles every 4 h, every 1 h a week ago",
        "injective:ETH paid up to 0.2000% an hour; it had stopped at 0.1000% (3 times)",
    )


def test_silence_changes_nothing() -> None:
    """If this fails, a window without prices or rates is a storm, or an error."""
    grid = grid_of(np.ones(24 * 60))
    nothing = np.full(grid.level.shape, np.nan)
    bars = np.full(grid.bars.shape, np.nan, np.float32)
    found = market_of(
        replace(grid, level=nothing, mark=nothing, interval_h=nothing, since_h=nothing, bars=bars)
    )
    assert found.regime == NORMAL
    assert not found.changes
    assert np.isnan(found.price_rank)
