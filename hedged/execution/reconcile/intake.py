"""Executions on their way into the journal: written once, given to whoever traded, told when nobody known did."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import structlog

from hedged.domain.orders import Execution, Fill, OrderState
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.execution.reconcile.attribution import Attribution, Shown, folded
from hedged.execution.reconcile.records import Records
from hedged.execution.reconcile.state import Taken
from hedged.execution.reconcile.strangers import Strangers

NOTHING = Decimal(0)
log = structlog.get_logger(__name__)


class Intake:
    """`attribution`: whose coins they are; `began_ms`: when this journal's first life began."""

    def __init__(self, journal: Journal, records: Records, strangers: Strangers, began_ms: int) -> None:
        self._journal, self._records = journal, records
        self.strangers, self.began_ms = strangers, began_ms
        self.attribution = Attribution()

    async def load(self) -> None:
        """Fold all that the journal knows of."""
        claims = {i: (why, price) for i, why, price in await self._journal(JournalStore.intents)}
        known = [fill.execution for fill in await self._journal(JournalStore.fills)]
        foreign = await self._journal(JournalStore.foreign_executions)
        self.attribution = folded(claims, [*known, *foreign], await self._records.shown())
        self.strangers.coins.clear()
        for execution in foreign:
            self.strangers.take(execution)

    async def take(
        self, executions: Sequence[Execution], orphans: Collection[str]
    ) -> tuple[list[Fill], list[Taken], str]:
        """Write and count the executions that are new; return fills, what was taken of hedges, and an alarm.

        `orphans`: ids of resting orders that were found without an owner: what they fill is no alarm.
        """
        new = {(e.key.venue, e.execution_id): e for e in executions if not self.attribution.knows(e)}
        old = [e for e in new.values() if self.attribution.too_old(e)]
        if old:
            missing = await self._records.missing(old)
            new = {i: e for i, e in new.items() if e not in old or e in missing}
            old = missing
        if not new:
            return [], [], ""
        told = sorted(new.values(), key=lambda e: e.ts_ms)
        await self._journal(JournalStore.record_executions, told)
        alarm = ""
        for execution in told:
            alarm = await self._identify(execution, orphans) or alarm
        fills, taken = await self._count_anew(told) if old else self._count(told)
        for one in taken:
            log.warning("hedge_taken_away", market=str(one.execution.key), quantity=f"{one.quantity:f}")
        return fills, taken, alarm

    async def limit(self, shown: Shown) -> list[Taken]:
        """Write that a venue shows no more of a hedge than that, and take the rest off."""
        await self._records.show(shown)
        taken = self.attribution.limit(shown)
        for one in taken:
            log.warning(
                "hedge_taken_away", market=str(shown.key), quantity=f"{one.quantity:f}", execution=None
            )
        return taken

    async def left(self, orders: Sequence[OrderState], owned: Collection[str]) -> list[OrderState]:
        """Return the resting orders of a daemon on this account, by journal or tag, that nobody owns any more.

        One in the journal whose outcome is open and that is not among the `owned` is another process's, at work.
        """
        found = []
        for state in orders:
            if state.client_id in owned:
                continue
            stranger = await self.unclaimed(state.client_id)
            claimed = state.client_id in self.attribution.claims
            if stranger or (claimed and not await self._records.at_work(state.client_id)):
                found.append(state)
        return found

    async def unclaimed(self, client_id: str | None) -> bool:
        """Tell whether an id has the tag and no order here; another process may have journalled one meanwhile."""
        if client_id is None or client_id in self.attribution.claims or not self.strangers.tagged(client_id):
            return False
        found = await self._records.intent(client_id)
        if found is not None:
            self.attribution.claims[client_id] = found
        return found is None

    def forget(self, before_ms: Mapping[str, int]) -> None:
        """Remember in sum what happened at each venue before an instant."""
        for venue, ts_ms in before_ms.items():
            self.attribution.forget(venue, ts_ms)

    async def _identify(self, execution: Execution, orphans: Collection[str]) -> str:
        """Find whose an execution is where the journal does not say; return an alarm for another daemon's."""
        client_id = execution.client_id
        if not await self.unclaimed(client_id) or not self.strangers.take(execution):
            return ""
        lost = execution.ts_ms < self.began_ms or client_id in orphans
        self.strangers.tell(execution, lost=lost)
        return "" if lost else f"another daemon trades on this account: {execution.key}, order {client_id}"

    def _count(self, new: Sequence[Execution]) -> tuple[list[Fill], list[Taken]]:
        fills: list[Fill] = []
        taken: list[Taken] = []
        for execution in new:
            fill, lost = self.attribution.add(execution)
            fills += [fill] if fill else []
            taken += lost
        return fills, taken

    async def _count_anew(self, new: Sequence[Execution]) -> tuple[list[Fill], list[Taken]]:
        """Fold the whole history, as something came too late to find its place; what others took is told in sum."""
        before = self.attribution
        await self.load()
        now, claims = self.attribution, self.attribution.claims
        fills = [
            Fill(e, *claims[e.client_id]) for e in new if e.client_id is not None and e.client_id in claims
        ]
        taken = []
        for execution in {e.key: e for e in new}.values():
            key = execution.key
            mine = sum((fill.signed_quantity for fill in fills if fill.key == key), NOTHING)
            lost = now.held.get(key, NOTHING) - before.held.get(key, NOTHING) - mine
            if lost:
                taken.append(Taken(execution, lost, now.owners[key]))
        return fills, taken
