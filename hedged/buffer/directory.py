"""A data directory as it is written: the tables' schemas, what makes a row unique, parts written atomically.

A table is the file `NAME.parquet`, the folder `NAME/` of part files, or both: a downloader writes a part for each venue
and symbol, the recorder one for each day. Nothing that stands is ever replaced by another value: a row that contradicts
one with the same key is handed back, and the one that was there first stays.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from hedged.directories import private
from hedged.domain.errors import DataError

TS = pl.Datetime("ms", "UTC")
Kind = pl.DataType | type[pl.DataType]
AT_ONCE_BYTES = 8 * 2**20
AGREE = 1e-9
"""Numbers that differ by less than this share are the same number, printed by two programs."""


@dataclass(frozen=True, slots=True)
class Table:
    """`columns`: name and type; `key`: what makes a row unique; `values`: what two rows of one key must agree on."""

    name: str
    columns: Mapping[str, Kind]
    key: tuple[str, ...]
    values: tuple[str, ...]


def _table(table: str, key: str, values: str, /, **columns: Kind) -> Table:
    first: dict[str, Kind] = {"ts": TS, "venue": pl.String, "symbol": pl.String}
    last: dict[str, Kind] = {"known_ts": TS, "source": pl.String}
    return Table(table, first | columns | last, tuple(key.split()), tuple(values.split()))


_NUMBER, _TEXT = pl.Float64, pl.String
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "funding", "ts venue symbol quote", "funding_rate",
            quote=_TEXT, funding_rate=_NUMBER, interval_hours=pl.Float32, mark_price=_NUMBER,
        ),
        _table(
            "ohlcv", "ts venue symbol market bar", "close",
            market=_TEXT, bar=_TEXT, open=_NUMBER, high=_NUMBER, low=_NUMBER, close=_NUMBER, volume=_NUMBER,
            volume_unit=_TEXT,
        ),
        _table(
            "open_interest", "ts venue symbol bar", "open_interest_base open_interest_usd",
            bar=_TEXT, open_interest_base=_NUMBER, open_interest_usd=_NUMBER,
        ),
        _table("premium", "ts venue symbol kind", "premium", kind=_TEXT, premium=_NUMBER),
        _table(
            "liquidity", "ts venue symbol", "depth_50bps_usd",
            depth_50bps_usd=_NUMBER, bid_depth_50bps_usd=_NUMBER, ask_depth_50bps_usd=_NUMBER,
            spread_bps=_NUMBER, mid_price=_NUMBER,
        ),
        _table("liquidations", "ts venue symbol bar", "liquidations_usd", bar=_TEXT, liquidations_usd=_NUMBER),
        _table(
            "estimates", "ts venue symbol", "funding_estimate",
            funding_estimate=_NUMBER, interval_hours=pl.Float32, next_ts=TS,
        ),
        _table("long_short", "ts venue symbol", "long_short_ratio", long_short_ratio=_NUMBER),
        _table("signals", "ts venue symbol name", "value", name=_TEXT, value=_NUMBER),
    )
}  # fmt: skip
"""Every table that is written here. `known_ts`: when a row was received; without one the table's rule holds."""

IN_USD = frozenset({"hyperliquid", "deribit", "kraken", "dydx_v3", "drift", "lighter"})
"""Venues whose contract is quoted in USD or USDC."""


def quote_of(venue: str) -> str:
    """Return the quote of the contract that is a venue's series."""
    return "USDC" if venue in IN_USD else "USDT"


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of adding rows. `conflicts`: the rows refused, with the value that stands as `standing_…`."""

    rows: pl.DataFrame
    added: int
    conflicts: pl.DataFrame


def frame_of(table: Table, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Make a frame of a table's schema; instants are ms since 1970, what a row does not tell is null."""
    plain = {name: pl.Int64 if kind == TS else kind for name, kind in table.columns.items()}
    frame = pl.DataFrame(list(rows), schema=plain, orient="row")
    return frame.with_columns(pl.col(name).cast(TS) for name, kind in table.columns.items() if kind == TS)


def merged(table: Table, held: pl.DataFrame, new: pl.DataFrame) -> Merged:
    """Add to `held` the rows of `new` whose key it lacks, sorted. Pure."""
    key, columns = list(table.key), list(table.columns)
    first = new.unique(key, keep="first", maintain_order=True)
    standing = pl.concat([held.select(columns), first.join(held, on=key, how="anti", nulls_equal=True)])
    told_again = new.join(
        standing.select(*key, **{f"standing_{value}": pl.col(value) for value in table.values}),
        on=key, how="inner", nulls_equal=True,
    )  # fmt: skip
    differs = pl.lit(False)
    for value in table.values:
        differs = differs | _differ(pl.col(value), pl.col(f"standing_{value}"))
    conflicts = told_again.filter(differs).unique(maintain_order=True)
    return Merged(standing.sort(key), len(standing) - len(held), conflicts)


def _differ(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Whether both are known and not the same number."""
    apart = (one - other).abs() > AGREE * pl.max_horizontal(one.abs(), other.abs())
    return (apart & one.is_finite() & other.is_finite()).fill_null(False)


def parts_of(directory: Path, name: str) -> list[Path]:
    """Return the files a table consists of, in a fixed order; none where the directory has no such table."""
    whole = directory / f"{name}.parquet"
    return ([whole] if whole.is_file() else []) + sorted((directory / name).rglob("*.parquet"))


def read_table(directory: Path, table: Table, where: pl.Expr) -> pl.DataFrame:
    """Read the rows of a table that fulfil a condition, from all parts. Raises DataError for one that is unreadable."""
    found = [_read(path, table, where) for path in parts_of(directory, table.name)]
    return pl.concat(found) if found else frame_of(table, ())


def read_part(path: Path, table: Table) -> pl.DataFrame:
    """Read one part; empty where there is none yet. Raises DataError."""
    return _read(path, table, pl.lit(True)) if path.is_file() else frame_of(table, ())


def _read(path: Path, table: Table, where: pl.Expr) -> pl.DataFrame:
    try:
        rows = scan_part(path).filter(where).collect()
        missing = [name for name in table.columns if name not in rows.columns]
        empty = [pl.lit(None, kind).alias(name) for name, kind in table.columns.items() if name in missing]
        cast = [pl.col(name).cast(kind) for name, kind in table.columns.items() if name not in missing]
        return rows.select(*cast, *empty).select(list(table.columns))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(
            f"{path} cannot be read: {str(error).splitlines()[0]}; move it away and start again"
        ) from None


def scan_part(path: Path) -> pl.LazyFrame:
    """Open a part that may be replaced at any moment: it is read at once, where it is not too large. Raises OSError.

    polars opens a path twice, for what is in it and for the rows, and those may then be of different files.
    """
    return pl.scan_parquet(BytesIO(path.read_bytes()) if path.stat().st_size <= AT_ONCE_BYTES else path)


def write_part(path: Path, rows: pl.DataFrame, *, hidden: bool = False) -> None:
    """Write a part so that it is there whole or not at all, whatever dies meanwhile; `hidden`: for its owner alone.

    Raises OSError.
    """
    for directory in (path.parent.parent, path.parent):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700 if hidden else 0o777)
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb", opener=private if hidden else None) as file:
        rows.write_parquet(file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
