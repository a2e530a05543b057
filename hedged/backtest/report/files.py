"""Reads what a run left behind. A table that is missing or empty is an empty table with the right columns."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from hedged.domain.forecast import LEVELS, QUANTILE_COLUMNS

TS = pl.Datetime("ms", "UTC")
_TEXTS = ("symbol", "action", "reason", "current", "venue", "side", "purpose", "name")
LEVEL_OF = {name: float(level) for name, level in zip(QUANTILE_COLUMNS, LEVELS, strict=True)}
"""Quantile columns of the table of forecasts, with their levels."""


def _columns(*names: str) -> dict[str, Any]:
    """Give every named column its type: instants, texts, and numbers otherwise."""
    return {name: TS if name == "ts" else pl.String if name in _TEXTS else pl.Float64 for name in names}


DECISIONS = _columns(
    *("ts", "symbol", "action", "reason", "current", "own_quantity", "horizon_h"),
    *("rate_mean_per_hour", "rate_p10_per_hour", "rate_p90_per_hour"),
)
FILLS = _columns("ts", "venue", "symbol", "side", "quantity", "price", "fee_usd", "purpose")
FUNDING = _columns("ts", "venue", "symbol", "quantity", "rate", "interval_hours", "price", "payment_usd")
FORECASTS = _columns("ts", "venue", "symbol", "horizon_h", "mean", "p_up", *LEVEL_OF)
DAILY = _columns("ts", "name", "symbol", "saved_usd", "cost_usd")


@dataclass(frozen=True)
class Run:
    """A finished run: its summary and the tables that the report draws, each in order of time."""

    summary: dict[str, Any]
    decisions: pl.DataFrame
    fills: pl.DataFrame
    funding: pl.DataFrame
    forecasts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FORECASTS))
    daily: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DAILY))

    @cached_property
    def symbols(self) -> list[str]:
        """Every symbol of the run, the largest position first."""
        per_symbol = self.summary.get("per_symbol") or {}
        seen = set(per_symbol) | set(self.decisions["symbol"]) | set(self.funding["symbol"])

        def size_usd(symbol: str) -> float:
            return abs(float(per_symbol.get(symbol, {}).get("position_usd") or 0))

        return sorted((s for s in seen if s), key=lambda symbol: (-size_usd(symbol), symbol))

    def of(self, table: str, symbol: str) -> pl.DataFrame:
        """Return one symbol's rows of a table."""
        frame: pl.DataFrame = getattr(self, table)
        return frame.filter(pl.col("symbol") == symbol)


def _table(path: Path, columns: dict[str, Any]) -> pl.DataFrame:
    """Read a Parquet table's known columns; a missing file or column is empty."""
    if not path.is_file():
        return pl.DataFrame(schema=columns)
    found = pl.read_parquet(path)
    if "day" in found.columns:  # a day's sums are known at its end
        end = pl.col("day").cast(pl.String).str.slice(0, 10).str.to_datetime("%Y-%m-%d", time_zone="UTC")
        found = found.with_columns(ts=end.dt.offset_by("1d"))
    picked = [
        (pl.col(name) if name in found.columns else pl.lit(None)).cast(kind, strict=False).alias(name)
        for name, kind in columns.items()
    ]
    picked_rows = found.select(picked).with_columns(pl.col(pl.Float64).fill_nan(None))
    return picked_rows.drop_nulls("ts").sort("ts", maintain_order=True)


def load_run(out: Path) -> Run:
    """Read the run written to `out`. Raises FileNotFoundError without a summary: that is no finished run."""
    return Run(
        summary=json.loads((out / "summary.json").read_text(encoding="utf-8")),
        decisions=_table(out / "decisions.parquet", DECISIONS),
        fills=_table(out / "fills.parquet", FILLS),
        funding=_table(out / "funding.parquet", FUNDING),
        forecasts=_table(out / "forecasts.parquet", FORECASTS),
        daily=_table(out / "daily.parquet", DAILY),
    )
