"""Recorded market data as a feed: hourly closes as the oracle, and premiums inverted from recorded funding."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from hedged.buffer.directory import parts_of, scan_part
from hedged.domain.errors import DataError
from hedged.domain.funding import DEAD_BAND, HYPERLIQUID_INTEREST
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE
from hedged.sandbox.injective.played import Hours, PlayedFeed

VENUES = (INJECTIVE, "hyperliquid", "binance", "bybit", "okx")
"""Whose prices and rates are taken, in this order; Injective's own where they were recorded."""
PLAYED_H = 30 * 24
"""The recording's last hours are played; what lies before is history."""


def play_recording(
    directory: Path, symbols: Sequence[str], start_ms: int, hour_s: float, history_h: int = 0
) -> PlayedFeed:
    """Play a data directory's last 30 days. Raises DataError when it lacks a market."""
    recorded = read_recordings(directory, symbols)
    length = len(next(iter(recorded.values())).mark)
    return PlayedFeed(recorded, max(1, length - PLAYED_H), start_ms, hour_s, history_h)


def read_recordings(directory: Path, symbols: Sequence[str]) -> dict[str, Hours]:
    """Read hourly marks and premiums of every symbol, on the hours that all have. Raises DataError."""
    try:
        closes = _read(directory, "ohlcv", "close", pl.col("bar") == "1h").with_columns(
            pl.col("ts").dt.offset_by("1h")
        )
        rates = _read(directory, "funding", "funding_rate", pl.lit(True), "interval_hours")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{directory} cannot be played: {error}") from None
    tables = {}
    for symbol in symbols:
        table = (
            _of_first_venue(closes, symbol).join(_premiums(rates, symbol), on="ts", how="inner").sort("ts")
        )
        if table.is_empty():
            raise DataError(f"{directory} has no hourly closes with funding rates of {symbol}")
        tables[symbol] = table
    common = next(iter(tables.values())).select("ts")
    for table in tables.values():
        common = common.join(table.select("ts"), on="ts")
    if common.height < 2:
        raise DataError(f"{directory} has no common hours of {', '.join(symbols)}")
    found = {}
    for symbol, table in tables.items():
        kept = table.join(common, on="ts").sort("ts")
        found[symbol] = Hours(kept["close"].to_numpy(), kept["premium"].to_numpy())
    return found


def _read(directory: Path, table: str, value: str, condition: pl.Expr, *more: str) -> pl.DataFrame:
    """Read what is wanted of a table. Raises FileNotFoundError where the directory has none."""
    parts = parts_of(directory, table)
    if not parts:
        raise FileNotFoundError(directory / f"{table}.parquet")
    columns = ("ts", "venue", "symbol", value, *more)
    told = [scan_part(path).filter(condition & pl.col(value).is_finite()).select(columns) for path in parts]
    return pl.concat(told, how="vertical_relaxed").collect()


def _of_first_venue(table: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """Return a symbol's rows of the first venue in order that has any."""
    rows = table.filter(pl.col("symbol") == symbol)
    for venue in VENUES:
        found = rows.filter(pl.col("venue") == venue).unique("ts")
        if found.height:
            return found
    return rows.clear()


def _premiums(rates: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """Invert hourly rates into premiums: Injective's by its own formula, others' outside their dead band.

    Rates of longer intervals hold for every hour of theirs.
    """
    rows = _of_first_venue(rates, symbol).sort("ts")
    if rows.is_empty():
        return rows.select("ts", pl.lit(0.0).alias("premium"))
    own = rows["venue"][0] == INJECTIVE
    per_8h = pl.col("funding_rate") * 8 / pl.col("interval_hours")
    excess = per_8h - float(HYPERLIQUID_INTEREST)
    foreign = pl.when(excess.abs() < 1e-9).then(0.0).otherwise(per_8h + excess.sign() * float(DEAD_BAND))
    chain = (pl.col("funding_rate") - float(InjectiveRule().hourly_interest)) * 24
    rows = rows.with_columns((chain if own else foreign).alias("premium"), pl.col("ts").dt.truncate("1h"))
    first, last = rows["ts"][0], rows["ts"][-1]
    hours = pl.select(pl.datetime_range(first, last, "1h", time_unit="ms", time_zone="UTC").alias("ts"))
    held = hours.join_asof(rows.select("ts", "premium").unique("ts").sort("ts"), on="ts", tolerance="8h")
    return held.drop_nulls()
