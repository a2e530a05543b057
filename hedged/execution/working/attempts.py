"""Orders and what became of them: journalled before the send, looked up where that is unknown, never sent twice."""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import cast

import structlog

from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import Clock
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable, WouldTake
from hedged.domain.market import SeriesKey
from hedged.domain.orders import OrderState, OrderStatus
from hedged.domain.ports import Rests, Trading
from hedged.domain.urgency import at_once
from hedged.execution.accounts import Accounts
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.turn import Turn, Yielded
from hedged.execution.working.rates import Rates

LOOKUPS = 5
LOOKUP_WAIT_S = 2.0
DEADLINE_S = 20.0  # an order that is not answered by then has an unknown outcome
PATIENCE_S = 45.0  # a venue that leaves every question unanswered is not asked on and on

log = structlog.get_logger(__name__)


class How(Enum):
    """Where an order stands, as far as known."""

    ENDED = auto()  # filled, cancelled or expired: it fills no more
    RESTS = auto()
    REFUSED = auto()  # it does not exist, and asking again in the same way is pointless
    NOT_NOW = auto()  # it does not exist; it may be asked for again
    CROSSED = auto()  # it does not exist: post-only, it would have been filled at once
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of an order. `filled`: coins so far; `why`: what went wrong."""

    how: How
    filled: Decimal = Decimal(0)
    why: str = ""


class Attempts:
    """Sends and follows single orders. `unresolved`: those that may still fill, by client id, with their markets;
    `filled`: coins that the orders of this decision filled, by client id.
    """

    def __init__(
        self, trading: Mapping[str, Trading], journal: Journal, accounts: Accounts, clock: Clock, rates: Rates,
        turn: Turn | None = None,
    ) -> None:  # fmt: skip
        """`turn`: what is only looked up or waited for yields it: whoever comes next looks up all that is open."""
        self._trading = trading
        self._journal = journal
        self._accounts = accounts
        self._clock = clock
        self._rates = rates
        self._turn = turn or Turn()
        self._rested: set[str] = set()  # of `unresolved`: those that the venue has shown
        self.coins: dict[str, Decimal] = {}  # signed, of those in `unresolved`
        self.unresolved: dict[str, SeriesKey] = {}
        self.filled: dict[str, Decimal] = {}

    async def load(self) -> None:
        """Take over what an earlier life left open."""
        self.unresolved = dict(await self._journal(JournalStore.unresolved))
        self.coins = await self._journal(JournalStore.unresolved_coins)

    def forget(self) -> None:
        """Forget what the orders of an earlier decision filled."""
        self.filled = {cid: coins for cid, coins in self.filled.items() if cid in self.unresolved}

    async def send(
        self, order: ApprovedIntent, parent: str, number: int, lifetime_s: float | None = None
    ) -> Told:
        """Journal, then send: into the book for `lifetime_s`, or without one to take what is there."""
        intent, client_id = order.intent, order.client_id
        kind = "take" if lifetime_s is None else "rest"
        try:
            await self._journal(
                JournalStore.record_attempt,
                order,
                self._clock.now_ms(),
                parent=parent,
                attempt=number,
                kind=kind,
            )
        except Rejected as error:  # a clock set back makes a cycle's ids anew
            log.error("order_not_sent", market=str(intent.key), reason=str(error))
            return Told(How.REFUSED, why=str(error))
        self._accounts.claim(client_id, intent.purpose, intent.reference_price)
        self._rates.sent(client_id, intent, rests=lifetime_s is not None)
        self.unresolved[client_id], self.coins[client_id] = intent.key, intent.signed_quantity
        try:
            state = await self._sent(order, lifetime_s)
        except (Rejected, Retryable) as error:
            return await self._refused(order, error)
        except (OutcomeUnknown, TimeoutError) as error:
            await self._event(client_id, "unknown", str(error))
            log.error("order_outcome_unknown", market=str(intent.key), client_id=client_id, reason=str(error))
            told = await self._look_up(client_id)
        else:
            told = await self._settle(client_id, state)
            log.info(
                "order_done", market=str(intent.key), side=intent.side, quantity=f"{intent.quantity.normalize():f}",
                purpose=intent.purpose, status=state.status, kind=kind, attempt=number, client_id=client_id,
            )  # fmt: skip
        if lifetime_s is None and told.how is How.RESTS:  # not matched yet, or left in the book after all
            return await self.end(client_id, look_first=True)
        return told

    async def _sent(self, order: ApprovedIntent, lifetime_s: float | None) -> OrderState:
        """Send. Raises what the venue raises, TimeoutError where it does not answer."""
        venue = self._trading[order.intent.key.venue]
        async with asyncio.timeout(DEADLINE_S):
            if lifetime_s is not None:
                return await cast(Rests, venue).rest(order, lifetime_s)
            with at_once() if order.intent.reduce_only else nullcontext():
                return await venue.place(order)

    async def ask(self, client_id: str) -> Told:
        """Look up an order once."""
        key = self.unresolved[client_id]
        try:
            async with self._turn.yielding(), asyncio.timeout(DEADLINE_S):
                state = await self._trading[key.venue].lookup(client_id)
        except Yielded:
            return Told(
                How.UNKNOWN, self.filled.get(client_id, Decimal(0)), "left for later: a kill is first"
            )
        except (Retryable, OutcomeUnknown, TimeoutError) as error:
            log.warning("lookup_failed", client_id=client_id, market=str(key), error=str(error))
            return Told(How.UNKNOWN, self.filled.get(client_id, Decimal(0)), str(error))
        return await self._settle(client_id, state)

    async def end(self, client_id: str, tries: int = LOOKUPS, *, look_first: bool = False) -> Told:
        """Cancel an order, then look it up until the venue says what it filled; UNKNOWN where it does not in time."""
        key = self.unresolved[client_id]
        told, loop = Told(How.UNKNOWN), asyncio.get_running_loop()
        until_s = loop.time() + PATIENCE_S
        for number in range(tries):
            if loop.time() > until_s:
                break
            if number or look_first:
                await self.pause(LOOKUP_WAIT_S)
            if not look_first or number:
                await self._cancel(client_id, key)
            told = await self.ask(client_id)
            if told.how not in (How.RESTS, How.UNKNOWN):
                return told
            if self._turn.wanted:
                break
        log.error(
            "order_not_ended", client_id=client_id, market=str(key), reason=told.why or "it still rests"
        )
        return Told(How.UNKNOWN, told.filled, told.why)

    async def resolve(self) -> None:
        """Look up every order that may still fill, and cancel what rests: nobody works it any more."""
        for client_id in list(self.unresolved):
            if self._turn.wanted:
                return
            if (await self.ask(client_id)).how is How.RESTS:
                log.warning(
                    "left_behind_order_cancelled", client_id=client_id, market=str(self.unresolved[client_id])
                )
                await self.end(client_id, tries=1)

    async def pause(self, seconds: float) -> None:
        """Wait, unless somebody wants the turn who must not."""
        with suppress(Yielded):
            async with self._turn.yielding():
                await asyncio.sleep(seconds)

    async def _cancel(self, client_id: str, key: SeriesKey) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                with at_once():
                    await self._trading[key.venue].cancel(client_id)
        except (Rejected, Retryable, OutcomeUnknown, TimeoutError) as error:
            log.warning("cancel_failed", client_id=client_id, market=str(key), error=str(error))

    async def _refused(self, order: ApprovedIntent, error: Exception) -> Told:
        await self._note(order.client_id, "rejected", str(error), Decimal(0))
        if isinstance(error, WouldTake):
            return Told(How.CROSSED, why=str(error))
        intent = order.intent
        log.warning("order_rejected", market=str(intent.key), purpose=intent.purpose, reason=str(error))
        return Told(How.REFUSED if isinstance(error, Rejected) else How.NOT_NOW, why=str(error))

    async def _look_up(self, client_id: str) -> Told:
        told, loop = Told(How.UNKNOWN), asyncio.get_running_loop()
        until_s = loop.time() + PATIENCE_S
        for _ in range(LOOKUPS):
            if loop.time() > until_s or self._turn.wanted:
                break
            await self.pause(LOOKUP_WAIT_S)
            told = await self.ask(client_id)
            if told.how is not How.UNKNOWN:
                break
        return told

    async def _settle(self, client_id: str, state: OrderState | None) -> Told:
        """Journal what the venue says of an order. One that may still fill stays unresolved."""
        if state is None:
            if client_id in self._rested:
                return Told(
                    How.UNKNOWN,
                    self.filled.get(client_id, Decimal(0)),
                    "it rested, and the venue does not know it",
                )
            await self._note(client_id, "absent", "the venue never had it", Decimal(0))
            return Told(How.NOT_NOW, why="the venue never had it")
        self._accounts.expect(client_id, state.key.venue, state.filled)
        self.filled[client_id] = state.filled
        if state.status is OrderStatus.OPEN:
            self._rested.add(client_id)
            return Told(How.RESTS, state.filled)
        await self._note(client_id, "acknowledged", state.status, state.filled)
        return Told(How.ENDED, state.filled, state.detail)

    async def _note(self, client_id: str, event: str, detail: str, filled: Decimal) -> None:
        """Write down that an order fills no more."""
        await self._event(client_id, event, detail, filled if event == "acknowledged" else None)
        self._rates.ended(client_id, filled)
        self._rested.discard(client_id)
        self.unresolved.pop(client_id, None)
        self.coins.pop(client_id, None)

    async def _event(self, client_id: str, event: str, detail: str, filled: Decimal | None = None) -> None:
        await self._journal(JournalStore.record_event, client_id, self._clock.now_ms(), event, detail, filled)
