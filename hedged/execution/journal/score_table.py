"""The scores of forecasts in the journal: rows that `hedged.forecast.record.stored` makes and reads."""

from collections.abc import Iterable

from hedged.execution.journal.store import JournalStore

Row = tuple[int, str, bytes]
"""A sheet's hour (ms), head and body."""


def save_sheets(store: JournalStore, rows: Iterable[Row], since_ms: int) -> None:
    """Write sheets, each in the place of the one of its hour, and drop those from before `since_ms`."""
    written = [("INSERT OR REPLACE INTO forecast_sheets VALUES (?,?,?)", tuple(row)) for row in rows]
    store.write([*written, ("DELETE FROM forecast_sheets WHERE origin_ms < ?", (since_ms,))])


def load_sheets(store: JournalStore) -> list[Row]:
    """Return all that are kept, oldest first."""
    return [
        (origin_ms, head, body)
        for origin_ms, head, body in store.rows("SELECT * FROM forecast_sheets ORDER BY origin_ms")
    ]


def drop_state(store: JournalStore, name: str) -> bool:
    """Drop a state of an earlier version. Tells whether there was one."""
    found = bool(store.rows("SELECT 1 FROM states WHERE name = ?", (name,)))
    if found:
        store.write([("DELETE FROM states WHERE name = ?", (name,))])
    return found
