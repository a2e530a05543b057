"""Measures the nowcast of 8 h venues on a data directory: error, direction and calibration by hours to the settlement.

    python benchmarks/measure_nowcast.py DIR [FROM TO] [--symbols BTC,ETH,…] [--without prices|rates]

Walks through the data 60 days at a time, each with 60 days of past, and never looks ahead. Per hour before the
settlement: mean absolute error over persistence and pinball loss over persistence's (geometric means over the series),
direction on the quarter of largest changes, and the share of rates inside the 80 % band, where a rate in a lump of the
law counts by a draw within the lump. `--without` takes evidence away, to see what it was worth.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hedged.adapters.replay.series import SeriesData, series_of
from hedged.adapters.replay.tables import load_tables
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.features.history import CHUNK_MS, grid_at
from hedged.features.nowcast import LOW, MEDIAN, Evidence, Nowcast, nowcast, share_below
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid
from hedged.features.tabular import LOOKBACK_H

INTERVAL_H = 8
Found = dict[tuple[SeriesKey, int], list[np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("first", nargs="?", default="2024-01-01")
    parser.add_argument("last", nargs="?", default="2026-01-01")
    parser.add_argument("--symbols", default="BTC,ETH,SOL,BNB,DOGE")
    parser.add_argument("--venues", default="binance,bybit")
    parser.add_argument("--without", choices=("prices", "rates"))
    args = parser.parse_args()
    series = series_of(load_tables(args.directory, args.symbols.split(",")))
    first, last = (
        int(datetime.fromisoformat(x).replace(tzinfo=UTC).timestamp() * 1_000)
        for x in (args.first, args.last)
    )
    for venue in args.venues.split(","):
        found: Found = defaultdict(list)
        began = time.perf_counter()
        for start in range(first, last, CHUNK_MS):
            grid = grid_of(series, start - LOOKBACK_H * HOUR_MS, min(start + CHUNK_MS, last))
            measure(deprived(grid, args.without), start, venue, found)
        print(f"\n{venue}, {args.first} … {args.last}, {time.perf_counter() - began:.0f} s")
        report(found)


def deprived(grid: HourlyGrid, without: str | None) -> HourlyGrid:
    """Take a kind of evidence away."""
    bars = grid.bars.copy()
    if without == "prices":
        bars[:, :, [Field.PREMIUM, Field.BASIS]] = np.nan
        return replace(grid, mark=np.full_like(grid.mark, np.nan), bars=bars)
    if without == "rates":
        return replace(grid, level=np.where(grid.interval_h <= 1, np.nan, grid.level))
    return grid


def grid_of(series: Mapping[SeriesKey, SeriesData], from_ms: int, to_ms: int) -> HourlyGrid:
    """Make the grid of all series that settled or traded in a stretch of time."""
    alive = [
        key
        for key, data in sorted(series.items())
        if any(np.ptp(np.searchsorted(ts, (from_ms, to_ms))) for ts in (data.funding_ts, data.close.known_ms))
    ]
    return grid_at(series, alive, np.arange(from_ms, to_ms + 1, HOUR_MS, dtype=np.int64))


def measure(grid: HourlyGrid, from_ms: int, venue: str, found: Found) -> None:
    """Collect, for every interval that ended after `from_ms`, what was said at each of its hours and what came."""
    rows = [i for i, key in enumerate(grid.keys) if key.venue == venue]
    ends = [
        (row, col)
        for row in rows
        for col in np.flatnonzero((grid.times_ms > from_ms) & (grid.since_h[row] < 1))
        if grid.interval_h[row, col] == INTERVAL_H
    ]
    if not ends:
        return
    row, col = np.array(ends).T
    to_go = np.repeat(np.arange(INTERVAL_H, 0, -1), len(row))
    points = Points(np.tile(row, INTERVAL_H), np.tile(col, INTERVAL_H) - to_go)
    law = nowcast(grid, points)
    scores = score(law, np.tile(grid.level[row, col], INTERVAL_H), points.take(grid.level))
    for one in rows:
        for hours in range(1, INTERVAL_H + 1):
            use = (points.rows == one) & (to_go == hours) & (law.evidence == Evidence.SOURCES)
            found[grid.keys[one], hours].append(scores[use])


def score(law: Nowcast, rate: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return (n, 6): error, persistence's error, pinball, right about the direction, change, in the 80 % band."""
    off = rate[:, None] - law.rate
    pinball = np.maximum(LEVELS * off, (LEVELS - 1) * off).mean(axis=1) * 2
    right = (law.p_up > 0.5) == (rate > last)
    below, upto = share_below(law.rate, rate - 1e-10), share_below(law.rate, rate + 1e-10)
    place = below + (upto - below) * np.random.default_rng(0).random(len(rate))
    inside = (place > LEVELS[LOW]) & (place < 1 - LEVELS[LOW])
    return np.stack(
        [np.abs(rate - law.rate[:, MEDIAN]), np.abs(rate - last), pinball, right, rate - last, inside], axis=1
    )


def report(found: Found) -> None:
    symbols = sorted({key for key, _ in found})
    print("to go   MAE  pinball  dir   hard  in 80 %   " + "  ".join(f"{key.symbol:>5}" for key in symbols))
    for to_go in range(INTERVAL_H, 0, -1):
        ratios, losses, right, hard, inside = [], [], [], [], []
        for key in symbols:
            x = np.concatenate(found[key, to_go])
            ratios.append(x[:, 0].mean() / x[:, 1].mean())
            losses.append(x[:, 2].mean() / x[:, 1].mean())
            moved = x[:, 4] != 0
            right.append(x[moved, 3].mean())
            hard.append(x[np.abs(x[:, 4]) >= np.quantile(np.abs(x[:, 4]), 0.75), 3].mean())
            inside.append(x[:, 5].mean())
        means = [
            np.exp(np.log(ratios).mean()),
            np.exp(np.log(losses).mean()),
            *map(np.mean, (right, hard, inside)),
        ]
        print(
            f"{to_go:>3} h  "
            + "  ".join(f"{m:.3f}" for m in means)
            + "      "
            + "  ".join(f"{r:.3f}" for r in ratios)
        )


if __name__ == "__main__":
    main()
