"""What the page tells of all lives of the daemon, read from the journal after each cycle: days, decisions, funding."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from hedged.domain.clock import DAY_MS
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.status.decisions import Row, changes
from hedged.status.document import Decision

STATE = "days"
SHOWN = 40
"""Earlier decisions that are kept."""
LOOKED_AT = 3_000
"""Decisions of an earlier life that are looked through for them."""

BEGAN = (
    "SELECT min(ts_ms) FROM"
    " (SELECT min(ts_ms) AS ts_ms FROM decisions UNION ALL SELECT min(cycle_ts_ms) FROM intents)"
)
DAYS = (
    "SELECT ts_ms / ?1 FROM decisions WHERE ts_ms < ?2"
    " UNION SELECT cycle_ts_ms / ?1 FROM intents WHERE cycle_ts_ms < ?2"
)
DECISIONS = (
    "SELECT ts_ms, symbol, json_extract(body, '$.action'), json_extract(body, '$.reason') FROM decisions"
    " WHERE ts_ms > ? ORDER BY ts_ms DESC, symbol DESC LIMIT ?"
)
FUNDING = "SELECT total(payment_usd), max(rowid) FROM funding WHERE rowid > ?"


@dataclass(slots=True)
class Records:
    """`days`: UTC days on which a cycle ran, None before the journal was read; `began_ms`: the first decision;
    `received_usd`: all funding that venues booked; `earlier`: decisions that changed something, oldest first.

    A journal belongs to one mode for good (`journal/claim.py`), so its days are all of that mode.
    """

    journal: Journal
    days: int | None = None
    began_ms: int | None = None
    received_usd: float | None = None
    earlier: deque[Decision] = field(default_factory=lambda: deque(maxlen=SHOWN))
    _loaded: bool = False
    _last_day: int = -1
    _read_ms: int = 0
    _paid_row: int = 0
    _actions: dict[str, str] = field(default_factory=dict)

    async def load(self) -> None:
        """Read what earlier lives have left. Raises NoJournal."""
        kept: dict[str, Any] = await self.journal(JournalStore.load_state, STATE)
        if kept:
            self.days, self._last_day = int(kept["days"]), int(kept["last_day"])
        self._loaded = True
        await self._read()

    async def cycle(self, now_ms: int) -> None:
        """Count the day of a cycle that ran, and read what is new. Raises NoJournal: the next cycle makes up for it."""
        if not self._loaded:
            await self.load()
        day = now_ms // DAY_MS
        if self.days is None:  # a journal that was never counted
            before = await self.journal(JournalStore.rows, DAYS, (DAY_MS, day * DAY_MS))
            self.days = len(before)
        if day > self._last_day:
            kept = {"days": self.days + 1, "last_day": day}
            await self.journal(JournalStore.save_state, STATE, kept)
            self.days, self._last_day = self.days + 1, day
        await self._read()

    async def _read(self) -> None:
        rows: list[Row] = await self.journal(JournalStore.rows, DECISIONS, (self._read_ms, LOOKED_AT))
        self.earlier.extend(changes(reversed(rows), self._actions))
        self._read_ms = rows[0][0] if rows else self._read_ms
        ((paid, last),) = await self.journal(JournalStore.rows, FUNDING, (self._paid_row,))
        self.received_usd = (self.received_usd or 0.0) + paid
        self._paid_row = last or self._paid_row
        if self.began_ms is None:
            ((self.began_ms,),) = await self.journal(JournalStore.rows, BEGAN)
