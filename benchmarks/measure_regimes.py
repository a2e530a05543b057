"""How often the regime that a daemon tells from its window is the one that a backtest tells from a year.

    python benchmarks/measure_regimes.py ../shared/data 2024-01-01 2026-01-01 BTC ETH SOL BNB DOGE INJ

Hyperliquid stands in for Injective (chain rule). Both are told at every midnight; the daemon's from 90 days of hours.
"""

import sys
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np

from hedged.adapters.replay.proxy import Proxy, stand_in
from hedged.adapters.replay.series import funded
from hedged.adapters.replay.tables import load_tables
from hedged.backtest.regimes import regimes_of
from hedged.backtest.runner import Window
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.history import grid_at
from hedged.forecast.drift.market import market_of

WINDOW_H = 90 * 24


def main(data: Path, first: str, last: str, symbols: list[str]) -> None:
    """Print the agreement, changes of regime, and what a look costs."""
    from_ms, to_ms = (
        int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000) for day in (first, last)
    )
    series = funded(stand_in(load_tables(data, symbols), Proxy("hyperliquid", "chain")))
    series = {key: one for key, one in series.items() if key.venue in (INJECTIVE, "binance", "bybit", "okx")}
    held = [symbol for symbol in symbols if SeriesKey(INJECTIVE, symbol) in series]
    year = [
        one.name
        for one in regimes_of(series, held, Window(from_ms, to_ms))
        for _ in range(one.from_ms, one.to_ms, DAY_MS)
    ]
    times_ms = np.arange(from_ms - WINDOW_H * HOUR_MS, to_ms, HOUR_MS, dtype=np.int64)
    grid, window, took_s, changes = grid_at(series, sorted(series), times_ms), [], 0.0, Counter[str]()
    for hour in range(WINDOW_H, len(times_ms), 24):
        begun = perf_counter()
        told = market_of(grid.first(hour + 1).last(WINDOW_H + 1))
        took_s += perf_counter() - begun
        window.append(told.regime)
        changes.update(" ".join(line.split()[:2]) for line in told.changes)
    pairs = Counter(zip(year, window, strict=True))
    same = sum(n for (a, b), n in pairs.items() if a == b)
    print(f"{len(window)} days: {same / len(window):.0%} alike; {dict(pairs)}")
    for name, told in (("year", year), ("window", window)):
        print(f"{name}: {dict(Counter(told))}, {sum(a != b for a, b in pairwise(told))} changes")
    print(
        f"{took_s / len(window) * 1_000:.0f} ms a look, {len(grid.keys)} series; days with a change told: {changes}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:4], sys.argv[4:])
