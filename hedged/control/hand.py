"""The hand of the kill switch: cancels what rests, closes the hedge legs, and says what is left and why.

It trades at the same desk as cycle and guard, one at a time, through gate, journal and executor. A leg is closed by
the daemon's own part alone, reduce-only; what was cut of the trader's position is not given back, and the position
itself is never traded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from hedged.collectors.poller import Poller
from hedged.control.resting import DEADLINE_S, Swept, cancel_resting
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose, Strategy
from hedged.domain.ports import Trading
from hedged.domain.urgency import at_once
from hedged.execution.accounts import AccountState
from hedged.execution.desk import Desk, Traded
from hedged.execution.journal.store import JournalStore
from hedged.risk.kill import KillLevel
from hedged.strategy.snapshot import DesiredPosition

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""A round that got nowhere is tried again ever more slowly, but at least this often."""
FIRST_PATIENCE_S = 4.0
"""For a venue to answer, in the first round; twice as long in each that got nowhere: one venue that is slow to say what
it holds must not keep the others waiting.
"""
CLOSES = {Strategy.CASCADE_HEDGE: Purpose.CASCADE_CLOSE, Strategy.DIVERGENCE: Purpose.DIVERGENCE_CLOSE}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Hand:
    """`open_desk` returns the desk that trades now; `say` is told every step; `left`: what the latest round left, and
    why; `settled`: nothing is left to do; `last_ms`: the instant it last traded at: no two orders of one instant may
    look alike; `foreign`: what lies at the hedge venues that is not the daemon's.
    """

    open_desk: Callable[[], Desk]
    poller: Poller
    trading: Mapping[str, Trading]
    say: Callable[[str], None] = lambda _: None
    left: Sequence[str] = ()
    settled: bool = False
    last_ms: int = 0
    foreign: set[tuple[SeriesKey, Decimal]] = field(default_factory=set)
    _tries: int = 0
    _turn: int = 0
    _cancelled: int = 0
    _held: Mapping[SeriesKey, Decimal] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        """The desk that trades now."""
        return self.open_desk()

    def rest(self) -> None:
        """Begin anew: the latch was turned."""
        self.left, self.settled, self._tries = (), False, 0
        self._turn += 1

    @property
    def wait_s(self) -> float:
        """Seconds until the next round is worth while."""
        return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._tries, 10))

    @property
    def _patience_s(self) -> float:
        return FIRST_PATIENCE_S * 2.0 ** min(self._tries, 10)

    async def act(self, level: KillLevel) -> bool:
        """Do one round of what a level asks for; tell whether nothing is left. Venue failures leave something.

        It waits for no cycle: whoever is at the desk yields it, but for what is being sent.
        """
        if self.settled or level not in (KillLevel.CANCEL, KillLevel.FLATTEN):
            return self.settled
        desk = self.desk
        async with desk.busy.at_once():
            if desk is not self.desk:
                return False  # the journal was mended meanwhile, and another desk trades
            before, turn = (self._held, tuple(self.left)), self._turn
            with at_once():
                left = await self._cancel()
                if level is KillLevel.FLATTEN:
                    left += await self._flatten()
            unknown = self.desk.executor.unresolved
            left += [f"{key}: the outcome of order {i} is not known" for i, key in unknown.items()]
            if turn == self._turn:  # else it was turned meanwhile, and asks for something else
                self._tell(before, left)
            return self.settled

    async def _cancel(self) -> list[str]:
        """Cancel what rests; return what still may."""
        desk = self.desk
        ids = {client_id for client_id, _, _ in await desk.journal(JournalStore.intents)}
        swept: Swept = await cancel_resting(
            self.trading, desk.config.account, ids, min(DEADLINE_S, self._patience_s)
        )
        for order in swept.cancelled:
            self.say(
                f"cancelled {order.key}: {order.remaining.normalize():f} coins rested ({order.client_id})"
            )
        self._cancelled = len(swept.cancelled)  # then it is looked once more: more may come to light
        await desk.executor.resolve()
        return list(swept.left)

    async def _flatten(self) -> list[str]:
        """Close the hedge legs as far as one round can; return what is left of them."""
        desk, now_ms = self.desk, self._instant()
        # what was paid meanwhile is asked for after the orders
        account = await desk.accounts.refresh(now_ms, self._patience_s, funding=False)
        legs = hedge_legs(account.attributed)
        believed = await self.poller.glance(now_ms, {key.symbol for key in account.attributed})
        stale_ms = desk.config.cycle.stale_after_s * SECOND_MS
        marks = self.poller.fresh_marks(now_ms, stale_ms) | believed.decimals()
        desk.stops.see(account, believed)
        can = desk.tradable(account, marks)
        desired = [
            DesiredPosition(key, Decimal(0), _closing(account, key), "flatten") for key in legs if key in can
        ]
        facts = desk.gate_facts.reductions(
            now_ms, account, marks, desk.markets, desk.executor, KillLevel.FLATTEN
        )
        traded = await desk.trade(now_ms, desired, account, facts, desk.hashes)
        desk.between.append(traded)
        await desk.journal(JournalStore.save_state, "episodes", desk.stops.to_json())
        self._held = hedge_legs(traded.account.attributed)
        self._tell_foreign(traded.account)
        for key, quantity in legs.items():
            if closed := quantity - self._held.get(key, Decimal(0)):
                self.say(f"closed {closed.normalize():+f} coins at {key}")
        return self._why(traded, marks)

    def _tell_foreign(self, account: AccountState) -> None:
        """Say what lies at the hedge venues that the journal does not count as the daemon's: it is left alone."""
        for key, position in sorted(account.positions.items()):
            foreign = position.quantity - account.attributed.get(key, Decimal(0))
            if key.venue != INJECTIVE and foreign and (key, foreign) not in self.foreign:
                self.foreign.add((key, foreign))
                self.say(f"{key}: {foreign.normalize():+f} coins there are not the daemon's, and stay")

    def _instant(self) -> int:
        """Return now, but never an instant that a cycle is due at, nor one that was traded at before."""
        now_ms = max(self.desk.clock.now_ms(), self.last_ms + 1)
        interval_ms = self.desk.config.cycle.interval_s * SECOND_MS
        self.last_ms = now_ms if now_ms % interval_ms else now_ms + 1
        return self.last_ms

    def _why(self, traded: Traded, marks: Mapping[SeriesKey, Decimal]) -> list[str]:
        """Say of every leg that is left why it is."""
        account, left = traded.account, []
        refused = {one.intent.key: one.text for one in traded.review.refused}
        holding = {key.venue for key in self._held} | self.desk.accounts.awaiting
        for venue in sorted(holding & set(account.unknown)):
            left.append(f"{venue} does not say what is held: {account.unknown[venue]}")
        for key, quantity in self._held.items():
            if self._is_dust(key, quantity, marks):
                self.say(f"{key}: {quantity.normalize():+f} coins stay, less than any order there may be")
                continue
            why = (
                refused.get(key)
                or self.desk.executor.failed.get(key.symbol)
                or self._obstacle(key, account, marks)
                or "more than one order may take of the book: it goes on"
            )
            left.append(f"{key}: {quantity.normalize():+f} coins: {why}")
        return left

    def _obstacle(self, key: SeriesKey, account: AccountState, marks: Mapping[SeriesKey, Decimal]) -> str:
        if key.venue in account.unknown:
            return f"{key.venue} does not answer"
        if key in self.desk.executor.unresolved.values():
            return "the outcome of an earlier order there is not known"
        if key not in self.desk.markets:
            return "the market is not listed"
        return "" if key in marks else "there is no price"

    def _is_dust(self, key: SeriesKey, quantity: Decimal, marks: Mapping[SeriesKey, Decimal]) -> bool:
        market, mark = self.desk.markets.get(key), marks.get(key)
        if market is None or mark is None:
            return False
        whole = market.quantise_quantity(abs(quantity))
        return whole == 0 or whole * mark < market.min_notional_usd

    def _tell(self, before: tuple[Mapping[SeriesKey, Decimal], tuple[str, ...]], left: list[str]) -> None:
        """Note what is left; say it when it is news."""
        moved = self._held != before[0]
        self.left, self.settled = tuple(left), not left and not self._cancelled
        self._tries = 0 if moved or not left else self._tries + 1
        if left and self.left != before[1]:
            log.error("kill_not_done_yet", left=left)
            for text in left:
                self.say(f"left: {text}")


def _closing(account: AccountState, key: SeriesKey) -> Purpose:
    """Return what a closing order of a market is for, so that it is booked on whoever holds the leg."""
    owner = account.owners.get(key)
    return CLOSES.get(owner, Purpose.STOP) if owner else Purpose.STOP


def hedge_legs(attributed: Mapping[SeriesKey, Decimal]) -> dict[SeriesKey, Decimal]:
    """Return what is held elsewhere than on Injective, where a position is the trader's own, without zeros."""
    return {key: q for key, q in sorted(attributed.items()) if q and key.venue != INJECTIVE}
