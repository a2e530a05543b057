"""The desk: where orders leave from. Cycle and guard trade here, one at a time, through gate → journal → executor."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

import structlog

from hedged.config import Config
from hedged.domain.clock import Clock
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Hashes, Purpose
from hedged.execution.accounts import Accounts, AccountState
from hedged.execution.diff import intents_for
from hedged.execution.executor import Executor
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.journal import Journal
from hedged.execution.stops import Stops
from hedged.execution.store import JournalStore
from hedged.risk.facts import GateFacts
from hedged.risk.gate import KillLevel, Review, review
from hedged.strategy.snapshot import DesiredPosition

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
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    between: list[Traded] = field(default_factory=list)
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
            desired, account.attributed, facts.marks, self.markets, self.config.risk, hashes, now_ms
        )
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
        after = await self._after_trading(account)
        self.stops.count(after)
        self.gate_facts.traded(after.fills, after.payments)
        return Traded(reviewed, after, (account, after))

    async def heed(self, account: AccountState) -> None:
        """Halt where the venues have told what must not be: a second daemon, funding that nothing explains."""
        if account.alarm:
            await self.halt(account.alarm)

    def reconfigure(self, config: Config) -> None:
        """Go by another configuration from now on, at once and as a whole. Only for the holder of `busy`."""
        self.config, self.hashes = config, replace(self.hashes, config=config.hash)
        self.gate_facts.reconfigure(config, self.hashes)
        self.stops.reconfigure(config)

    async def halt(self, reason: str) -> None:
        """Let only reductions through until the operator resumes: what happened is not what may happen.

        Latched like a kill by hand, journalled first; a level that the operator has set already stays as it is.
        """
        if self.kill is not KillLevel.NONE:
            return
        await self.journal(
            JournalStore.set_kill, self.clock.now_ms(), int(KillLevel.REDUCE_ONLY), reason, self.config.account,
            "daemon",
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
