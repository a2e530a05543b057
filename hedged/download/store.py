"""One market's rows of one table, as they grow during a download: what the directory holds already, and what is new.

The directory is the whole state of a download: what is missing is found by looking at it, so one that was killed goes
on where it was, and one that is run again asks only for what came since and for what was missing.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from hedged.buffer.directory import TABLES, frame_of, merged, read_part, read_table, write_part
from hedged.domain.errors import ConfigError
from hedged.domain.market import SeriesKey
from hedged.download.gaps import intervals_h

SYMBOL = re.compile(r"[A-Za-z0-9]+")
"""What becomes part of a file's name."""


def must_be_symbol(text: str) -> None:
    """Raise ConfigError for what is no symbol."""
    if not SYMBOL.fullmatch(text):
        raise ConfigError(f"{text!r} is no symbol: expected the coin's letters and digits, e.g. BTC")


class SeriesStore:
    """Rows of one table of one market. Nothing here is done on the event loop."""

    def __init__(
        self,
        directory: Path,
        table: str,
        key: SeriesKey,
        only: Mapping[str, str],
        now_h: float | None = None,
        *,
        infer: bool = False,
    ) -> None:
        """`only`: what else tells the series from others in the table, e.g. its quote or the length of its bars.

        `infer`: intervals are read off the timestamps; `now_h`: the present one, where the venue tells it.

        Raises ConfigError for a symbol that is none, DataError where what is there cannot be read.
        """
        must_be_symbol(key.symbol)
        self.table, self.key = TABLES[table], key
        self.path = directory / table / key.venue / f"{key.symbol}.parquet"
        self._infer, self._now_h = infer, now_h
        mine = pl.lit(True)
        for column, value in {"venue": key.venue, "symbol": key.symbol, **only}.items():
            mine = mine & (pl.col(column) == value)
        self._mine = mine
        self._own = read_part(self.path, self.table)
        # other files may hold rows of this market too: the recorder's, or a table that was copied here
        found = merged(self.table, self._own.filter(mine), read_table(directory, self.table, mine))
        self._all, self.conflicts, self.added = found.rows, found.conflicts, 0

    def says(self, row: Mapping[str, Any]) -> bool:
        """Whether a row says anything: one without its value stays a gap."""
        return any(row.get(value) is not None for value in self.table.values)

    @property
    def ts_ms(self) -> list[int]:
        """Instants of all rows, ascending."""
        return [int(ts) for ts in self._all["ts"].dt.epoch("ms")]

    @property
    def hours(self) -> list[float]:
        """The interval that each row covers, of funding."""
        return [float(hours) for hours in self._all["interval_hours"].fill_null(8.0)]

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows in (columns as in the table, instants in ms) and write them. Raises OSError."""
        common = {"venue": self.key.venue, "symbol": self.key.symbol, "source": "download"}
        new = frame_of(self.table, ({**common, **row} for row in rows))
        whole = merged(self.table, self._all, new)
        if len(whole.conflicts):
            self.conflicts = pl.concat([self.conflicts, whole.conflicts]).unique(maintain_order=True)
        if not whole.added:
            return
        fresh = whole.rows.join(self._all, on=list(self.table.key), how="anti", nulls_equal=True)
        own = merged(self.table, self._own, fresh).rows
        if self._infer:
            own = self._with_intervals(own, whole.rows)
        write_part(self.path, own)
        self._own, self._all = own, merged(self.table, own.filter(self._mine), whole.rows).rows
        self.added += whole.added

    def _with_intervals(self, own: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
        """Tell the intervals of the own rows; rows of other files keep the one that stands there."""
        ts_ms = [int(ts) for ts in whole["ts"].dt.epoch("ms")]
        hours = pl.Series("interval_hours", intervals_h(ts_ms, self._now_h), pl.Float32)
        told = whole.select("ts", "quote").with_columns(hours.alias("told"))
        joined = own.join(told, on=["ts", "quote"], how="left", nulls_equal=True, maintain_order="left")
        return joined.with_columns(interval_hours=pl.coalesce("told", "interval_hours")).select(own.columns)
