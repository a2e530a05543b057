"""Where orders leave from: diff → gate → fill, as `execution.desk` does it, without waiting for anybody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import cast

from hedged.backtest.batch.account import Account
from hedged.backtest.batch.orders import Orders
from hedged.config import Config
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import Market, SeriesKey
from hedged.domain.orders import Hashes, Purpose
from hedged.execution.desk import MENDS, UNDONE, Traded
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.reconcile.state import AccountState
from hedged.execution.stops import Stops
from hedged.execution.working.diff import intents_for
from hedged.execution.working.executor import Executor
from hedged.execution.working.pairs import Pair
from hedged.risk.facts import GateFacts
from hedged.risk.gate import KillLevel, Review, review
from hedged.strategy.snapshot import DesiredPosition

Marks = Mapping[SeriesKey, Decimal]


@dataclass(slots=True)
class BatchDesk:
    """What trades. `kill`: latched where a leg of a pair stood alone for too long."""

    config: Config
    account: Account
    orders: Orders
    markets: Mapping[SeriesKey, Market]
    hashes: Hashes
    gate_facts: GateFactsKeeper
    stops: Stops
    kill: KillLevel = KillLevel.NONE

    def trade(
        self,
        now_ms: int,
        desired: Sequence[DesiredPosition],
        account: AccountState,
        facts: GateFacts,
    ) -> Traded:
        """Move what is held towards what is desired."""
        intents = intents_for(
            desired, account.attributed, facts.marks, self.markets, self.config.risk, self.hashes, now_ms,
            self.orders.collars.of(now_ms),
        )  # fmt: skip
        self._settle_dust(desired, {i.key.symbol for i in intents}, facts.marks)
        reviewed = review(intents, facts, self.gate_facts.limits, self.config.account)
        self.gate_facts.traded(account.fills, ())
        if not reviewed.approved:
            return Traded(reviewed, account, (account,))
        self.orders.clock.ms = now_ms
        if not self.orders.execute(reviewed.approved):
            return Traded(reviewed, account, (account,))
        traded = self._look(Traded(reviewed, account, (account,)))
        return self._mend(now_ms, traded, facts.marks)

    def _settle_dust(self, desired: Sequence[DesiredPosition], ordered: set[str], marks: Marks) -> None:
        stops = [d for d in desired if d.purpose is Purpose.STOP]
        waiting = {d.key.symbol for d in stops if d.quantity != 0 or d.key not in marks}
        for symbol in {d.key.symbol for d in stops} - waiting - ordered:
            self.stops.settle(symbol)

    def _look(self, traded: Traded) -> Traded:
        """Take in what was filled, and what was paid meanwhile."""
        after = self.account.refresh()
        self.stops.count(after)
        self.gate_facts.traded(after.fills, after.payments)
        return replace(traded, account=after, seen=(*traded.seen, after))

    def _mend(self, now_ms: int, traded: Traded, marks: Marks) -> Traded:
        """See to it that no leg of a pair stays alone; what cannot be mended in time halts."""
        clock, naked_ms = self.orders.clock, round(self.config.execution.naked_s * SECOND_MS)
        while alone := [pair for pair in self.orders.alone() if not (pair.stops or pair.given_up)]:
            now_ms = max(clock.ms, now_ms + 1)
            late = [p for p in alone if p.since_ms is not None and clock.ms - p.since_ms >= naked_ms]
            if late:
                self._give_up(late)
                continue
            for pair in alone:
                reviewed = self._remedy(now_ms, pair, traded.account, marks)
                traded = replace(traded, review=traded.review.joined(reviewed))
                for approved in reviewed.approved:
                    self.orders.mend(pair, approved)
            traded = self._look(traded)
            if self.orders.alone():
                clock.ms += round(naked_ms / MENDS)
        return traded

    def _remedy(self, now_ms: int, pair: Pair, account: AccountState, marks: Marks) -> Review:
        found = pair.remedy(account.attributed)
        if found is None:
            return Review()
        key, change = found[0].intent.key, found[1]
        purpose = UNDONE.get(found[0].intent.purpose, found[0].intent.purpose)
        want = DesiredPosition(key, account.attributed[key] + change, purpose, "no leg of a pair stays alone")
        intents = intents_for(
            [want], account.attributed, marks, self.markets, self.config.risk, self.hashes, now_ms,
            self.orders.collars.of(now_ms),
        )  # fmt: skip
        facts = self.gate_facts.reductions(
            now_ms, replace(account, payments=()), marks, self.markets, cast(Executor, self.orders), self.kill
        )
        facts = replace(facts, alone=frozenset({key}))
        return review(intents, facts, self.gate_facts.limits, self.config.account)

    def _give_up(self, late: Sequence[Pair]) -> None:
        for pair in late:
            pair.given_up = True
            if not pair.gives_back and self.kill is KillLevel.NONE:
                self.kill = KillLevel.REDUCE_ONLY
