"""The batch engine decides, fills and pays as the daemon does."""

from pathlib import Path

from parity import assert_alike, both
from worlds import START_MS, VENUES, config, dear, tables, world_of

from hedged.adapters.replay.proxy import Proxy
from hedged.backtest.recorded import BacktestOptions, load_world
from hedged.backtest.runner import Window
from hedged.domain.clock import DAY_MS

HOURLY = {"history_days": 12, "bar_s": 3_600, "interval_s": 3_600, "stale_after_s": 7_200}
RECORDED_MS = 1_760_054_400_000  # 2025-10-10: the widest liquidation day of the recording


def test_quarter_hours_are_played_alike() -> None:
    """If this fails, the batch engine is another engine."""
    daemon, batch = both(config(), world_of(tables(2)), VENUES, Window(START_MS, START_MS + 2 * DAY_MS))
    assert len(batch.decisions) == len(daemon.decisions) and len(daemon.fills) > 5
    assert_alike(daemon, batch)


def test_hours_with_relocations_are_played_alike() -> None:
    """If this fails, pairs of orders or hourly bars are played otherwise by the batch engine."""
    world = world_of(dear(tables(3)))
    daemon, batch = both(config(cycle=HOURLY), world, VENUES, Window(START_MS, START_MS + 3 * DAY_MS))
    assert {fill.purpose for fill in daemon.fills} >= {"relocate"}
    assert_alike(daemon, batch)


def test_a_recorded_week_is_played_alike(shared_data: Path) -> None:
    """If this fails, the batch engine is right on simulated data alone."""
    window = Window(RECORDED_MS, RECORDED_MS + 7 * DAY_MS)
    book = {"positions": {"ETH": {"usd": 100_000}, "INJ": {"usd": -50_000}, "BTC": {"usd": 80_000}}}
    options = BacktestOptions(
        shared_data, ["BTC", "ETH", "INJ"], window, Path(), Proxy("hyperliquid", "chain")
    )
    settings, world = load_world(config(cycle=HOURLY, book=book), options)
    daemon, batch = both(settings, world, ["injective", "binance", "bybit"], window)
    assert len(daemon.fills) > 5
    assert_alike(daemon, batch)
