"""The journal of reconciliation: orphaned orders, what venues have shown, and where the evidence begins."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Purpose
from hedged.execution.journal.store import SETTLED_EVENTS, JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.reconcile.attribution import Shown

STATE = "reconcile"
LEDGER = "funding_ledger"


class Records:
    """Reads and writes them; every write is durable when it returns."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._kept: dict[str, Mapping[str, Any]] = {}

    async def load(self, name: str) -> dict[str, Any]:
        """Return a state that an earlier life has kept; empty where there is none."""
        found = await self._journal(JournalStore.load_state, name)
        self._kept[name] = found
        return found

    async def keep(self, name: str, state: Mapping[str, Any]) -> None:
        """Keep a state across restarts, where it has changed."""
        if state != self._kept.get(name):
            await self._journal(JournalStore.save_state, name, state)
            self._kept[name] = state

    async def missing(self, executions: Sequence[Execution]) -> list[Execution]:
        """Return those of some executions that the journal does not have."""
        oldest_ms = min(e.ts_ms for e in executions)
        known = set(await self._journal(JournalStore.rows, KNOWN, (oldest_ms,)))
        return [e for e in executions if (e.key.venue, e.execution_id) not in known]

    async def intent(self, client_id: str) -> tuple[Purpose, Decimal] | None:
        """Return purpose and reference price of an order that any process has journalled; None where none has."""
        rows = await self._journal(JournalStore.rows, INTENT, (client_id,))
        return (Purpose(rows[0][0]), Decimal(rows[0][1])) if rows else None

    async def at_work(self, client_id: str) -> bool:
        """Tell whether a journalled order's outcome is still open."""
        events = await self._journal(JournalStore.rows, EVENTS, (client_id,))
        return bool(events) and not {event for (event,) in events} & set(SETTLED_EVENTS)

    async def show(self, shown: Shown) -> None:
        """Write that a venue has shown no more of a hedge than that."""
        row = (*shown.key, shown.ts_ms, str(shown.most))
        await self._journal(JournalStore.write, [("INSERT OR REPLACE INTO shown VALUES (?,?,?,?)", row)])

    async def shown(self) -> list[Shown]:
        """Return all that was written so, oldest first."""
        rows = await self._journal(
            JournalStore.rows, "SELECT venue, symbol, ts_ms, most FROM shown ORDER BY ts_ms", ()
        )
        return [Shown(ts_ms, SeriesKey(venue, symbol), Decimal(most)) for venue, symbol, ts_ms, most in rows]

    async def orphan(self, client_id: str, key: SeriesKey, ts_ms: int, outcome: str, filled: Decimal) -> None:
        """Write what is known of an orphaned order: found (before it is cancelled), then gone."""
        row = (client_id, *key, ts_ms, outcome, str(filled))
        await self._journal(JournalStore.write, [(ORPHAN, row)])

    async def orphans(self) -> set[str]:
        """Return the client ids of all orders that were ever found orphaned."""
        rows = await self._journal(JournalStore.rows, "SELECT client_id FROM orphans", ())
        return {client_id for (client_id,) in rows}


KNOWN = "SELECT venue, execution_id FROM executions WHERE ts_ms >= ?"
INTENT = "SELECT purpose, reference_price FROM intents WHERE client_id = ?"
EVENTS = "SELECT event FROM order_events WHERE client_id = ?"
ORPHAN = (
    "INSERT INTO orphans VALUES (?,?,?,?,?,?) ON CONFLICT (venue, client_id) DO UPDATE SET"
    " outcome = excluded.outcome, filled = excluded.filled"
)
