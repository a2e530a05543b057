"""Rows of a run that may be many, as columns: the newest as they came, the others in Parquet files beside the run.

What is kept of a run grows on disk, not in memory. It reads as a sequence; whoever wants columns asks for `frame`.
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
import polars as pl

from hedged.domain.forecast import QUANTILE_COLUMNS, RateForecast
from hedged.domain.market import SeriesKey

T = TypeVar("T")
PART = 8_192
"""Rows that are kept as they came; so many at a time become a file."""
_TEXT, _NUMBER = pl.String(), pl.Float64()
DECISION: dict[str, Any] = {
    "ts_ms": pl.Int64(), "symbol": _TEXT, "strategy": _TEXT, "action": _TEXT, "reason": _TEXT,
    "own_quantity": _NUMBER, "price": _NUMBER, "expected_funding_usd": _NUMBER, "funding_p10_usd": _NUMBER,
    "funding_p90_usd": _NUMBER, "rate_mean_per_hour": _NUMBER, "rate_p10_per_hour": _NUMBER,
    "rate_p90_per_hour": _NUMBER, "direction_confidence": _NUMBER, "horizon_h": pl.Int64(),
    "expected_saving_usd": _NUMBER, "cost_usd": _NUMBER, "break_even_h": _NUMBER, "hedge_confidence": _NUMBER,
    "current": _TEXT, "target": _TEXT, "model_hash": _TEXT, "feature_hash": _TEXT, "config_hash": _TEXT, "rule": _TEXT,
    "detail": _TEXT,
}  # fmt: skip
"""Columns of a decision of the funding hedge."""
FORECAST: dict[str, Any] = {
    "ts_ms": pl.Int64(), "venue": _TEXT, "symbol": _TEXT, "horizon_h": _NUMBER, "mean": _NUMBER, "p_up": _NUMBER,
    **dict.fromkeys(QUANTILE_COLUMNS, _NUMBER),
}  # fmt: skip


class Kept(Sequence[T], Generic[T]):
    """Rows in the order in which they were added. `schema`: of their columns; `plain` makes a row's values of a row,
    `made` the row of them. `within`: a folder for the files, which are gone with this object; None: the system's.
    """

    def __init__(
        self,
        schema: dict[str, Any],
        plain: Callable[[T], Sequence[Any]],
        made: Callable[[Sequence[Any]], T],
        within: Path | None = None,
        part: int = PART,
    ) -> None:
        self._schema, self._plain, self._made, self._part = schema, plain, made, part
        self._within, self._folder = within, Path()
        self._new: list[T] = []
        self._files: list[Path] = []
        self._read: tuple[int, list[T]] = (-1, [])

    def add(self, rows: Iterable[T]) -> None:
        """Add rows."""
        self._new += rows
        while len(self._new) >= self._part:
            self._write(self._new[: self._part])
            del self._new[: self._part]

    def frame(self, names: Sequence[str] | None = None, **equal: Any) -> pl.DataFrame:
        """Return all rows as columns: those of these names, and where columns have these values."""
        found = self.scan().filter(*(pl.col(name) == value for name, value in equal.items()))
        return (found if names is None else found.select(names)).collect()

    def scan(self) -> pl.LazyFrame:
        """Return all rows as columns that are read where they are wanted."""
        return pl.concat([*map(pl.scan_parquet, self._files), self._columns(self._new).lazy()])

    def __len__(self) -> int:
        return len(self._files) * self._part + len(self._new)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        """Return the row, or the rows, at these places."""
        if isinstance(at, slice):
            return [self._at(i) for i in range(*at.indices(len(self)))]
        return self._at(range(len(self))[at])

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self._files)):
            yield from self._rows(number)
        yield from self._new

    def _at(self, i: int) -> T:
        number, place = divmod(i, self._part)
        return self._new[place] if number == len(self._files) else self._rows(number)[place]

    def _rows(self, number: int) -> list[T]:
        if self._read[0] != number:
            self._read = number, [self._made(row) for row in pl.read_parquet(self._files[number]).iter_rows()]
        return self._read[1]

    def _columns(self, rows: Sequence[T]) -> pl.DataFrame:
        return pl.DataFrame([self._plain(row) for row in rows], schema=self._schema, orient="row")

    def _write(self, rows: Sequence[T]) -> None:
        if not self._files:
            self._folder = Path(tempfile.mkdtemp(prefix=".kept-", dir=self._within))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = self._folder / f"{len(self._files):06}.parquet"
        self._columns(rows).write_parquet(path, statistics=False)
        self._files.append(path)


def kept_decisions(within: Path | None = None, part: int = PART) -> Kept[dict[str, Any]]:
    """Keep decisions of the funding hedge; a name that a row lacks reads as None."""
    names = tuple(DECISION)

    def plain(row: dict[str, Any]) -> list[Any]:
        return [row.get(name) if name != "strategy" else str(row[name]) for name in names]

    return Kept(DECISION, plain, lambda values: dict(zip(names, values, strict=True)), within, part)


def kept_forecasts(within: Path | None = None, part: int = PART) -> Kept[RateForecast]:
    """Keep forecasts of rates."""
    return Kept(
        FORECAST,
        lambda f: (f.made_at_ms, *f.key, f.horizon_h, f.mean, f.p_up, *f.quantiles.tolist()),
        lambda v: RateForecast(SeriesKey(v[1], v[2]), v[0], v[3], v[4], np.array(v[6:]), v[5]),
        within,
        part,
    )


def rows_of(decisions: Sequence[dict[str, Any]], symbol: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return these columns of the decisions on a symbol; a name that a row lacks is missing or None."""
    if isinstance(decisions, Kept):
        return decisions.frame(names, symbol=symbol).to_dicts()
    return [row for row in decisions if row["symbol"] == symbol]
