"""The executor: sends approved intents one after another; looks up what it does not know; never sends twice."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal

import structlog

from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import HOUR_MS, Clock
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.market import SeriesKey
from hedged.domain.orders import OrderState, Purpose
from hedged.domain.ports import Trading
from hedged.execution.accounts import Accounts
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore

LOOKUPS = 5
LOOKUP_WAIT_S = 2.0

log = structlog.get_logger(__name__)


class Executor:
    """Owns sending. `unresolved` are markets with an attempt of unknown outcome: nothing new is sent there."""

    def __init__(self, trading: Mapping[str, Trading], journal: Journal, accounts: Accounts, clock: Clock) -> None:
        self._trading = trading
        self._journal = journal
        self._accounts = accounts
        self._clock = clock
        self._recent: deque[tuple[int, Decimal]] = deque(maxlen=10_000)
        self.unresolved: dict[str, SeriesKey] = {}

    async def load(self) -> None:
        """Find attempts that a previous life left open and look them up before anything else is done."""
        self.unresolved = dict(await self._journal(JournalStore.unresolved))
        await self.resolve()

    def sent_last_hour(self) -> tuple[int, Decimal]:
        """Return number and notional (USD) of the orders sent within the last hour."""
        since_ms = self._clock.now_ms() - HOUR_MS
        while self._recent and self._recent[0][0] < since_ms:
            self._recent.popleft()
        return len(self._recent), sum((usd for _, usd in self._recent), Decimal(0))

    async def execute(self, approved: Sequence[ApprovedIntent]) -> int:
        """Send the intents in order. A relocation whose first leg fails is not continued. Returns how many were sent."""
        broken: set[str] = set()
        sent = 0
        for one in approved:
            intent = one.intent
            if intent.key in self.unresolved.values():
                log.warning("order_skipped_outcome_unknown", market=str(intent.key))
                continue
            if intent.purpose is Purpose.RELOCATE and intent.key.symbol in broken:
                log.warning("relocation_leg_skipped", market=str(intent.key))
                continue
            sent += 1
            if not await self._send(one):
                broken.add(intent.key.symbol)
        return sent

    async def resolve(self) -> None:
        """Look up every attempt of unknown outcome once more."""
        for client_id, key in list(self.unresolved.items()):
            try:
                state = await self._trading[key.venue].lookup(client_id)
            except (Retryable, OutcomeUnknown) as error:
                log.warning("lookup_failed", client_id=client_id, market=str(key), error=str(error))
                continue
            await self._settle(client_id, state)

    async def _send(self, approved: ApprovedIntent) -> bool:
        """Journal, then send. Returns whether the order exists at the venue."""
        intent, client_id = approved.intent, approved.client_id
        now_ms = self._clock.now_ms()
        await self._journal(JournalStore.record_attempt, approved, now_ms)
        self._accounts.claim(client_id, intent.purpose, intent.reference_price)
        self._recent.append((now_ms, intent.notional_usd))
        self.unresolved[client_id] = intent.key
        try:
            state = await self._trading[intent.key.venue].place(approved)
        except (Rejected, Retryable) as error:
            await self._note(client_id, "rejected", str(error))
            log.warning("order_rejected", market=str(intent.key), purpose=intent.purpose, reason=str(error))
            return False
        except OutcomeUnknown as error:
            await self._journal(
                JournalStore.record_event, client_id, self._clock.now_ms(), "unknown", str(error)
            )
            log.error("order_outcome_unknown", market=str(intent.key), client_id=client_id, reason=str(error))
            return await self._look_up(client_id)
        await self._settle(client_id, state)
        log.info(
            "order_done", market=str(intent.key), side=intent.side, quantity=str(intent.quantity),
            purpose=intent.purpose, status=state.status, client_id=client_id,
        )  # fmt: skip
        return True

    async def _look_up(self, client_id: str) -> bool:
        for _ in range(LOOKUPS):
            await asyncio.sleep(LOOKUP_WAIT_S)
            await self.resolve()
            if client_id not in self.unresolved:
                return True
        return False

    async def _settle(self, client_id: str, state: OrderState | None) -> None:
        if state is None:
            await self._note(client_id, "absent", "the venue never had it")
        else:
            await self._note(client_id, "acknowledged", f"{state.status} filled {state.filled}")

    async def _note(self, client_id: str, event: str, detail: str) -> None:
        await self._journal(JournalStore.record_event, client_id, self._clock.now_ms(), event, detail)
        self.unresolved.pop(client_id, None)
