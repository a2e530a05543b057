"""The decisions of a backtest or demo, read from the files that it wrote."""

from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from hedged.domain.clock import iso
from hedged.domain.errors import ConfigError


class RunLog:
    """A directory with decisions.parquet and fills.parquet; a `DecisionLog`."""

    def __init__(self, directory: Path) -> None:
        """Raises ConfigError where they are missing or cannot be read."""
        self.name = f"the run in {directory}"
        self._decisions, self._fills = (_read(directory, name) for name in ("decisions", "fills"))

    def times(self, until_ms: int | None, limit: int) -> list[int]:
        """See `DecisionLog`."""
        times = self._decisions["ts_ms"].unique().sort(descending=True)
        return times.filter(times <= (2**62 if until_ms is None else until_ms)).head(limit).to_list()

    def after(self, ts_ms: int) -> int | None:
        """See `DecisionLog`."""
        later = self._decisions.filter(pl.col("ts_ms") > ts_ms)["ts_ms"]
        return int(later.min()) if len(later) else None  # type: ignore[arg-type]  # an integer column

    def rows(self, ts_ms: int) -> dict[str, dict[str, Any]]:
        """See `DecisionLog`."""
        found = self._decisions.filter(pl.col("ts_ms") == ts_ms).drop("ts", "ts_ms", "detail", strict=False)
        return {row.pop("symbol"): row for row in found.iter_rows(named=True)}

    def details(self, symbol: str, ts_ms: int) -> tuple[int, str] | None:
        """See `DecisionLog`."""
        if "detail" not in self._decisions.columns:
            return None
        told = self._decisions.filter(
            pl.col("symbol") == symbol, pl.col("ts_ms") <= ts_ms, pl.col("detail").is_not_null()
        ).tail(1)
        return (int(told["ts_ms"][0]), str(told["detail"][0])) if len(told) else None

    def trades(self, symbol: str, from_ms: int, to_ms: int | None) -> list[dict[str, Any]]:
        """See `DecisionLog`."""
        mine = self._fills.filter(
            pl.col("symbol") == symbol, pl.col("ts_ms") >= from_ms, pl.col("ts_ms") < (to_ms or 2**62)
        )
        names = ("venue", "side", "quantity", "price", "fee_usd", "purpose")
        return [
            {"ts": iso(row["ts_ms"]), **{name: row[name] for name in names}}
            for row in mine.iter_rows(named=True)
        ]


def _read(directory: Path, name: str) -> pl.DataFrame:
    path = directory / f"{name}.parquet"
    try:
        frame = pl.read_parquet(path)
    except FileNotFoundError:
        raise ConfigError(
            f"{directory} holds no {path.name}: name the --out of `hedged backtest` or `hedged demo`"
        ) from None
    except (OSError, PolarsError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    return frame.with_columns(ts_ms=pl.col("ts").dt.epoch("ms")).sort("ts_ms", maintain_order=True)
