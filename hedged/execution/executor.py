"""The executor: sends approved intents one after another; looks up what it does not know; never sends twice."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal

import structlog

from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import HOUR_MS, Clock
from hedged.domain.errors import Fatal, OutcomeUnknown, Rejected, Retryable
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Intent, OrderState, OrderStatus, Purpose
from hedged.domain.ports import Trading
from hedged.execution.accounts import Accounts
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore
from hedged.risk.facts import OpenOrder
from hedged.risk.kill import KillLevel, killed

LOOKUPS = 5
LOOKUP_WAIT_S = 2.0
DEADLINE_S = 20.0  # an order that is not answered by then has an unknown outcome
ENLARGES = (
    Purpose.RELOCATE, Purpose.HEDGE_OPEN, Purpose.OWN_CUT, Purpose.CASCADE_OPEN, Purpose.DIVERGENCE_OPEN,
)  # fmt: skip
"""What is not continued after an earlier order of its market failed: the gate judged it as if that one had filled."""

log = structlog.get_logger(__name__)


class Executor:
    """Owns sending. `unresolved`: attempts of unknown outcome by client id, and their markets: see `_blocked`.

    `failed`: by symbol what went wrong with the orders of the latest `execute`.
    """

    def __init__(
        self, trading: Mapping[str, Trading], journal: Journal, accounts: Accounts, clock: Clock
    ) -> None:
        self._trading = trading
        self._journal = journal
        self._accounts = accounts
        self._clock = clock
        self._recent: deque[tuple[int, Decimal]] = deque(maxlen=10_000)
        self._coins: dict[str, Decimal] = {}  # signed, of the attempts in `unresolved`
        self.unresolved: dict[str, SeriesKey] = {}
        self.failed: dict[str, str] = {}

    async def load(self) -> None:
        """Find attempts that a previous life left open and look them up before anything else is done.

        What it sent within the last hour still counts against the limits on rate.
        """
        since_ms = self._clock.now_ms() - HOUR_MS
        self._recent.extend(await self._journal(JournalStore.sent_since, since_ms))
        self.unresolved = dict(await self._journal(JournalStore.unresolved))
        self._coins = await self._journal(JournalStore.unresolved_coins)
        strange = {key.venue for key in self.unresolved.values()} - set(self._trading)
        if strange:
            raise Fatal(
                f"orders of unknown outcome at {', '.join(sorted(strange))}: name it in hedge.venues again"
            )
        await self.resolve()

    def sent_last_hour(self) -> tuple[int, Decimal]:
        """Return number and notional (USD) of the orders sent within the last hour."""
        since_ms = self._clock.now_ms() - HOUR_MS
        while self._recent and self._recent[0][0] < since_ms:
            self._recent.popleft()
        return len(self._recent), sum((usd for _, usd in self._recent), Decimal(0))

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Return what may still fill: attempts of unknown outcome and resting orders, as if wholly open."""
        return tuple(OpenOrder(key, self._coins[client_id]) for client_id, key in self.unresolved.items())

    async def execute(self, approved: Sequence[ApprovedIntent]) -> int:
        """Send the intents in order; a relocation whose first leg fails is not continued. Return how many were sent."""
        broken: set[str] = (
            set()
        )  # symbols, and venues: their limits were judged as if the earlier order had filled
        failed_legs: list[Intent] = []
        self.failed = {}
        sent = 0
        for one in approved:
            intent = one.intent
            level, _ = await self._journal(JournalStore.kill)
            if killed(intent, KillLevel(level)):  # latched since the gate looked
                log.warning("order_skipped_killed", market=str(intent.key), purpose=intent.purpose)
                break
            if self._blocked(intent):
                log.warning("order_skipped_outcome_unknown", market=str(intent.key))
                self.failed[intent.key.symbol] = "not sent while the outcome of an earlier order is unknown"
                broken.update(_spoils(intent))
                failed_legs.append(intent)
                continue
            if _goes_with(intent, failed_legs) or (
                intent.purpose in ENLARGES and not broken.isdisjoint(intent.key)
            ):
                log.warning("order_skipped_after_failure", market=str(intent.key), purpose=intent.purpose)
                broken.add(intent.key.symbol)  # what is not sent does not fill either
                continue
            sent += 1
            if not await self._send(one):
                broken.update(_spoils(intent))
                failed_legs.append(intent)
        return sent

    def _blocked(self, intent: Intent) -> bool:
        """Whether an attempt of unknown outcome stands in the way: in the same market; where the intent enlarges a
        hedge also in its symbol or at its venue, whose cap and margin that attempt may already use up.
        """
        return any(
            key == intent.key
            or (
                intent.purpose in ENLARGES
                and (key.symbol == intent.key.symbol or key.venue == intent.key.venue)
            )
            for key in self.unresolved.values()
        )

    async def resolve(self) -> None:
        """Look up every attempt of unknown outcome once more."""
        for client_id in list(self.unresolved):
            await self._ask_again(client_id)

    async def _send(self, approved: ApprovedIntent) -> bool:
        """Journal, then send. Returns whether the order rests or has filled at the venue."""
        intent, client_id = approved.intent, approved.client_id
        now_ms = self._clock.now_ms()
        await self._journal(JournalStore.record_attempt, approved, now_ms)
        self._accounts.claim(client_id, intent.purpose, intent.reference_price)
        self._recent.append((now_ms, intent.notional_usd))
        self.unresolved[client_id], self._coins[client_id] = intent.key, intent.signed_quantity
        try:
            async with asyncio.timeout(DEADLINE_S):
                state = await self._trading[intent.key.venue].place(approved)
        except (Rejected, Retryable) as error:
            await self._note(client_id, "rejected", str(error))
            self.failed[intent.key.symbol] = f"the order was rejected: {error}"
            log.warning("order_rejected", market=str(intent.key), purpose=intent.purpose, reason=str(error))
            return False
        except (OutcomeUnknown, TimeoutError) as error:
            await self._journal(
                JournalStore.record_event, client_id, self._clock.now_ms(), "unknown", str(error)
            )
            self.failed[intent.key.symbol] = "the outcome of the order is not known yet"
            log.error("order_outcome_unknown", market=str(intent.key), client_id=client_id, reason=str(error))
            alive = await self._look_up(client_id)
            if alive:
                del self.failed[intent.key.symbol]
            return alive
        alive = await self._settle(client_id, state)
        log.info(
            "order_done", market=str(intent.key), side=intent.side, quantity=f"{intent.quantity.normalize():f}",
            purpose=intent.purpose, status=state.status, client_id=client_id,
        )  # fmt: skip
        return alive

    async def _look_up(self, client_id: str) -> bool:
        for _ in range(LOOKUPS):
            await asyncio.sleep(LOOKUP_WAIT_S)
            if (alive := await self._ask_again(client_id)) is not None:
                return alive
        return False

    async def _ask_again(self, client_id: str) -> bool | None:
        """Return whether the order of an unknown attempt rests or has filled; None while that stays unknown."""
        key = self.unresolved[client_id]
        try:
            async with asyncio.timeout(DEADLINE_S):
                state = await self._trading[key.venue].lookup(client_id)
        except (Retryable, OutcomeUnknown, TimeoutError) as error:
            log.warning("lookup_failed", client_id=client_id, market=str(key), error=str(error))
            return None
        return await self._settle(client_id, state)

    async def _settle(self, client_id: str, state: OrderState | None) -> bool:
        """Journal what the venue says of an order; return whether it rests or has filled.

        A resting order stays unresolved: it is looked up in every cycle, and nothing new is sent to its market.
        """
        if state is None:
            await self._note(client_id, "absent", "the venue never had it")
            return False
        self._accounts.expect(client_id, state.key.venue, state.filled)
        if state.status is OrderStatus.OPEN:
            return True
        await self._note(client_id, "acknowledged", f"{state.status} filled {state.filled}")
        return state.status in (OrderStatus.OPEN, OrderStatus.FILLED) or state.filled > 0

    async def _note(self, client_id: str, event: str, detail: str) -> None:
        await self._journal(JournalStore.record_event, client_id, self._clock.now_ms(), event, detail)
        self.unresolved.pop(client_id, None)
        self._coins.pop(client_id, None)


def _spoils(intent: Intent) -> set[str]:
    """Return symbol, and venue where room was counted on, of which nothing more is enlarged once an order failed."""
    return {intent.key.symbol, intent.key.venue} if intent.reduce_only else {intent.key.symbol}


def _goes_with(intent: Intent, failed: Sequence[Intent]) -> bool:
    """Tell whether an order gives back a cut whose far side could not be closed: alone it would double the position."""
    return (
        intent.key.venue == INJECTIVE
        and not intent.reduce_only
        and any(one.key.symbol == intent.key.symbol and one.side is not intent.side for one in failed)
    )
