"""Bugs planted into the daemon on purpose, to prove that the simulation finds them. Nothing here is product code."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hedged import thinking
from hedged.app import App
from hedged.buffer.ring import RingBuffer
from hedged.collectors.poller import Poller
from hedged.control import hand
from hedged.control.switch import Switch
from hedged.cycle import Cycle
from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.market import INJECTIVE, decimal_of
from hedged.domain.orders import Execution, OrderState
from hedged.execution import accounts
from hedged.execution.accounts import Accounts
from hedged.execution.desk import Desk
from hedged.execution.journal.latch import Latch
from hedged.execution.journal.store import JournalStore
from hedged.execution.reconcile.attribution import Attribution
from hedged.execution.reconcile.checks import Checks
from hedged.execution.reconcile.intake import Intake
from hedged.execution.reconcile.ledger import Ledger
from hedged.execution.working import attempts, decision, diff, executor, pairs
from hedged.execution.working import work as working
from hedged.execution.working.attempts import Attempts, How, Told
from hedged.execution.working.executor import Executor
from hedged.execution.working.rates import Rates
from hedged.risk import gate
from hedged.risk.kill import KillLevel, killed
from hedged.risk.rules import size, state
from hedged.risk.verdict import ALLOW
from hedged.simulate.dice import Dice
from hedged.simulate.world import Mode

Plant = Callable[[pytest.MonkeyPatch], None]


def _remembering(m: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the orders that were sent, by client id, from now on."""
    sent: dict[str, Any] = {}
    send = Attempts.send

    async def remember(self: Attempts, order: Any, *args: Any) -> Any:
        sent[order.client_id] = order
        return await send(self, order, *args)

    m.setattr(Attempts, "send", remember)
    return sent


def blind_retry(m: pytest.MonkeyPatch) -> None:
    """An order that was not answered is sent again, under a fresh id."""
    ask, dice, sent = Attempts._look_up, Dice(0, "fresh ids"), _remembering(m)

    async def again(self: Attempts, client_id: str) -> Told:
        order = sent[client_id]
        fresh = replace(order, client_id=order.client_id[:6] + f"{dice.below(16**12):026x}")
        await self._journal(JournalStore.record_attempt, fresh, self._clock.now_ms())
        self._accounts.claim(fresh.client_id, fresh.intent.purpose, fresh.intent.reference_price)
        try:
            await self._trading[fresh.intent.key.venue].place(fresh)
        except (OutcomeUnknown, Rejected, Retryable):
            pass
        return await ask(self, client_id)

    m.setattr(Attempts, "_look_up", again)


def journal_after_send(m: pytest.MonkeyPatch) -> None:
    """The order is sent first and written down then."""
    send = Attempts.send

    async def late(self: Attempts, *told: Any) -> Told:
        waiting: list[tuple[Any, Any, Any]] = []
        journal = self._journal

        async def hold(method: Any, *args: Any, **kwargs: Any) -> Any:
            if method is JournalStore.record_attempt:
                waiting.append((method, args, kwargs))
                return None
            if waiting:
                first, its, more = waiting.pop()
                await journal(first, *its, **more)
            return await journal(method, *args, **kwargs)

        self._journal = hold  # type: ignore[assignment]
        try:
            return await send(self, *told)
        finally:
            self._journal = journal

    m.setattr(Attempts, "send", late)


def ack_is_a_fill(m: pytest.MonkeyPatch) -> None:
    """What a venue acknowledges counts as executed at once, and its executions count again."""
    expect, sent = Accounts.expect, _remembering(m)

    def both(self: Accounts, client_id: str, venue: str, filled: Decimal) -> None:
        if client_id in sent and filled:
            one = sent[client_id].intent
            self._intake.attribution.add(
                Execution(
                    one.cycle_ts_ms, one.key, f"ack-{client_id}", client_id, one.side, filled, one.reference_price,
                    Decimal(0),
                )
            )  # fmt: skip
        expect(self, client_id, venue, filled)

    m.setattr(Accounts, "expect", both)


def second_attempt_while_unknown(m: pytest.MonkeyPatch) -> None:
    """What is left of an order of unknown outcome is sent again, as another attempt of the same intent."""
    work = working.work

    async def on(one: working.Work, venue: object, tools: working.Tools) -> None:
        await work(one, venue, tools)
        if not one.known and one.left:
            await working._send(one, tools, one.left, one.intent.worst_price, None)

    m.setattr(executor, "work", on)


def cancelled_is_not_filled(m: pytest.MonkeyPatch) -> None:
    """An order that was cancelled is taken to have filled nothing."""

    async def end(self: Attempts, client_id: str, tries: int = 5, *, look_first: bool = False) -> Told:
        del tries, look_first
        await self._cancel(client_id, self.unresolved[client_id])
        self.filled[client_id] = Decimal(0)
        await self._note(client_id, "acknowledged", "cancelled", Decimal(0))
        return Told(How.ENDED)

    m.setattr(Attempts, "end", end)


def naked_leg_forgotten(m: pytest.MonkeyPatch) -> None:
    """A leg that stands alone stays so."""

    async def no(self: Desk, now_ms: int, traded: Any, marks: Any, hashes: Any) -> Any:
        del self, now_ms, marks, hashes
        return traded

    m.setattr(Desk, "_mend", no)


def worked_orders_swept(m: pytest.MonkeyPatch) -> None:
    """An order that is still worked, or looked up, is swept as one that was left behind."""

    async def left(self: Intake, orders: Any, owned: Any) -> Any:
        del owned
        return [state for state in orders if state.client_id in self.attribution.claims]

    m.setattr(Intake, "left", left)


def orders_by_hand_swept(m: pytest.MonkeyPatch) -> None:
    """Whatever rests and is not the daemon's is swept."""

    async def left(self: Intake, orders: Any, owned: Any) -> Any:
        del self
        return [state for state in orders if state.client_id not in owned]

    m.setattr(Intake, "left", left)


def flatten_trades_n(m: pytest.MonkeyPatch) -> None:
    """Flatten trades on Injective too, where the position is the trader's own."""
    m.setattr(hand, "hedge_legs", lambda attributed: {key: q for key, q in attributed.items() if q})
    for where in (executor, state):
        m.setattr(where, "killed", lambda intent, level: level in (KillLevel.PAUSE, KillLevel.CANCEL))


def cut_given_back_under_flatten(m: pytest.MonkeyPatch) -> None:
    """A cut is given back although the latch says flatten."""

    def lenient(intent: Any, level: KillLevel) -> bool:
        back = intent.key.venue == INJECTIVE and not intent.reduce_only
        return killed(intent, level) and not (back and level is KillLevel.FLATTEN)

    for where in (executor, state):
        m.setattr(where, "killed", lenient)


def flatten_forgotten(m: pytest.MonkeyPatch) -> None:
    """Flatten latches, and closes nothing."""

    async def nothing(self: hand.Hand) -> list[str]:
        del self
        return []

    m.setattr(hand.Hand, "_flatten", nothing)


def ledger_ignored(m: pytest.MonkeyPatch) -> None:
    """Funding that was paid otherwise than it should be is written down, and nothing more."""
    m.setattr(Ledger, "alarm", lambda *_: "")
    m.setattr(Ledger, "frozen", lambda _: {})


def owed_latch_forgotten(m: pytest.MonkeyPatch) -> None:
    """What is latched while the journal cannot be written is latched no more."""
    turn = Switch.turn

    async def forget(self: Switch, level: KillLevel, reason: str, source: str) -> Latch:
        before = self.latch
        latch = await turn(self, level, reason, source)
        if self.owed is not None:
            self.owed, self.latch = None, before
            self._obey()
        return latch

    m.setattr(Switch, "turn", forget)


def clock_believed(m: pytest.MonkeyPatch) -> None:
    """Executions are asked for by this machine's clock, however far it is ahead."""

    def go_by(self: Accounts, venue: str, now_ms: int, answer: Any) -> None:
        del answer
        self._executions_from_ms[venue] = max(self._executions_from_ms[venue], now_ms - 600_000)

    m.setattr(Accounts, "_go_by", go_by)


def model_ends_the_daemon(m: pytest.MonkeyPatch) -> None:
    """What a forecaster raises ends the process."""

    def think(forecaster: Any, grid: Any, now_ms: int, horizon_h: int) -> Any:
        return forecaster.forecast(grid, now_ms, horizon_h), ""

    m.setattr(thinking, "think", think)


def flat_on_failure(m: pytest.MonkeyPatch) -> None:
    """A venue that does not say what is held counts as flat."""
    ask = Accounts._ask

    async def flat(self: Accounts, venue: str, *how: Any, **more: Any) -> Any:
        answer = await ask(self, venue, *how, **more)
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
    latch = JournalStore.latch

    def mine(self: JournalStore, source: str | None = None) -> Latch:
        ((rows,),) = self.rows("SELECT count(*) FROM kill_latch", ())
        return latch(self, source) if rows > started.setdefault(id(self), rows) else Latch()

    started: dict[int, int] = {}
    m.setattr(JournalStore, "latch", mine)


def fill_counted_twice(m: pytest.MonkeyPatch) -> None:
    """An execution that is told again counts again."""
    m.setattr(Attribution, "knows", lambda *_: False)


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
    m.setattr(Rates, "refuses", lambda *_: "")


def cap_ignored(m: pytest.MonkeyPatch) -> None:
    """Hedges may be as large as the position, and a limit in USD is no limit."""
    free = (size.cap, size.position)
    m.setattr(gate, "RULES", tuple((lambda *_: ALLOW) if rule in free else rule for rule in gate.RULES))


def hashes_ignored(m: pytest.MonkeyPatch) -> None:
    """It is traded on the word of another model than is loaded."""
    m.setattr(
        gate, "RULES", tuple((lambda *_: ALLOW) if rule is state.hashes else rule for rule in gate.RULES)
    )


def hashes_claimed(m: pytest.MonkeyPatch) -> None:
    """A decision carries the hashes of what is loaded, whoever made its forecasts."""
    snapshot = Cycle._snapshot

    def claimed(self: Cycle, *told: Any) -> Any:
        return replace(snapshot(self, *told), hashes=self.desk.hashes)

    m.setattr(Cycle, "_snapshot", claimed)


def second_leg_sent(m: pytest.MonkeyPatch) -> None:
    """The second leg is sent whatever became of the first."""
    for where in (decision, executor, pairs):
        m.setattr(where, "DEPENDS", ())


def silence_is_absence(m: pytest.MonkeyPatch) -> None:
    """A look-up that fails is taken for "the venue never had it"."""

    async def absent(self: Attempts, client_id: str) -> Told:
        key = self.unresolved[client_id]
        found: OrderState | None = None
        try:
            async with asyncio.timeout(attempts.DEADLINE_S):
                found = await self._trading[key.venue].lookup(client_id)
        except (Retryable, OutcomeUnknown, TimeoutError):
            pass
        return await self._settle(client_id, found)

    m.setattr(Attempts, "ask", absent)


def cycles_overlap(m: pytest.MonkeyPatch) -> None:
    """A timer that fires twice starts two cycles, and nobody holds the desk."""

    async def run(self: App, until_ms: int | None = None) -> None:
        del until_ms
        interval_ms = self.parts.config.cycle.interval_s * 1_000
        running: list[Any] = []
        while await self._schedule.wait_until((self.parts.clock.now_ms() // interval_ms + 1) * interval_ms):
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
        while await self._schedule.wait_until(due_ms):
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
    m.setattr(Checks, "funding_from_ms", lambda *_: None)


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
    m.setattr(attempts, "LOOKUPS", 300)
    m.setattr(attempts, "LOOKUP_WAIT_S", 0.01)


def lost_venue_stays_lost(m: pytest.MonkeyPatch) -> None:
    """A venue that failed once is not asked for data again."""
    observe = Poller._observe

    async def once(self: Poller, venue: str, now_ms: int) -> Any:
        return () if venue in self._bad else await observe(self, venue, now_ms)

    m.setattr(Poller, "_observe", once)


PLANTS: dict[str, tuple[Plant, str, int, Mode]] = {
    plant.__name__: (plant, caught_by, seed, mode)
    for plant, caught_by, seed, mode in (
        (blind_retry, "one_at_a_time", 1, Mode.SAFETY),
        (journal_after_send, "journalled_first", 1, Mode.SAFETY),
        (fill_counted_twice, "fills_count_once", 1, Mode.SAFETY),
        (flat_on_failure, "reconciled_first", 1, Mode.SAFETY),
        (unwind_may_open, "closing_is_reduce_only", 2, Mode.SAFETY),
        (latch_forgotten, "latch_holds", 13, Mode.SAFETY),
        (sign_flipped, "own_is_known", 4, Mode.SAFETY),
        (cut_ratchets, "own_is_known", 4, Mode.SAFETY),
        (stale_data_used, "data_sound", 33, Mode.SAFETY),
        (unreconciled_orders, "reconciled_first", 1, Mode.SAFETY),
        (rates_ignored, "rates_capped", 4, Mode.SAFETY),
        (cap_ignored, "within_limits", 11, Mode.SAFETY),
        (hashes_ignored, "hashes_agree", 7, Mode.SAFETY),
        (hashes_claimed, "hashes_agree", 7, Mode.SAFETY),
        (second_leg_sent, "second_leg_waits", 9, Mode.SAFETY),
        (silence_is_absence, "absent_is_certain", 1, Mode.SAFETY),
        (cycles_overlap, "cycles_apart", 1, Mode.SAFETY),
        (missed_cycles_made_up, "cycles_apart", 4, Mode.SAFETY),
        (nan_is_fatal, "ends_on_purpose", 1, Mode.SAFETY),
        (funding_not_asked_again, "funding_agrees", 1, Mode.LIVENESS),
        (never_looked_up, "converges", 10, Mode.LIVENESS),
        (stop_is_ignored, "stops_in_time", 1, Mode.LIVENESS),
        (ack_is_a_fill, "fills_count_once", 1, Mode.SAFETY),
        (looked_up_without_end, "stays_bounded", 3, Mode.SAFETY),
        (lost_venue_stays_lost, "data_fresh", 1, Mode.LIVENESS),
        (second_attempt_while_unknown, "one_at_a_time", 47, Mode.SAFETY),
        (cancelled_is_not_filled, "within_approved", 3, Mode.SAFETY),
        (naked_leg_forgotten, "none_stands_alone", 19, Mode.SAFETY),
        (worked_orders_swept, "cancels_its_own", 554, Mode.SAFETY),
        (orders_by_hand_swept, "cancels_its_own", 1, Mode.SAFETY),
        (flatten_trades_n, "latch_holds", 4, Mode.SAFETY),
        (cut_given_back_under_flatten, "latch_holds", 175, Mode.SAFETY),
        (flatten_forgotten, "flattens", 24, Mode.LIVENESS),
        (ledger_ignored, "ledger_halts", 11, Mode.SAFETY),
        (owed_latch_forgotten, "latch_holds", 154, Mode.SAFETY),
        (clock_believed, "converges", 279, Mode.LIVENESS),
        (model_ends_the_daemon, "ends_on_purpose", 3, Mode.SAFETY),
    )
}
"""By name: the bug, the checker that is meant to catch it, and the first seed, in a mode, in which it does."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Let the daemon have a bug for a while."""
    with pytest.MonkeyPatch.context() as m:
        PLANTS[name][0](m)
        yield
