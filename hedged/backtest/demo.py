"""`hedged demo`: the daemon over simulated venues, offline, without keys or configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hedged.adapters.replay.series import series_of
from hedged.backtest.measured import measure
from hedged.backtest.outputs import write_outputs
from hedged.backtest.provenance import provenance
from hedged.backtest.recorded import window_settlements
from hedged.backtest.runner import Window, own_quantities, run_window
from hedged.backtest.summary import summarise
from hedged.backtest.world import World
from hedged.config import Config, parse_config
from hedged.cycle import CycleReport
from hedged.directories import make_directory
from hedged.domain.clock import DAY_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.sandbox.market_simulator import simulate
from hedged.sandbox.markets import VENUES, simulated_markets

DEMO_START_MS = 1_767_225_600_000
"""2026-01-01: the demo's first cycle; its history lies before."""
HISTORY_DAYS = 60


def demo_config() -> Config:
    """Return the demo's configuration: a book like a trader's, everything else at its default."""
    return parse_config(
        {
            "account": "demo",
            "book": {"positions": {"INJ": {"usd": 80_000}, "BTC": {"usd": 150_000}, "ETH": {"usd": -60_000}}},
            "cycle": {"history_days": HISTORY_DAYS},
        }
    )


def run_demo(
    days: int,
    seed: int,
    out: Path,
    on_cycle: Callable[[CycleReport], None] = lambda _: None,
) -> tuple[dict[str, Any], Path]:
    """Simulate, run, write every file; return the summary and the report's path."""
    make_directory(out)
    config = demo_config()
    window = Window(DEMO_START_MS, DEMO_START_MS + days * DAY_MS)
    tables = simulate(seed, DEMO_START_MS - HISTORY_DAYS * DAY_MS, HISTORY_DAYS + days)
    world = World(series_of(tables), simulated_markets(), None)
    book = own_quantities(config, lambda symbol: world.price(SeriesKey(INJECTIVE, symbol), window.from_ms))
    result = run_window(config, world.venues(VENUES), book, window, on_cycle)
    prints = window_settlements(world, window)
    measured = measure(result, world, prints)
    summary = summarise(
        result,
        world,
        prints,
        "demo",
        measured,
        seed=seed,
        days=days,
        provenance=provenance(config, world.series),
    )
    return summary, write_outputs(result, summary, out, measured)
