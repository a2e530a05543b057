"""The desk: where orders leave from. Cycle and guard trade here, one at a time, through gate → journal → executor."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

import structlog

from hedged.config import Config
from hedged.domain.clock import SECOND_MS, Clock, elapsing_ms
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Hashes, Purpose
from hedged.execution.accounts import Accounts, AccountState
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.journal.latch import BY_DAEMON
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.stops import Stops
from hedged.execution.turn import Turn, Yielded
from hedged.execution.working.diff import intents_for
from hedged.execution.working.executor import Executor
from hedged.execution.working.pairs import Pair
from hedged.risk.facts import GateFacts
from hedged.risk.gate import KillLevel, Review, review
from hedged.strategy.snapshot import DesiredPosition

UNDONE = {Purpose.DIVERGENCE_OPEN: Purpose.DIVERGENCE_CLOSE}
MENDS = 12  # tries to mend a pair within its time

LEAST_NAKED_S = 10.0
"""Of wall time: requests take it, however fast the clock runs."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Traded:
    """What came of trading: `account` after it, `seen`: every state of the account that had news."""

    review: Review
    account: AccountState
    seen: Sequence[AccountState]

    @classmethod
    def nothing(cls, account: AccountState) -> Self:
        """Report news of the account without any trade."""
        return cls(Review(), account, (account,))


@dataclass(slots=True)
class Desk:
    """What trades. `busy`: who holds it may trade and change what the stops know; `between`: what was traded since the
    last report; `sending`: orders are under way, so that whoever trades should be let finish.
    """

    config: Config
    clock: Clock
    accounts: Accounts
    executor: Executor
    journal: Journal
    markets: Mapping[SeriesKey, Market]
    hashes: Hashes
    gate_facts: GateFactsKeeper
    stops: Stops
    kill: KillLevel = KillLevel.NONE
    busy: Turn = field(default_factory=Turn)
    between: list[Traded] = field(default_factory=list)
    left_since_ms: int | None = (
        None  # when (`elapsing_ms`) the pairs that an earlier life left half-done were first looked at
    )
    sending: bool = False

    async def trade(
        self,
        now_ms: int,
        desired: Sequence[DesiredPosition],
        account: AccountState,
        facts: GateFacts,
        hashes: Hashes,
    ) -> Traded:
        """Move what is held towards what is desired: diff → gate → journal → executor. Only for the holder of `busy`.

        `facts`: of this account, at prices of now. What the stops know is in the journal before the first order: a
        restart goes on from there.
        """
        intents = intents_for(
            desired, account.attributed, facts.marks, self.markets, self.config.risk, hashes, now_ms,
            self.executor.collars.of(now_ms),
        )  # fmt: skip
        # what is loaded now, not when the plan was begun
        facts = replace(facts, loaded=self.hashes)
        self._settle_dust(desired, {i.key.symbol for i in intents}, account, facts.marks)
        reviewed: Review = await asyncio.get_running_loop().run_in_executor(
            None, review, intents, facts, self.gate_facts.limits, self.config.account
        )
        self.gate_facts.traded(account.fills, ())
        if not reviewed.approved:
            return Traded(reviewed, account, (account,))
        await self.journal(JournalStore.save_state, "episodes", self.stops.to_json())
        self.sending = True
        try:
            sent = await self.executor.execute(reviewed.approved)
        finally:
            self.sending = False
        if not sent:
            return Traded(reviewed, account, (account,))
        traded = await self._look(Traded(reviewed, account, (account,)))
        return await self._mend(now_ms, traded, facts.marks, hashes)

    def note(self, account: AccountState) -> None:
        """Keep the news of an account on which nothing is traded for the next report."""
        self.between.append(Traded.nothing(account))
        self.gate_facts.traded(account.fills, account.payments)

    async def heed(self, account: AccountState) -> None:
        """Halt where the venues have told what must not be: a second daemon, funding that nothing explains."""
        if account.alarm:
            await self.halt(account.alarm)

    async def mend_left(
        self, now_ms: int, account: AccountState, marks: Mapping[SeriesKey, Decimal]
    ) -> Traded:
        """See to the pairs that an earlier life left half-done. Only for the holder of `busy`, on an account of now.

        They wait until it is known what their legs have filled, but no longer than a leg may stand alone.
        """
        pairs = self.executor.left_pairs()
        ready = self.tradable(account, marks)
        waits = sorted(
            {str(leg.intent.key) for pair in pairs for leg in pair.legs if leg.intent.key not in ready}
        )
        elapsed_ms = elapsing_ms(self.config.clock.speed)
        if self.left_since_ms is None:
            self.left_since_ms = elapsed_ms
        if not waits:
            self.executor.take_over()
            return await self._mend(now_ms, Traded(Review(), account, ()), marks, self.hashes)
        if elapsed_ms - self.left_since_ms >= self.naked_s * SECOND_MS:
            if not all(pair.gives_back for pair in pairs):
                await self.halt(
                    f"a pair was half-done when the daemon ended, and {', '.join(waits)} cannot be traded: "
                    "one leg may stand alone"
                )
            await self.executor.left_alone()
        return Traded(Review(), account, ())

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration from now on, at once and as a whole. Only for the holder of `busy`."""
        self.config, self.hashes = config, replace(self.hashes, config=config.hash)
        self.gate_facts.reconfigure(config, self.hashes)
        self.stops.reconfigure(config)
        self.executor.reconfigure(config)

    def exchange(self, model: str, features: str) -> None:
        """Let orders through that another model decides, and no others. Only for the holder of `busy`."""
        self.hashes = replace(self.hashes, model=model, features=features)
        self.gate_facts.loaded = self.hashes

    async def halt(self, reason: str) -> None:
        """Let only reductions through until the operator resumes: what happened is not what may happen.

        Latched like a kill by hand, journalled first; a level that the operator has set already stays as it is.
        """
        latch = await self.journal(JournalStore.latch)
        if latch.level is not KillLevel.NONE or self.kill is not KillLevel.NONE:
            return
        await self.journal(
            JournalStore.set_kill, self.clock.now_ms(), int(KillLevel.REDUCE_ONLY), reason, self.config.account,
            BY_DAEMON,
        )  # fmt: skip
        self.kill = KillLevel.REDUCE_ONLY
        log.error("halted", reason=reason, remedy="look into it, then `hedged resume`")

    def tradable(self, account: AccountState, marks: Mapping[SeriesKey, Decimal]) -> set[SeriesKey]:
        """Return the markets on which an order can be sent now: priced, reachable, no outcome there unknown."""
        unresolved = set(self.executor.unresolved.values())
        return {key for key in marks if key.venue not in account.unknown and key not in unresolved}

    def _settle_dust(
        self,
        desired: Sequence[DesiredPosition],
        ordered: set[str],
        account: AccountState,
        marks: Mapping[SeriesKey, Decimal],
    ) -> None:
        """End the unwinding of what could be traded and is less than any order: it is as flat as it gets."""
        tradable = self.tradable(account, marks)
        stops = [d for d in desired if d.purpose is Purpose.STOP]
        waiting = {d.key.symbol for d in stops if d.quantity != 0 or d.key not in tradable}
        for symbol in {d.key.symbol for d in stops} - waiting - ordered:
            self.stops.settle(symbol)

    @property
    def naked_s(self) -> float:
        """How long a leg may stand alone, seconds of the clock: a fast one leaves its orders as long as they take."""
        return max(self.config.execution.naked_s, LEAST_NAKED_S * self.config.clock.speed)

    async def _mend(
        self, now_ms: int, traded: Traded, marks: Mapping[SeriesKey, Decimal], hashes: Hashes
    ) -> Traded:
        """See to it that no leg of a pair stays alone: complete it, or take back the other one, within `naked_s`.

        Whoever unwinds a stopped hedge goes on with it at his own pace. What cannot be mended in time halts, but for a
        cut that is not given back yet: that is as safe as any cut, and a halt would keep it from being given back.
        """
        naked_ms = round(self.naked_s * SECOND_MS)
        while alone := [pair for pair in self.executor.alone() if not (pair.stops or pair.given_up)]:
            level = (await self.journal(JournalStore.latch)).level
            if level not in (KillLevel.NONE, KillLevel.REDUCE_ONLY):
                self._leave(alone, level)
                break
            now_ms = max(self.clock.now_ms(), now_ms + 1)  # no two orders under one client id
            elapsed_ms = elapsing_ms(self.config.clock.speed)
            late = [p for p in alone if p.since_ms is not None and elapsed_ms - p.since_ms >= naked_ms]
            if late:
                await self._give_up(late)
                continue
            await self.executor.resolve()
            for pair in alone:
                reviewed = self._remedy(now_ms, pair, marks, hashes, level)
                traded = replace(traded, review=traded.review.joined(reviewed))
                for approved in reviewed.approved:
                    await self.executor.mend(pair, approved)
            traded = await self._look(traded)
            if self.executor.hurried:
                return traded  # the next life goes on with it
            if self.executor.alone():
                with suppress(Yielded):
                    async with self.busy.yielding():
                        await asyncio.sleep(naked_ms / SECOND_MS / MENDS / self.config.clock.speed)
        await self.executor.settled()
        return traded

    def _remedy(
        self, now_ms: int, pair: Pair, marks: Mapping[SeriesKey, Decimal], hashes: Hashes, kill: KillLevel
    ) -> Review:
        """Ask the gate for the order that mends a pair; nothing while an outcome or a position is unknown."""
        account = replace(self.accounts.latest, payments=())  # they are counted already
        found = pair.remedy(account.attributed) if pair.known else None
        if found is None or found[0].intent.key in self.executor.unresolved.values():
            return Review()
        key, change = found[0].intent.key, found[1]
        purpose = UNDONE.get(found[0].intent.purpose, found[0].intent.purpose)
        want = DesiredPosition(key, account.attributed[key] + change, purpose, "no leg of a pair stays alone")
        intents = intents_for(
            [want], account.attributed, marks, self.markets, self.config.risk, hashes, now_ms,
            self.executor.collars.of(now_ms),
        )  # fmt: skip
        facts = self.gate_facts.reductions(now_ms, account, marks, self.markets, self.executor, kill)
        facts = replace(facts, alone=frozenset({key}))
        return review(intents, facts, self.gate_facts.limits, self.config.account)

    @staticmethod
    def _leave(alone: Sequence[Pair], level: KillLevel) -> None:
        """Leave half-done pairs to whoever set the level; once it is cleared the next decision sees what is held."""
        for pair in alone:
            pair.given_up = True
        log.warning(
            "pairs_left_half_done", symbols=sorted({pair.symbol for pair in alone}), latch=level.label
        )

    async def _give_up(self, late: Sequence[Pair]) -> None:
        for pair in late:
            pair.given_up = True
            coins = f"{abs(pair.imbalance).normalize():f} {pair.symbol}"
            why = self.executor.failed.get(pair.symbol, "the orders were refused")
            if pair.gives_back:
                log.error("cut_not_given_back", symbol=pair.symbol, coins=coins, reason=why)
            else:
                naked_s = self.naked_s
                await self.halt(
                    f"a leg of {coins} stands alone, neither completed nor taken back within {naked_s:g} s: {why}"
                )

    async def _look(self, traded: Traded) -> Traded:
        """Ask the venues again, and count what is new; whoever must not wait asks them himself."""
        try:
            after = await self._after_trading(traded.account)
        except Yielded:
            return traded
        self.stops.count(after)
        self.gate_facts.traded(after.fills, after.payments)
        return replace(traded, account=after, seen=(*traded.seen, after))

    async def _after_trading(self, before: AccountState) -> AccountState:
        """Ask the venues again, so that the decision says what was really filled."""
        account = await self.accounts.refresh(self.clock.now_ms())
        await self.heed(account)
        if account.reconciled:
            return account
        return replace(
            before, attributed=account.attributed, owners=account.owners, fills=account.fills,
            payments=account.payments, taken=account.taken, frozen=account.frozen, orphans=account.orphans,
        )  # fmt: skip
