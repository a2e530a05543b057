"""What an evaluation found, as JSON values."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import polars as pl

from hedged.evaluation.bootstrap import Ratio
from hedged.evaluation.result import Cell, Result
from hedged.evaluation.spread import pooled


def summary(result: Result) -> dict[str, Any]:
    """Return the findings as JSON values: pooled metrics, ratios with their intervals, notes. Unknown is null."""
    of_classes = result.metrics.filter(pl.col("symbol").is_null()).drop("venue", "symbol")
    rows = result.truth.rows
    iso = rows["origin_ts"].sort().dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "forecaster": result.ours,
        "against": result.against,
        "from": iso[0],
        "to": iso[-1],
        "forecasts": len(rows),
        "series": rows.select("venue", "symbol").n_unique(),
        "dropped": result.truth.dropped,
        "metrics": [{k: _json(v) for k, v in row.items()} for row in of_classes.iter_rows(named=True)],
        "relmae": _ratios({name: found.relmae for name, found in result.findings.items()}),
        "mae_ratio": _ratios({name: found.mae for name, found in result.compared.items()}),
        "pinball_ratio": _ratios({name: found.pinball for name, found in result.compared.items()}),
        "spreads_pooled": [_known(asdict(one)) for one in pooled(result.spreads)],
        "spreads": [_known(asdict(spread)) for spread in result.spreads],
        "notes": result.notes,
    }


def _ratios(found: Mapping[str, Mapping[Cell, Ratio]]) -> list[dict[str, Any]]:
    return [
        {"forecaster": name, "venue_class": kind, "horizon": horizon}
        | {k: _json(v) for k, v in asdict(ratio).items()}
        for name, cells in found.items()
        for (kind, horizon), ratio in cells.items()
    ]


def _known(value: Any) -> Any:
    """Do as `_json` to the values of nested mappings."""
    return {k: _known(v) for k, v in value.items()} if isinstance(value, dict) else _json(value)


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
