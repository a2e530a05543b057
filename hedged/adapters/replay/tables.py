"""A data directory: Parquet tables of market history, read for the symbols that are wanted.

When a row was known: at known_ts where it says so, else funding, premium, estimates, liquidity and signals at ts;
candles at ts + bar (ts is the open); open interest at ts, daily ones at ts + 1 d; liquidations at ts + bar.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from hedged.buffer.directory import IN_USD, TABLES, parts_of, scan_part
from hedged.domain.errors import DataError
from hedged.domain.market import INJECTIVE

REQUIRED: dict[str, tuple[str, ...]] = {
    "funding": ("ts", "venue", "symbol", "quote", "funding_rate", "interval_hours", "mark_price"),
    "ohlcv": ("ts", "venue", "symbol", "market", "bar", "close", "volume"),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "open_interest": ("ts", "venue", "symbol", "bar", "open_interest_base"),
    "premium": ("ts", "venue", "symbol", "kind", "premium"),
    "liquidity": ("ts", "venue", "symbol", "depth_50bps_usd"),
    "liquidations": ("ts", "venue", "symbol", "bar", "liquidations_usd"),
    "estimates": ("ts", "venue", "symbol", "funding_estimate", "interval_hours", "next_ts"),
    "long_short": ("ts", "venue", "symbol", "long_short_ratio"),
    "signals": ("ts", "venue", "symbol", "name", "value"),
    "injective_markets": ("symbol", "hourly_funding_rate_cap", "hourly_interest_rate"),
}
QUOTES = {
    **dict.fromkeys(sorted(IN_USD), ("USD", "USDC")),
    INJECTIVE: ("USDT", "USDC", "AUSD", "USD"),
}
"""Quotes of the contract that is the series at venues that list no USDT one, or not of every coin; elsewhere it is the
USDT contract."""

POSITIVE = ("interval_hours", "mark_price", "open", "high", "low", "close", "open_interest_base")
"""Numbers that are unknown unless they are above zero."""
MUST_BE_KNOWN = {
    "funding": ("ts", "funding_rate", "interval_hours"),
    "ohlcv": ("ts", "bar", "close"),
}
"""Rows without these say nothing."""

Tables = Mapping[str, pl.DataFrame]


def load_tables(directory: Path, symbols: Iterable[str] | None) -> dict[str, pl.DataFrame]:
    """Read every table of a data directory, filtered to `symbols` (None: all) and to the linear contract.

    Raises DataError naming the table and the column where one is missing or unreadable.
    """
    if not directory.is_dir():
        raise DataError(f"{directory} is not a directory")
    wanted = None if symbols is None else sorted(set(symbols))
    tables = {}
    for name, columns in (REQUIRED | OPTIONAL).items():
        paths = parts_of(directory, name)
        if not paths:
            if name in REQUIRED:
                raise DataError(f"{directory} has no {name}.parquet, which is required")
            continue
        parts = [
            _sound(_read(path, columns, wanted), name, str(path.relative_to(directory))) for path in paths
        ]
        tables[name] = linear_contracts(_once(_together(parts, name), f"{name}.parquet"))
    return tables


def _together(parts: list[pl.DataFrame], name: str) -> pl.DataFrame:
    """Put the parts of a table under each other; one part is left as it is."""
    if len(parts) == 1:
        return parts[0]
    schema = TABLES[name].columns if name in TABLES else {}
    alike = [
        part.with_columns(pl.col(c).cast(kind) for c, kind in schema.items() if c in part.columns)
        for part in parts
    ]
    try:
        return pl.concat(alike, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"the parts of {name} do not fit each other: {str(error).splitlines()[0]}") from None


def _read(path: Path, columns: tuple[str, ...], symbols: list[str] | None) -> pl.DataFrame:
    try:
        lazy = scan_part(path)
        have = lazy.collect_schema().names()
        missing = [column for column in columns if column not in have]
        if missing:
            raise DataError(f"{path.name} lacks the column {', '.join(missing)}")
        if symbols is not None:
            of_nobody = pl.col("symbol").is_null()  # a signal about the whole market
            lazy = lazy.filter(pl.col("symbol").is_in(symbols) | of_nobody)
        return lazy.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None


def _sound(table: pl.DataFrame, name: str, path: str) -> pl.DataFrame:
    """Check types and drop what says nothing (it then is a stated gap). Raises DataError for a wrong type."""
    schema = table.schema
    for column in ("ts", "next_ts", "known_ts"):
        if column in schema:
            kind = schema[column]
            if not isinstance(kind, pl.Datetime) or kind.time_zone != "UTC":
                raise DataError(f"{path}: column {column} is {kind}, expected a timestamp in UTC")
            table = table.with_columns(pl.col(column).cast(pl.Datetime("ms", "UTC")))
    positive = [c for c in POSITIVE if c in schema]
    for column in [c for c in (*positive, "funding_rate", "premium", "value") if c in schema]:
        if not schema[column].is_numeric():
            raise DataError(f"{path}: column {column} is {schema[column]}, expected numbers")
        known = pl.col(column).is_finite()
        known = known & (pl.col(column) > 0) if column in positive else known
        table = table.with_columns(pl.when(known).then(pl.col(column)).otherwise(None))
    must = [c for c in MUST_BE_KNOWN.get(name, ()) if c in schema]
    return table.drop_nulls(must)


def _once(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Keep one of equal rows of the same instant; sources may differ in what they call themselves.

    Raises DataError for two rows that contradict each other.
    """
    key = [c for c in ("ts", "venue", "symbol", "quote", "market", "bar", "kind") if c in table.columns]
    value = [c for c in ("funding_rate", "interval_hours", "close") if c in table.columns]
    if "ts" not in key or not value:
        return table
    once = table.unique([*key, *value], keep="first", maintain_order=True)
    twice = once.filter(once.select(key).is_duplicated())
    if len(twice):
        row = twice.row(0, named=True)
        raise DataError(
            f"{name}: {row['venue']} {row['symbol']} at {row['ts']:%Y-%m-%d %H:%M} stands twice and differs"
        )
    return once


def linear_contracts(table: pl.DataFrame) -> pl.DataFrame:
    """Keep the linear USDT contract (USD or USDC on Hyperliquid); tables without a quote column are left alone."""
    if "quote" not in table.columns:
        return table
    other = pl.lit(True)
    keep = pl.lit(False)
    for venue, quotes in QUOTES.items():
        keep = keep | ((pl.col("venue") == venue) & pl.col("quote").is_in(list(quotes)))
        other = other & (pl.col("venue") != venue)
    return table.filter(keep | (other & (pl.col("quote") == "USDT")))


def bar_ms(bar: str) -> int:
    """Return the length of a bar name such as 15m, 1h, 4h, 1d, in ms. Raises DataError for another one."""
    units = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
    try:
        return int(bar[:-1]) * units[bar[-1]]
    except (KeyError, ValueError, IndexError):
        raise DataError(f"unknown bar {bar!r}: expected a number and m, h or d") from None
