"""How often the detectors of drift are wrong, and how long they take: on out-of-sample forecasts of real markets.

    hedged forecast --data DATA --from 2024-07-01 --to 2025-07-01 --model MODEL --out year.parquet   # of each model
    python benchmarks/measure_drift.py DATA WORK year.parquet ... --symbols BTC ETH SOL BNB DOGE INJ

Beside each forecast of 24 hours that was made at 0, 8 or 16 h UTC stands the EWMA's of the same hour, made as the daemon
makes it; both are judged as the daemon judges them. WORK keeps the losses, which take a minute for half a year.

In control: the forecasts as they were, and years drawn from each model's own by the stationary bootstrap of weeks
(Politis and Romano 1994). An alarm is followed by another model, whose record begins anew. Planted, from the 90th day
on, into the model's laws alone: its move away from the last rate is shrunk or turned round; its laws are shifted by a
share of s; it is asked with inputs that are so many hours old.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import QUANTILE_COLUMNS
from hedged.domain.market import SeriesKey
from hedged.evaluation.losses import pinball
from hedged.evaluation.truth import settle
from hedged.features.history import grid_at
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.forecast.paired import Paired

VENUES = ("binance", "bybit", "okx", "hyperliquid")
EVERY_MS = 8 * HOUR_MS
SEEN_H, CHUNK_D = 720, 60
HORIZON, HORIZON_H = "m24h", 24
TIE = 1e-11


@dataclass(frozen=True)
class Laws:
    """Rows of one model by origin, series after series: rates per hour. `law`, `ewma` (n, levels)."""

    origin_ms: np.ndarray
    series: np.ndarray
    law: np.ndarray
    ewma: np.ndarray
    last: np.ndarray
    s: np.ndarray
    y: np.ndarray


def laws_of(data: Path, forecasts: Path, symbols: list[str], work: Path) -> Laws:
    """Read what is kept, else judge the forecasts and make the EWMA's."""
    kept = work / f"{forecasts.stem}.npz"
    if kept.is_file():
        with np.load(kept) as arrays:
            return Laws(**{name: arrays[name] for name in Laws.__dataclass_fields__})
    frame = pl.scan_parquet(forecasts).filter(
        (pl.col("horizon") == HORIZON)
        & pl.col("venue").is_in(VENUES)
        & pl.col("symbol").is_in(symbols)
        & (pl.col("origin_ts").dt.epoch("ms") % EVERY_MS == 0)
    )
    series = series_of(load_tables(data, symbols))
    rows = settle(frame.collect(), series).rows.sort("origin_ts", "venue", "symbol")
    begun = perf_counter()
    ewma = pl.DataFrame(list(ewma_laws(rows, series)), orient="row", schema=schema())
    print(f"{forecasts.name}: {len(rows)} rows, EWMA {perf_counter() - begun:.0f} s", file=sys.stderr)
    both = rows.with_columns(origin_ms=pl.col("origin_ts").dt.epoch("ms")).join(
        ewma, on=["origin_ms", "venue", "symbol"], how="inner", maintain_order="left"
    )
    names = [f"{venue}:{symbol}" for venue, symbol in both.select("venue", "symbol").iter_rows()]
    laws = Laws(
        both["origin_ms"].to_numpy(), np.unique(names, return_inverse=True)[1],
        both.select(QUANTILE_COLUMNS).to_numpy(), both.select(f"e{i}" for i in range(9)).to_numpy(),
        both["last"].to_numpy(), both["s"].to_numpy(), both["y"].to_numpy(),
    )  # fmt: skip
    np.savez(kept, **{name: getattr(laws, name) for name in Laws.__dataclass_fields__})
    return laws


def schema() -> dict[str, type[pl.DataType]]:
    return {"origin_ms": pl.Int64, "venue": pl.String, "symbol": pl.String} | {
        f"e{i}": pl.Float64 for i in range(9)
    }


def ewma_laws(rows: pl.DataFrame, series: Mapping[SeriesKey, object]) -> Iterator[tuple[object, ...]]:
    """Forecast by the EWMA at every origin, from the thirty days before it."""
    forecaster = EwmaForecaster(EwmaConfig(n_scenarios=1))
    keys = sorted({SeriesKey(*pair) for pair in rows.select("venue", "symbol").unique().iter_rows()})
    origins = np.unique(rows["origin_ts"].dt.epoch("ms").to_numpy())
    for start in range(int(origins[0]), int(origins[-1]) + 1, CHUNK_D * DAY_MS):
        mine = origins[(origins >= start) & (origins < start + CHUNK_D * DAY_MS)]
        if not len(mine):
            continue
        times_ms = np.arange(start - SEEN_H * HOUR_MS, int(mine[-1]) + 1, HOUR_MS, dtype=np.int64)
        grid = grid_at(series, keys, times_ms)  # type: ignore[arg-type]
        for origin_ms in mine.tolist():
            seen = grid.first((origin_ms - int(times_ms[0])) // HOUR_MS + 1).last(SEEN_H)
            for key, told in forecaster.forecast(seen, origin_ms, HORIZON_H).marginals.items():
                yield (origin_ms, key.venue, key.symbol, *told.quantiles.tolist())


def paired(laws: Laws) -> Paired:
    """Judge as the daemon does: pinball in s, mean over the series of an origin; direction where the rate moved."""
    model, other = (pinball(law, laws.y) / laws.s for law in (laws.law, laws.ewma))
    middle, change = laws.law[:, 4] - laws.last, laws.y - laws.last
    called = (np.abs(middle) > TIE) & (np.abs(change) > TIE)
    right = called & (np.sign(middle) == np.sign(change))
    origin_ms, at = np.unique(laws.origin_ms, return_inverse=True)
    of = np.bincount(at)
    return Paired(
        origin_ms, origin_ms + HORIZON_H * HOUR_MS, np.bincount(at, model) / of, np.bincount(at, other) / of, of,
        np.bincount(at, right).astype(np.int64), np.bincount(at, called).astype(np.int64),
    )  # fmt: skip
