"""Which details of decisions are worth writing: those that say something new, and the first of every hour."""

from collections.abc import Mapping
from typing import Any

from hedged.domain.clock import HOUR_MS
from hedged.execution.details import same_story

Row = Mapping[str, Any]
Told = dict[str, tuple[int, Row]]
"""By symbol the hour (ms since the epoch) and the row whose details were written last."""


def thinned(ts_ms: int, rows: Mapping[str, Row], told: Told) -> tuple[dict[str, Row], Told]:
    """Return the rows as they are to be written, and what has been told then. Only `detail` is ever left out."""
    hour_ms = ts_ms // HOUR_MS * HOUR_MS
    out: dict[str, Row] = {}
    now = dict(told)
    for symbol, row in rows.items():
        before = told.get(symbol)
        if "detail" not in row:
            out[symbol] = row
        elif before is not None and before[0] == hour_ms and same_story(before[1], row):
            out[symbol] = {name: value for name, value in row.items() if name != "detail"}
        else:
            out[symbol] = row
            now[symbol] = (hour_ms, row)
    return out, now
