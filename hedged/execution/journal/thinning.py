"""Which details of decisions are worth writing: those that say something new, and the first of every hour."""

from collections.abc import Hashable, Mapping
from typing import Any

from hedged.domain.clock import HOUR_MS

Row = Mapping[str, Any]
Told = dict[str, tuple[int, Hashable]]
"""By symbol the hour (ms since the epoch) and the story of the row whose details were written last."""
SAID = ("action", "rule", "current", "model_hash", "config_hash")
"""What tells one row from another, beside its details."""


def thinned(ts_ms: int, rows: Mapping[str, Row], told: Told) -> tuple[dict[str, Row], Told]:
    """Return the rows as they are to be written, and what has been told then. Only `detail` is ever left out; where it
    stays it becomes text.
    """
    hour_ms = ts_ms // HOUR_MS * HOUR_MS
    out: dict[str, Row] = {}
    now = dict(told)
    for symbol, row in rows.items():
        body = dict(row)
        detail = body.pop("detail", None)
        if detail is not None:
            story = (hour_ms, (*(row.get(name) for name in SAID), detail.story()))
            if told.get(symbol) != story:
                body["detail"] = detail.text()
                now[symbol] = story
        out[symbol] = body
    return out, now
