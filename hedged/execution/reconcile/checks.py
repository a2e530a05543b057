"""What is checked once the venues have answered: orders that nobody owns, funding that was not paid as it says."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from hedged.config.reconcile import ReconcileConfig
from hedged.domain.clock import DAY_MS, HOUR_MS, SECOND_MS
from hedged.domain.errors import Retryable
from hedged.domain.funding import FundingPayment
from hedged.domain.market import SeriesKey
from hedged.domain.ports import MarketData
from hedged.execution.reconcile.ledger import Ledger, Range, missing
from hedged.execution.reconcile.orphans import Orphans
from hedged.execution.reconcile.records import LEDGER, Records
from hedged.execution.reconcile.state import AccountState

DEADLINE_S = 20.0
LOOKS_BACK_H = 2
"""At a start, settlements are looked at that were due so long before those that must have been paid by now."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Reader:
    """Who tells the settlements, and of what equity (USD) unexplained funding is measured. Without it nothing is
    awaited: only what is paid is compared.
    """

    sources: Mapping[str, MarketData] = field(default_factory=dict)
    equity_usd: Decimal | None = None


class Checks:
    """Sweeps orphans and keeps the ledger."""

    def __init__(
        self, rules: ReconcileConfig, speed: float, records: Records, orphans: Orphans, reader: Reader
    ) -> None:
        self._rules, self._records, self._reader = rules, records, reader
        self.grace_ms = round(rules.payment_grace_s * SECOND_MS * speed)
        self._asked_hour: dict[str, int] = {}
        self._unjudged: list[FundingPayment] = []
        self.orphans, self.ledger = orphans, Ledger(rules)

    async def load(self) -> None:
        """Go on where an earlier life has ended."""
        await self.orphans.load()
        self.ledger = Ledger.load(self._rules, await self._records.load(LEDGER))

    async def settle(
        self, now_ms: int, account: AccountState, held: Callable[[SeriesKey, int], Range | None],
        booked: Collection[tuple[SeriesKey, int]],
    ) -> str:  # fmt: skip
        """Compare what was paid with what was due; return why everything must halt, empty where nothing must.

        `held`: the signed coins on which a settlement at an instant may have been paid; `booked`: what was paid.
        """
        self._judge_payments(now_ms, account, held)
        for venue in self._reader.sources:
            if venue not in account.unknown:
                await self._await(now_ms, venue, account, held, booked)
        self.ledger.forget(now_ms - 7 * DAY_MS)
        alarm = ""
        if self._reader.equity_usd is not None:
            alarm = self.ledger.alarm(now_ms, self._reader.equity_usd * self._rules.ledger_halt_bp / 10_000)
        await self._records.keep(LEDGER, self.ledger.to_json())
        return alarm

    def _judge_payments(
        self, now_ms: int, account: AccountState, held: Callable[[SeriesKey, int], Range | None]
    ) -> None:
        """Judge what was paid; where executions are still on their way what was held is not known yet: it waits."""
        waiting, self._unjudged = [*self._unjudged, *account.payments], []
        for payment in waiting:
            key, ts_ms = payment.settlement.key, payment.settlement.ts_ms
            through = None if key.venue in account.unknown else held(key, ts_ms)
            if through is None and ts_ms > now_ms - self.grace_ms:
                self._unjudged.append(payment)
            else:
                self.ledger.paid(payment, through)

    async def _await(
        self, now_ms: int, venue: str, account: AccountState, held: Callable[[SeriesKey, int], Range | None],
        booked: Collection[tuple[SeriesKey, int]],
    ) -> None:  # fmt: skip
        """Ask for a venue's settlements once an hour, when those of the hour before must have been paid."""
        until_ms = now_ms - self.grace_ms
        hour = until_ms // HOUR_MS
        before = self._asked_hour.setdefault(venue, hour - LOOKS_BACK_H)
        if hour == before:
            return
        if not any(key.venue == venue for key in (*account.positions, *account.attributed)):
            self._asked_hour[venue] = hour
            return
        after_ms = before * HOUR_MS
        try:
            async with asyncio.timeout(DEADLINE_S):
                prints = await self._reader.sources[venue].settlements(after_ms, until_ms)
        except (Retryable, TimeoutError) as error:
            log.warning("settlements_not_told", venue=venue, error=str(error) or type(error).__name__)
            return  # unknown is no mismatch
        self._asked_hour[venue] = hour
        for due in missing(prints, booked, after_ms, hour * HOUR_MS):
            through = held(due.key, due.ts_ms)
            if through is not None:
                self.ledger.unpaid(due, through)

    def funding_from_ms(self, venue: str, now_ms: int) -> int | None:
        """Return from when on payments of a venue are asked for again, as one is awaited; None where none is."""
        since_ms = self.ledger.awaited_from_ms(venue, now_ms - DAY_MS)
        return None if since_ms is None else since_ms - 1
