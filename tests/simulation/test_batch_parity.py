"""The batch engine decides, fills and pays as the daemon does."""

from pathlib import Path

import pytest
from parity import assert_alike, both
from worlds import START_MS, VENUES, config, dear, tables, world_of

from hedged.adapters.replay.proxy import Proxy
from hedged.backtest.batch.asking import Asking
from hedged.backtest.batch.engine import run_batch
from hedged.backtest.batch.supported import check_supported
from hedged.backtest.recorded import BacktestOptions, load_world
from hedged.backtest.runner import Window, own_quantities
from hedged.domain.clock import DAY_MS
from hedged.domain.errors import ConfigError
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.forecast.registry import make_forecaster

HOURLY = {"history_days": 12, "bar_s": 3_600, "interval_s": 3_600, "stale_after_s": 7_200}
RECORDED_MS = 1_760_054_400_000  # 2025-10-10: the widest liquidation day of the recording


def test_quarter_hours_are_played_alike() -> None:
    """If this fails, the batch engine is another engine."""
    daemon, batch = both(config(), world_of(tables(2)), VENUES, Window(START_MS, START_MS + 2 * DAY_MS))
    assert len(batch.decisions) == len(daemon.decisions)
    assert len(daemon.fills) > 5
    assert_alike(daemon, batch)


def test_a_forecaster_may_be_asked_on_the_way() -> None:
    """If this fails, forecasts that nobody made before are made of other data than the daemon's."""
    settings, world = config(), world_of(tables(2))
    window = Window(START_MS, START_MS + DAY_MS // 2)
    daemon, _ = both(settings, world, VENUES, window)
    book = own_quantities(settings, lambda symbol: world.price(SeriesKey(INJECTIVE, symbol), START_MS))
    asked = Asking(make_forecaster("ewma"), world, settings, sorted(book), window)
    assert_alike(daemon, run_batch(settings, world, book, window, asked))


def test_hours_with_relocations_are_played_alike() -> None:
    """If this fails, pairs of orders or hourly bars are played otherwise by the batch engine."""
    world = world_of(dear(tables(3)))
    daemon, batch = both(config(cycle=HOURLY), world, VENUES, Window(START_MS, START_MS + 3 * DAY_MS))
    assert {fill.purpose for fill in daemon.fills} >= {"relocate"}
    assert_alike(daemon, batch)


def test_bars_that_are_passed_over_change_nothing() -> None:
    """If this fails, a bar at which the daemon trades, stops or refuses is passed over."""
    world, told = world_of(dear(tables(3))), {}
    window = Window(START_MS, START_MS + 3 * DAY_MS)
    daemon, batch = both(config(cycle=HOURLY), world, VENUES, window, arrays=True, every_ms=DAY_MS, told=told)
    assert_alike(daemon, batch)
    assert told["sure"] + told["same"] + told["idle"] > told["cycles"]
    assert told["sure"] > 0
    passed = {(row["ts_ms"], row["symbol"]) for row in daemon.decisions}
    passed -= {(row["ts_ms"], row["symbol"]) for row in batch.decisions}
    quiet = [row["action"] for row in daemon.decisions if (row["ts_ms"], row["symbol"]) in passed]
    assert set(quiet) <= {"none", "hold"}


def test_a_recorded_week_is_played_alike(shared_data: Path) -> None:
    """If this fails, the batch engine is right on simulated data alone."""
    window = Window(RECORDED_MS, RECORDED_MS + 7 * DAY_MS)
    book = {"positions": {"ETH": {"usd": 100_000}, "INJ": {"usd": -50_000}, "BTC": {"usd": 80_000}}}
    options = BacktestOptions(
        shared_data, ["BTC", "ETH", "INJ"], window, Path(), Proxy("hyperliquid", "chain")
    )
    settings, world = load_world(config(cycle=HOURLY, book=book), options)
    venues = ["injective", "binance", "bybit"]
    daemon, batch = both(settings, world, venues, window, arrays=True, every_ms=DAY_MS)
    assert len(daemon.fills) > 5
    assert_alike(daemon, batch)


@pytest.mark.parametrize(
    ("section", "change", "says"),
    [
        ("strategies", {"divergence": {"enabled": True}}, "divergence"),
        ("strategies", {"cascade_hedge": {"enabled": True, "symbols": ["BTC"]}}, "cascade_hedge"),
        ("strategies", {"funding_hedge": {"enabled": False}}, "funding_hedge"),
        ("cycle", {"interval_s": 1_800, "bar_s": 900}, "interval_s"),
        ("paper", {"latency_ms": 20_000}, "paper.latency"),
    ],
)
def test_what_it_does_not_play_is_refused(section: str, change: dict[str, object], says: str) -> None:
    """If this fails, the batch engine plays something else than was configured."""
    with pytest.raises(ConfigError, match=says) as refused:
        check_supported(config(**{section: change}))
    assert "--engine daemon" in str(refused.value)
