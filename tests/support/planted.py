"""Bugs planted into the daemon on purpose, to prove that the simulation finds them. Nothing here is product code."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedged.app import App
from hedged.buffer.ring import RingBuffer
from hedged.collectors.poller import Poller
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.market import decimal_of
from hedged.domain.orders import OrderState
from hedged.execution import accounts, diff, executor
from hedged.execution.accounts import Accounts
from hedged.execution.executor import Executor
from hedged.execution.store import JournalStore
from hedged.risk import gate
from hedged.risk.rules import size, state
from hedged.risk.verdict import ALLOW
from hedged.simulate.dice import Dice
from hedged.simulate.world import Mode

Plant = Callable[[pytest.MonkeyPatch], None]


def blind_retry(m: pytest.MonkeyPatch) -> None:
    """An order that was not answered is sent again, under a fresh id."""
    ask, dice = Executor._look_up, Dice(0, "fresh ids")

    async def again(self: Executor, client_id: str) -> bool:
        approved = sent[client_id]
        fresh = replace(approved, client_id=approved.client_id[:6] + f"{dice.below(16**12):026x}")
        await self._journal(JournalStore.record_attempt, fresh, self._clock.now_ms())
        self._accounts.claim(fresh.client_id, fresh.intent.purpose, fresh.intent.reference_price)
        try:
            await self._trading[fresh.intent.key.venue].place(fresh)
        except (OutcomeUnknown, Rejected, Retryable):
            pass
        return await ask(self, client_id)

    sent: dict[str, Any] = {}
    send = Executor._send

    async def remember(self: Executor, approved: Any) -> bool:
        sent[approved.client_id] = approved
        return await send(self, approved)

    m.setattr(Executor, "_send", remember)
    m.setattr(Executor, "_look_up", again)


def journal_after_send(m: pytest.MonkeyPatch) -> None:
    """The order is sent first and written down then."""
    send = Executor._send

    async def late(self: Executor, approved: Any) -> bool:
        waiting: list[tuple[Any, ...]] = []
        journal = self._journal

        async def hold(method: Any, *args: Any) -> Any:
            if method is JournalStore.record_attempt:
                waiting.append((method, *args))
                return None
            if waiting:
                first = waiting.pop()
                await journal(first[0], *first[1:])
            return await journal(method, *args)

        self._journal = hold  # type: ignore[assignment]
        try:
            return await send(self, approved)
        finally:
            self._journal = journal

    m.setattr(Executor, "_send", late)


def ack_is_a_fill(m: pytest.MonkeyPatch) -> None:
    """What a venue acknowledges counts as executed at once, and its executions count again."""
    expect = Accounts.expect

    def both(self: Accounts, client_id: str, venue: str, filled: Decimal) -> None:
        if client_id in keys:
            market, sign = keys[client_id]
            self._attributed[market] = self._attributed.get(market, Decimal(0)) + sign * filled
        expect(self, client_id, venue, filled)

    keys: dict[str, Any] = {}
    send = Executor._send

    async def remember(self: Executor, approved: Any) -> bool:
        keys[approved.client_id] = (approved.intent.key, approved.intent.side.sign)
        return await send(self, approved)

    m.setattr(Executor, "_send", remember)
    m.setattr(Accounts, "expect", both)


def flat_on_failure(m: pytest.MonkeyPatch) -> None:
    """A venue that does not say what is held counts as flat."""
    ask = Accounts._ask

    async def flat(self: Accounts, venue: str) -> Any:
        answer = await ask(self, venue)
        if not isinstance(answer, str):
            last[venue] = answer
            return answer
        return replace(last[venue], positions={}, executions=[]) if venue in last else answer

    last: dict[str, Any] = {}
    m.setattr(Accounts, "_ask", flat)


def unwind_may_open(m: pytest.MonkeyPatch) -> None:
    """What closes is not sent reduce-only."""
    m.setattr(diff, "_reduces_at_venue", lambda *_: False)


def latch_forgotten(m: pytest.MonkeyPatch) -> None:
    """The kill latch holds as long as the process that saw it was turned."""
    kill = JournalStore.kill

    def mine(self: JournalStore) -> tuple[int, str]:
        (rows,) = self.rows("SELECT count(*) FROM kill_latch", ())[0]
        at_start = started.setdefault(id(self), rows)
        return kill(self) if rows > at_start else (0, "")

    started: dict[int, int] = {}
    m.setattr(JournalStore, "kill", mine)


def fill_counted_twice(m: pytest.MonkeyPatch) -> None:
    """An execution that is told again counts again."""
    count = Accounts._count

    def again(self: Accounts, execution: Any) -> bool:
        self._counted.pop((execution.key.venue, execution.execution_id), None)
        return count(self, execution)

    m.setattr(Accounts, "_count", again)


def sign_flipped(m: pytest.MonkeyPatch) -> None:
    """N is what the venue shows and the daemon's part, not less it."""
    m.setattr(accounts, "own_quantity", lambda there, mine: there + mine)


def cut_ratchets(m: pytest.MonkeyPatch) -> None:
    """What is left of the position after a cut is taken for all of it, and cut again."""
    m.setattr(accounts, "own_quantity", lambda there, _mine: there)


def stale_data_used(m: pytest.MonkeyPatch) -> None:
    """Marks are gone by however old they are."""

    def any_age(self: Poller, now_ms: int, stale_after_ms: int) -> Mapping[Any, Decimal]:
        del now_ms, stale_after_ms
        return {key: decimal_of(float(o.values[5])) for key, o in self.latest.items() if o.values[5] > 0}

    m.setattr(Poller, "fresh_marks", any_age)


def unreconciled_orders(m: pytest.MonkeyPatch) -> None:
    """Orders go out whatever the venues said of the account."""
    rules = tuple((lambda *_: ALLOW) if rule is state.reconciled else rule for rule in gate.RULES)
    m.setattr(gate, "RULES", rules)


def rates_ignored(m: pytest.MonkeyPatch) -> None:
    """Nobody counts the orders of an hour."""
    free = (size.order_rate, size.notional_rate)
    m.setattr(gate, "RULES", tuple((lambda *_: ALLOW) if rule in free else rule for rule in gate.RULES))


def cap_ignored(m: pytest.MonkeyPatch) -> None:
    """Hedges may be as large as the position, and a limit in USD is no limit."""
    free = (size.cap, size.position)
    m.setattr(gate, "RULES", tuple((lambda *_: ALLOW) if rule in free else rule for rule in gate.RULES))


def hashes_ignored(m: pytest.MonkeyPatch) -> None:
    """It is traded on the word of another model than is loaded."""
    m.setattr(
        gate, "RULES", tuple((lambda *_: ALLOW) if rule is state.hashes else rule for rule in gate.RULES)
    )


def second_leg_sent(m: pytest.MonkeyPatch) -> None:
    """The second leg is sent whatever became of the first."""
    m.setattr(executor, "ENLARGES", ())


def silence_is_absence(m: pytest.MonkeyPatch) -> None:
    """A look-up that fails is taken for "the venue never had it"."""

    async def absent(self: Executor, client_id: str) -> bool | None:
        key = self.unresolved[client_id]
        found: OrderState | None = None
        try:
            async with asyncio.timeout(executor.DEADLINE_S):
                found = await self._trading[key.venue].lookup(client_id)
        except (Retryable, OutcomeUnknown, TimeoutError):
            pass
        return await self._settle(client_id, found)

    m.setattr(Executor, "_ask_again", absent)


def cycles_overlap(m: pytest.MonkeyPatch) -> None:
    """A timer that fires twice starts two cycles, and nobody holds the desk."""

    async def run(self: App, until_ms: int | None = None) -> None:
        del until_ms
        interval_ms = self.parts.config.cycle.interval_s * 1_000
        running: list[Any] = []
        while await self._wait_until((self.parts.clock.now_ms() // interval_ms + 1) * interval_ms):
            due_ms = self.parts.clock.now_ms() // interval_ms * interval_ms
            for _ in range(2):
                self.cycle.desk.busy = asyncio.Lock()
                running.append(asyncio.get_running_loop().create_task(self.step(due_ms)))

    m.setattr(App, "run", run)


def missed_cycles_made_up(m: pytest.MonkeyPatch) -> None:
    """Every boundary gets its cycle, however late."""

    async def run(self: App, until_ms: int | None = None) -> None:
        del until_ms
        interval_ms = self.parts.config.cycle.interval_s * 1_000
        due_ms = (self.parts.clock.now_ms() // interval_ms + 1) * interval_ms
        while await self._wait_until(due_ms):
            await self.step(due_ms)
            due_ms += interval_ms

    m.setattr(App, "run", run)


def nan_is_fatal(m: pytest.MonkeyPatch) -> None:
    """A value that is not a number ends the process."""
    append = RingBuffer.append

    def strict(self: RingBuffer, ts_ms: int, observations: Any) -> None:
        assert all(o.values[5] == o.values[5] for o in observations), "no mark"
        append(self, ts_ms, observations)

    m.setattr(RingBuffer, "append", strict)


def funding_not_asked_again(m: pytest.MonkeyPatch) -> None:
    """What a venue books late is never asked for again."""
    m.setattr(accounts, "FUNDING_OVERLAP_MS", 0)


def never_looked_up(m: pytest.MonkeyPatch) -> None:
    """An order of unknown outcome stays so."""

    async def no(self: Executor) -> None:
        del self

    m.setattr(Executor, "resolve", no)


def stop_is_ignored(m: pytest.MonkeyPatch) -> None:
    """SIGTERM is noted and nothing more."""
    m.setattr(App, "stop", lambda _self: None)


def looked_up_without_end(m: pytest.MonkeyPatch) -> None:
    """An order that was not answered is looked up all the time."""
    m.setattr(executor, "LOOKUPS", 300)
    m.setattr(executor, "LOOKUP_WAIT_S", 0.01)


def lost_venue_stays_lost(m: pytest.MonkeyPatch) -> None:
    """A venue that failed once is not asked for data again."""
    observe = Poller._observe

    async def once(self: Poller, venue: str, now_ms: int) -> Any:
        return () if venue in self._bad else await observe(self, venue, now_ms)

    m.setattr(Poller, "_observe", once)


PLANTS: dict[str, tuple[Plant, str, int, Mode]] = {
    plant.__name__: (plant, caught_by, seed, mode)
    for plant, caught_by, seed, mode in (
        (blind_retry, "one_at_a_time", 3, Mode.SAFETY),
        (journal_after_send, "journalled_first", 1, Mode.SAFETY),
        (fill_counted_twice, "fills_count_once", 1, Mode.SAFETY),
        (flat_on_failure, "reconciled_first", 1, Mode.SAFETY),
        (unwind_may_open, "closing_is_reduce_only", 1, Mode.SAFETY),
        (latch_forgotten, "latch_holds", 16, Mode.SAFETY),
        (sign_flipped, "own_is_known", 1, Mode.SAFETY),
        (cut_ratchets, "own_is_known", 1, Mode.SAFETY),
        (stale_data_used, "data_sound", 11, Mode.SAFETY),
        (unreconciled_orders, "reconciled_first", 1, Mode.SAFETY),
        (rates_ignored, "rates_capped", 1, Mode.SAFETY),
        (cap_ignored, "within_limits", 6, Mode.SAFETY),
        (hashes_ignored, "hashes_agree", 5, Mode.SAFETY),
        (second_leg_sent, "second_leg_waits", 3, Mode.SAFETY),
        (silence_is_absence, "absent_is_certain", 3, Mode.SAFETY),
        (cycles_overlap, "cycles_apart", 1, Mode.SAFETY),
        (missed_cycles_made_up, "cycles_apart", 1, Mode.SAFETY),
        (nan_is_fatal, "ends_on_purpose", 1, Mode.SAFETY),
        (funding_not_asked_again, "funding_agrees", 1, Mode.LIVENESS),
        (never_looked_up, "converges", 17, Mode.LIVENESS),
        (stop_is_ignored, "stops_in_time", 1, Mode.LIVENESS),
        (ack_is_a_fill, "fills_count_once", 1, Mode.SAFETY),
        (looked_up_without_end, "stays_bounded", 3, Mode.SAFETY),
        (lost_venue_stays_lost, "data_fresh", 6, Mode.LIVENESS),
    )
}
"""By name: the bug, the checker that is meant to catch it, and the first seed, in a mode, in which it does."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Let the daemon have a bug for a while."""
    with pytest.MonkeyPatch.context() as m:
        PLANTS[name][0](m)
        yield
