"""Times one cycle of the daemon: 9 series and 100 series side by side, part by part.

100 series = 25 symbols on Injective and three hedge venues, 90 days of 15-minute bars in the buffer, everything as in
`hedged run` but on a virtual clock. Prints medians in ms and the ratio of the two sizes.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl

import hedged.cycle as cycle_module
import hedged.thinking as thinking_module
from hedged.adapters.replay.series import series_of
from hedged.app import App
from hedged.backtest.runner import Window, run_window
from hedged.backtest.world import World
from hedged.config import parse_config
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.sandbox.market_simulator import simulate
from hedged.sandbox.markets import SYMBOLS, simulated_markets
from hedged.telemetry.logs import configure_logs

START_MS = 1_767_225_600_000
HISTORY_DAYS = 90
HOURS = 24


def build(symbols: int, venues: tuple[str, ...], days: int = 2) -> tuple[World, list[str]]:
    """Make a world of `symbols` × `venues` from the simulator, under made-up names, until `days` after the start."""
    names, frames, markets = [], defaultdict(list), {}
    rules = simulated_markets()
    for number in range(-(-symbols // len(SYMBOLS))):
        tables = simulate(100 + number, START_MS - HISTORY_DAYS * DAY_MS, HISTORY_DAYS + days)
        for symbol in SYMBOLS[: symbols - len(names)]:
            name = f"{symbol}{number}"
            names.append(name)
            for venue in venues:
                source = venue if venue in ("binance", "bybit", INJECTIVE) else "binance"
                key = SeriesKey(venue, name)
                markets[key] = replace(rules[SeriesKey(source, symbol)], key=key)
                for table, frame in tables.items():
                    mine = frame.filter((pl.col("venue") == source) & (pl.col("symbol") == symbol))
                    frames[table].append(mine.with_columns(venue=pl.lit(venue), symbol=pl.lit(name)))
    return World(series_of({t: pl.concat(parts) for t, parts in frames.items()}), markets, None), names


def timed(spent: dict[str, list[float]], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args)
        finally:
            spent[name].append((time.perf_counter() - started) * 1_000)

    return run


def measure(symbols: int, venues: tuple[str, ...]) -> dict[str, float]:
    """Run a day of cycles; return median milliseconds by part."""
    world, names = build(symbols, venues)
    spent: dict[str, list[float]] = defaultdict(list)
    think, decide = thinking_module.think, cycle_module.decide
    lay_out = thinking_module._laid_out
    thinking_module._laid_out = timed(spent, "resample", lay_out)
    thinking_module.think = timed(spent, "forecast", think)
    cycle_module.decide = timed(spent, "plan", decide)
    config = parse_config({"hedge": {"venues": [v for v in venues if v != INJECTIVE]}})
    book = {}
    for i, name in enumerate(names):
        price = world.price(SeriesKey(INJECTIVE, name), START_MS) or Decimal(1)
        book[name] = (Decimal(50_000 * (1 if i % 2 else -1)) / price, price)
    apps: list[App] = []
    run_window(
        config,
        world.venues(venues),
        book,
        Window(START_MS, START_MS + HOURS * HOUR_MS),
        on_prepare=apps.append,
    )
    thinking_module.think, cycle_module.decide = think, decide
    thinking_module._laid_out = lay_out
    durations = apps[0].metrics.cycle_duration
    total = sum(s.value for m in durations.collect() for s in m.samples if s.name.endswith("_sum"))
    count = sum(s.value for m in durations.collect() for s in m.samples if s.name.endswith("_count"))
    return {name: statistics.median(times) for name, times in spent.items()} | {
        "whole cycle (mean)": total / count * 1e3
    }


def main() -> None:
    configure_logs(lambda: 0, "error", "console")
    small = measure(3, (INJECTIVE, "binance", "bybit"))
    large = measure(25, (INJECTIVE, "binance", "bybit", "okx"))
    print(f"{'ms':<24}{'9 series':>12}{'100 series':>12}{'ratio':>8}")
    for part in large:
        print(f"{part:<24}{small[part]:>12.2f}{large[part]:>12.2f}{large[part] / small[part]:>8.1f}")


if __name__ == "__main__":
    main()
