"""The journal's SQL, synchronous. `journal.Journal` calls it from its own thread; nothing else should."""

import sqlite3
from collections.abc import Collection, Iterable
from decimal import Decimal

from hedged.domain.approved import ApprovedIntent
from hedged.domain.errors import Rejected
from hedged.domain.funding import FundingPayment, FundingRate, Settlement
from hedged.domain.market import SeriesKey
from hedged.domain.orders import Execution, Fill, Purpose, Side
from hedged.execution.journal.cycle_tables import CycleTables
from hedged.execution.journal.file import JournalFile
from hedged.execution.journal.latch import Latch, last_turn

SETTLED_EVENTS = ("acknowledged", "rejected", "absent")


class JournalStore(CycleTables, JournalFile):
    """The whole journal: orders, executions, funding and the kill switch here, what cycles write in `CycleTables`."""

    def record_attempt(
        self, approved: ApprovedIntent, now_ms: int, parent: str = "", attempt: int = 0, kind: str = "take"
    ) -> None:
        """Write an order in one transaction, before the send. Raises Rejected for an id already used.

        `parent`: id of the first order of its intent, by default its own; `kind`: rest or take.
        """
        i = approved.intent
        row = (
            approved.client_id, now_ms, i.cycle_ts_ms, *i.key, i.side, str(i.quantity), str(i.worst_price),
            str(i.reference_price), i.purpose, int(i.reduce_only), i.hashes.model, i.hashes.features, i.hashes.config,
            parent or approved.client_id, attempt, kind,
        )  # fmt: skip
        try:
            with self.transaction():
                self._db.execute(f"INSERT INTO intents VALUES ({','.join('?' * len(row))})", row)
                self._event(approved.client_id, now_ms, "attempt", "")
        except sqlite3.IntegrityError:
            raise Rejected(
                f"intent {approved.client_id} was attempted before; it is never sent twice"
            ) from None

    def record_event(
        self, client_id: str, ts_ms: int, event: str, detail: str, filled: Decimal | None = None
    ) -> None:
        """Write what became of an attempt; `filled`: coins, where its venue says that it is over."""
        with self.transaction():
            self._event(client_id, ts_ms, event, detail, filled)

    def unresolved(self) -> list[tuple[str, SeriesKey]]:
        """Return client ids and markets of attempts whose outcome is not known."""
        marks = ",".join("?" * len(SETTLED_EVENTS))
        rows = self._db.execute(
            "SELECT client_id, venue, symbol FROM intents WHERE client_id NOT IN "
            f"(SELECT client_id FROM order_events WHERE event IN ({marks})) ORDER BY created_ms",
            SETTLED_EVENTS,
        )
        return [(client_id, SeriesKey(venue, symbol)) for client_id, venue, symbol in rows]

    def inherit(self, now_ms: int, venues: Collection[str]) -> dict[str, tuple[SeriesKey, int, int]]:
        """Return by client id the attempts of earlier lives that are open: market, first and last possible send (ms).

        Of these venues alone, and for a start alone. The last is when the first life after theirs began, which is
        written down: nobody can send them since, however often the daemon starts again.
        """
        found = {client_id: key for client_id, key in self.unresolved() if key.venue in venues}
        query = (
            "SELECT client_id, event, min(ts_ms) FROM order_events"
            " WHERE event IN ('attempt', 'inherited') GROUP BY client_id, event"
        )
        told = {(client_id, event): ts for client_id, event, ts in self._db.execute(query)}
        new = [client_id for client_id in found if (client_id, "inherited") not in told]
        if new:
            with self.transaction():
                for client_id in new:
                    self._event(client_id, now_ms, "inherited", "")
        return {
            client_id: (key, told[(client_id, "attempt")], min(now_ms, told.get((client_id, "inherited"), now_ms)))
            for client_id, key in found.items()
        }  # fmt: skip

    def unresolved_coins(self) -> dict[str, Decimal]:
        """Return by client id the signed coins of every attempt whose outcome is not known."""
        ids = {client_id for client_id, _ in self.unresolved()}
        rows = self._db.execute("SELECT client_id, side, quantity FROM intents")
        return {cid: Side(side).sign * Decimal(quantity) for cid, side, quantity in rows if cid in ids}

    def intents(self) -> list[tuple[str, Purpose, Decimal]]:
        """Return client id, purpose and reference price of every intent ever attempted."""
        rows = self._db.execute("SELECT client_id, purpose, reference_price FROM intents")
        return [(client_id, Purpose(purpose), Decimal(price)) for client_id, purpose, price in rows]

    def sent_since(self, since_ms: int) -> list[tuple[int, Decimal]]:
        """Return instant and notional (USD) of every attempt with ts ≥ since, oldest first.

        Of one that rested and has ended, what it filled: what it left was sent again.
        """
        marks = ",".join("?" * len(SETTLED_EVENTS))
        rows = self._db.execute(
            "SELECT client_id, created_ms, quantity, reference_price, kind = 'rest' AND client_id IN "
            f"(SELECT client_id FROM order_events WHERE event IN ({marks})) FROM intents WHERE created_ms >= ?"
            " ORDER BY created_ms",
            (*SETTLED_EVENTS, since_ms),
        ).fetchall()
        filled: dict[str, Decimal] = {}
        for client_id, quantity in self._db.execute(
            "SELECT client_id, quantity FROM executions WHERE ts_ms >= ? AND client_id IS NOT NULL",
            (since_ms,),
        ):
            filled[client_id] = filled.get(client_id, Decimal(0)) + Decimal(quantity)
        # executions may be told late, or after a crash
        for client_id, _, quantity in self.acknowledged_since(since_ms):
            filled[client_id] = max(filled.get(client_id, Decimal(0)), quantity)
        return [
            (ts, (filled.get(client_id, Decimal(0)) if rested else Decimal(quantity)) * Decimal(price))
            for client_id, ts, quantity, price, rested in rows
        ]

    def record_executions(self, executions: Iterable[Execution]) -> int:
        """Write executions, each once. Returns how many were new."""
        before = self._db.total_changes
        with self.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO executions VALUES (?,?,?,?,?,?,?,?,?)",
                [
                    (e.key.venue, e.execution_id, e.ts_ms, e.key.symbol, e.client_id, e.side, str(e.quantity),
                     str(e.price), str(e.fee_usd))
                    for e in executions
                ],
            )  # fmt: skip
        return self._db.total_changes - before

    def fills(self) -> list[Fill]:
        """Return the executions that belong to the daemon's intents, oldest first; what rested is post-only: made."""
        rows = self._db.execute(
            "SELECT e.ts_ms, e.venue, e.symbol, e.execution_id, e.client_id, e.side, e.quantity, e.price, e.fee_usd,"
            " i.purpose, i.reference_price, i.kind FROM executions e JOIN intents i ON i.client_id = e.client_id"
            " ORDER BY e.ts_ms, e.rowid"
        )
        return [
            Fill(
                Execution(ts, SeriesKey(venue, symbol), execution_id, client_id, Side(side), Decimal(quantity),
                          Decimal(price), Decimal(fee)),
                Purpose(purpose),
                Decimal(reference),
                kind == "rest",
            )
            for (ts, venue, symbol, execution_id, client_id, side, quantity, price, fee, purpose, reference,
                 kind) in rows
        ]  # fmt: skip

    def foreign_executions(self) -> list[Execution]:
        """Return the executions that belong to no intent of the daemon's, oldest first."""
        rows = self._db.execute(
            "SELECT ts_ms, venue, symbol, execution_id, client_id, side, quantity, price, fee_usd FROM executions"
            " WHERE client_id IS NULL OR client_id NOT IN (SELECT client_id FROM intents) ORDER BY ts_ms, rowid"
        )
        return [
            Execution(ts, SeriesKey(venue, symbol), execution_id, client_id, Side(side), Decimal(quantity),
                      Decimal(price), Decimal(fee))
            for ts, venue, symbol, execution_id, client_id, side, quantity, price, fee in rows
        ]  # fmt: skip

    def acknowledged_since(self, since_ms: int) -> list[tuple[str, str, Decimal]]:
        """Return client id, venue and coins of every order that its venue has told to be over, and filled so far, with
        ts ≥ since.
        """
        rows = self._db.execute(
            "SELECT client_id, venue, filled FROM order_events JOIN intents USING (client_id)"
            " WHERE event = 'acknowledged' AND filled IS NOT NULL AND ts_ms >= ?",
            (since_ms,),
        )
        return [(cid, venue, filled) for cid, venue, told in rows if (filled := Decimal(told)) > 0]

    def complete_to(self, venue: str) -> tuple[int | None, int | None]:
        """Return the ms up to which executions and funding payments of a venue are surely here.

        That is its last execution, else its first intent; its last payment, else the journal's first cycle. None where
        the journal is empty.
        """
        (executions_ms,) = self._db.execute(
            "SELECT coalesce((SELECT max(ts_ms) FROM executions WHERE venue = :v),"
            " (SELECT min(created_ms) FROM intents WHERE venue = :v))",
            {"v": venue},
        ).fetchone()
        (funding_ms,) = self._db.execute(
            "SELECT coalesce((SELECT max(ts_ms) FROM funding WHERE venue = :v), (SELECT min(ts_ms) FROM decisions),"
            " (SELECT min(created_ms) FROM intents))",
            {"v": venue},
        ).fetchone()
        return executions_ms, funding_ms

    def record_funding(self, payments: Iterable[FundingPayment]) -> None:
        """Write funding payments, each once."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO funding VALUES (?,?,?,?,?,?,?,?)",
                [
                    (*p.settlement.key, p.settlement.ts_ms, str(p.quantity), str(p.settlement.rate.rate),
                     str(p.settlement.rate.interval_h), str(p.settlement.price), str(p.payment_usd))
                    for p in payments
                ],
            )  # fmt: skip

    def funding(self) -> list[FundingPayment]:
        """Return all funding payments, oldest first."""
        rows = self._db.execute(
            "SELECT venue, symbol, ts_ms, quantity, rate, interval_h, price, payment_usd FROM funding"
            " ORDER BY ts_ms, venue, symbol"
        )
        return [
            FundingPayment(
                Settlement(
                    SeriesKey(venue, symbol),
                    ts,
                    FundingRate(venue, Decimal(rate), Decimal(hours)),
                    Decimal(price),
                ),
                Decimal(quantity),
                Decimal(payment),
            )
            for venue, symbol, ts, quantity, rate, hours, price, payment in rows
        ]

    def set_kill(
        self, ts_ms: int, level: int, reason: str, account: str = "", source: str = "daemon"
    ) -> None:
        """Latch a kill level; it holds across restarts until another is written."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO kill_latch VALUES (?,?,?,?,?)", (ts_ms, level, reason, account, source)
            )

    def latch(self, source: str | None = None) -> Latch:
        """Return the turn of the kill switch that is in force; of one `source` alone, its last one."""
        return last_turn(self._db, source)

    def _event(
        self, client_id: str, ts_ms: int, event: str, detail: str, filled: Decimal | None = None
    ) -> None:
        row = (client_id, ts_ms, event, detail, None if filled is None else str(filled))
        self._db.execute("INSERT INTO order_events VALUES (?,?,?,?,?)", row)
