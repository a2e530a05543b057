"""Recorded market data as a feed: hourly closes as the oracle, and premiums inverted from recorded funding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

from hedged.buffer.directory import parts_of, scan_part
from hedged.domain.errors import DataError
from hedged.domain.funding import DEAD_BAND, HYPERLIQUID_INTEREST
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE, decimal_of
from hedged.sandbox.dynamics import Floats
from hedged.sandbox.injective.crowd import MARK_PLACES, Mood

VENUES = (INJECTIVE, "hyperliquid", "binance", "bybit", "okx")
"""Whose prices and rates are taken, in this order; Injective's own where they were recorded."""
PLAYED_H = 30 * 24
"""The recording's last hours are played; what lies before is history."""
TRADE_MINUTES = 5
TRADE_USD = Decimal(5_000)


@dataclass(frozen=True, slots=True)
class Recording:
    """One market, hour by hour on the grid that all share: both (hours,)."""

    mark: Floats
    premium: Floats


class RecordedFeed:
    """Plays a data directory's last 30 days from `start_ms` on, one recorded hour in `hour_s` seconds.

    The crowd trades every five recorded minutes at the hour's premium. At the end the market stands still. Raises
    DataError when the directory lacks a market.
    """

    def __init__(
        self, directory: Path, symbols: Sequence[str], start_ms: int, hour_s: float, history_h: int = 0
    ) -> None:
        self._start_ms, self._hour_ms = start_ms, hour_s * 1_000
        recorded = read_recordings(directory, symbols)
        length = len(next(iter(recorded.values())).mark)
        first = max(1, length - PLAYED_H)
        self._played = {s: Recording(r.mark[first:], r.premium[first:]) for s, r in recorded.items()}
        begin = max(0, first - history_h) if history_h else first
        self.past_rates: Mapping[str, Sequence[Decimal]] = {
            symbol: [_rate(premium) for premium in recording.premium[begin:first]]
            for symbol, recording in recorded.items()
        }
        self._traded = 0

    def until(self, time_ms: int) -> Mapping[str, Mood]:
        """Return the market at an instant; between hours the mark moves in a straight line."""
        hours = max(0.0, (time_ms - self._start_ms) / self._hour_ms)
        slots = int(hours * 60 / TRADE_MINUTES)
        due, self._traded = slots - self._traded, slots
        return {symbol: _mood(recording, hours, due, slots) for symbol, recording in self._played.items()}


def _mood(recording: Recording, hours: float, due: int, slots: int) -> Mood:
    grid = np.arange(len(recording.mark))
    mark = decimal_of(float(np.interp(hours, grid, recording.mark))).quantize(MARK_PLACES)
    premium = decimal_of(round(float(recording.premium[min(int(hours), len(grid) - 1)]), 9))
    ended = hours >= len(grid)
    trades = [] if ended else [(premium, TRADE_USD * (-1) ** (slots - n)) for n in range(min(due, 60))]
    return Mood(mark, premium, trades)


def _rate(premium: float) -> Decimal:
    return InjectiveRule().rate_from_twap(decimal_of(float(premium)))


def read_recordings(directory: Path, symbols: Sequence[str]) -> dict[str, Recording]:
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
        found[symbol] = Recording(kept["close"].to_numpy(), kept["premium"].to_numpy())
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
