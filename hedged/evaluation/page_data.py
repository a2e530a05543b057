"""Turns a result into what the page's charts draw, and nothing more: it all travels inside the page."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from hedged.domain.market import SeriesKey
from hedged.evaluation.bootstrap import Ratio
from hedged.evaluation.result import Cell, Result
from hedged.evaluation.wording import CLASS_NAMES, HORIZON_NAMES, forecaster
from hedged.page.wording import venue

FAN_SERIES = 4
"""Series of each venue class whose forecasts are drawn."""
FAN_POINTS = 240
FIRST = ("BTC", "ETH", "INJ", "SOL")
PERCENT_A_YEAR = 24 * 365 * 100.0
"""From a fraction per hour to percent a year, simple."""
FAN_QUANTILES = ("q05", "q25", "q50", "q75", "q95")
SERIES_COLUMNS = ("rows", "relmae", "direction", "half_s", "within_3bp", "coverage", "ece")


def chart_data(result: Result) -> dict[str, Any]:
    """Compute every chart and the table of series."""
    parts: dict[str, Any] = {cell_id(cell): {} for cell in result.cells}
    for name, found in result.findings.items():
        for what, frame in found.profile.items():
            drawn = frame.with_columns(pl.col(pl.Datetime).dt.epoch("ms"))
            for (kind, horizon), rows in drawn.group_by("venue_class", "horizon", maintain_order=True):
                columns = rows.drop("venue_class", "horizon").to_dict(as_series=False)
                cell = parts[cell_id((str(kind), str(horizon)))]
                cell.setdefault(name, {})[what] = {k: [_round(v) for v in vs] for k, vs in columns.items()}
    return {
        "ours": result.ours,
        "against": result.against,
        "names": {name: forecaster(name) for name in result.findings},
        "cells": [
            {"id": cell_id(cell), "kind": CLASS_NAMES[cell[0]], "horizon": HORIZON_NAMES[cell[1]]}
            for cell in result.cells
        ],
        "ratios": {
            name: {"mae": _ratios(found.mae), "pinball": _ratios(found.pinball)}
            for name, found in result.compared.items()
        },
        "parts": parts,
        "fan": fans(result),
        "series": {cell_id(cell): series_table(result, cell) for cell in result.cells},
    }


def cell_id(cell: Cell) -> str:
    """Name a cell inside the page and its address."""
    return f"{cell[0]}-{cell[1]}"


def _ratios(found: Mapping[Cell, Ratio]) -> dict[str, list[float | None]]:
    return {cell_id(cell): [_round(v) for v in (r.value, r.low, r.high)] for cell, r in found.items()}


def _round(value: Any, digits: int = 4) -> Any:
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    return value


def fans(result: Result) -> dict[str, Any]:
    """Return, by horizon and series, the latest forecasts and what came, in percent a year."""
    answers = result.truth.rows
    drawn: dict[str, Any] = {}
    for cell in result.cells:
        rows = answers.filter((pl.col("venue_class") == cell[0]) & (pl.col("horizon") == cell[1]))
        for key in shown_series(rows):
            part = rows.filter((pl.col("venue") == key.venue) & (pl.col("symbol") == key.symbol))
            part = part.tail(FAN_POINTS)
            scale = PERCENT_A_YEAR / pl.col("unit_h")
            columns = part.select(
                t=pl.col("target_ts").dt.epoch("ms"),
                **{name: (pl.col(name) * scale).round(2) for name in (*FAN_QUANTILES, "y")},
            ).to_dict(as_series=False)
            drawn.setdefault(cell_id(cell), {})[f"{venue(key.venue)} {key.symbol}"] = columns
    return drawn


def shown_series(rows: pl.DataFrame) -> list[SeriesKey]:
    """Choose the series to draw: the coins of FIRST, else those with most rows."""
    counts = rows.group_by("venue", "symbol").len().rows()
    order = {symbol: i for i, symbol in enumerate(FIRST)}
    ranked = sorted(counts, key=lambda row: (order.get(row[1], len(order)), -row[2], row[0], row[1]))
    return [SeriesKey(str(v), str(symbol)) for v, symbol, _ in ranked[:FAN_SERIES]]


def series_table(result: Result, cell: Cell) -> list[list[Any]]:
    """Return a row for every series of a cell: venue, symbol, our MAE and pinball ratio, then SERIES_COLUMNS."""
    here = (pl.col("venue_class") == cell[0]) & (pl.col("horizon") == cell[1])
    own = result.findings[result.ours].metrics.filter(here & pl.col("symbol").is_not_null())
    each = result.compared[result.against].by_series.filter(here)
    joined = own.select("venue", "symbol", *SERIES_COLUMNS).join(
        each.select("venue", "symbol", "mae", "pinball"), on=["venue", "symbol"], how="left"
    )
    table = joined.sort("symbol", "venue").select("venue", "symbol", "mae", "pinball", *SERIES_COLUMNS)
    return [[venue(row[0]), row[1], *(_round(v) for v in row[2:])] for row in table.iter_rows()]
