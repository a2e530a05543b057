"""What a cycle writes: decisions, the trader's own book, small states. A part of `JournalStore`."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.execution.journal.file import JournalFile
from hedged.execution.journal.thinning import Told, thinned

PRUNED = 2_000
"""Decisions that are dropped at once: what is waited for meanwhile is an order's write."""


class CycleTables(JournalFile):
    """Decisions, own book and states."""

    def __init__(self, path: str, *, durable: bool, check: bool = False) -> None:
        """See `JournalFile`."""
        super().__init__(path, durable=durable, check=check)
        self._book: dict[SeriesKey, Decimal] | None = None
        self._told: Told = {}

    def record_cycle(
        self,
        ts_ms: int,
        decisions: Mapping[str, Mapping[str, Any]],
        own: Mapping[SeriesKey, Decimal],
        episodes: Mapping[str, Any],
    ) -> None:
        """Write one cycle: its decisions by symbol, the own quantities that changed, the state of the stops.

        A decision's details are written when they say something new, and once an hour; its reason always.
        """
        if self._book is None:
            self._book = {SeriesKey(v, s): q for _, v, s, q in self.book()}
        changed = {key: q for key, q in own.items() if self._book.get(key) != q}
        rows, told = thinned(ts_ms, decisions, self._told)
        with self.transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO decisions VALUES (?,?,?)",
                [
                    (ts_ms, symbol, json.dumps(body, sort_keys=True, separators=(",", ":")))
                    for symbol, body in rows.items()
                ],
            )
            self._db.executemany(
                "INSERT INTO book VALUES (?,?,?,?)", [(ts_ms, *key, str(q)) for key, q in changed.items()]
            )
            self._db.execute("INSERT OR REPLACE INTO states VALUES ('episodes', ?)", (json.dumps(episodes),))
        self._book.update(changed)
        self._told = told

    def decisions(self, since_ms: int = 0) -> list[dict[str, Any]]:
        """Return decisions with ts ≥ since, oldest first, each with `ts_ms` and `symbol`."""
        rows = self._db.execute(
            "SELECT ts_ms, symbol, body FROM decisions WHERE ts_ms >= ? ORDER BY 1, 2", (since_ms,)
        )
        return [{"ts_ms": ts, "symbol": symbol, **json.loads(body)} for ts, symbol, body in rows]

    def book(self) -> list[tuple[int, str, str, Decimal]]:
        """Return (ts_ms, venue, symbol, quantity) of every change of the trader's own position."""
        rows = self._db.execute("SELECT ts_ms, venue, symbol, quantity FROM book ORDER BY ts_ms, rowid")
        return [(ts, venue, symbol, Decimal(quantity)) for ts, venue, symbol, quantity in rows]

    def save_state(self, name: str, body: Mapping[str, Any]) -> None:
        """Keep a small state across restarts."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO states VALUES (?,?)", (name, json.dumps(body, sort_keys=True))
            )

    def load_state(self, name: str) -> dict[str, Any]:
        """Return a kept state; empty when there is none."""
        row = self._db.execute("SELECT body FROM states WHERE name = ?", (name,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def prune(self, before_ms: int) -> int:
        """Drop decisions older than that, a bounded number. Returns how many were dropped.

        What was ordered, filled and paid is kept for ever, and the decisions of the hours in which something was: the
        details of a decision stand with an earlier one of its hour.
        """
        with self.transaction():
            dropped = self._db.execute(
                "DELETE FROM decisions WHERE rowid IN (SELECT rowid FROM decisions WHERE ts_ms < :before"
                " AND ts_ms / :hour NOT IN (SELECT cycle_ts_ms / :hour FROM intents) ORDER BY ts_ms LIMIT :most)",
                {"before": before_ms, "hour": HOUR_MS, "most": PRUNED},
            )
        return dropped.rowcount
