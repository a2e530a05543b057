"""Orders that rest under the account's tag and that nobody owns: left by a killed life, or by a lost journal.

Each is written down, cancelled, looked up; what it had filled is counted as its executions are told. Until it is known
to be gone it counts against every limit as if it could fill on either side. An order without the tag is the operator's.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

import structlog

from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.orders import OrderState, OrderStatus
from hedged.domain.ports import Trading
from hedged.execution.reconcile.records import Records
from hedged.risk.facts import OpenOrder

DEADLINE_S = 20.0
log = structlog.get_logger(__name__)


class Orphans:
    """`open`: by client id, orphans that may still fill; `known`: of all that were ever found; `swept`: how many of
    them are gone, in this life.
    """

    def __init__(
        self, trading: Mapping[str, Trading], records: Records, deadline_s: float = DEADLINE_S
    ) -> None:
        self._trading, self._records, self._deadline_s = trading, records, deadline_s
        self._told: set[str] = set()  # whose cancellation has failed
        self.open: dict[str, OrderState] = {}
        self.known: set[str] = set()
        self.swept: dict[str, int] = dict.fromkeys(trading, 0)

    async def load(self) -> None:
        """Read what earlier lives have found."""
        self.known = await self._records.orphans()

    async def sweep(self, now_ms: int, left: Sequence[OrderState]) -> list[OrderState]:
        """Cancel the orders that were found left, and those of before that are not gone yet; return what is gone now.

        A venue's failure leaves its other orders to the next sweep: this one ends within a deadline a venue.
        """
        for state in left:
            await self._find(now_ms, state)
        gone: list[OrderState] = []
        failed: set[str] = set()
        for one in list(self.open.values()):
            if one.key.venue in failed:
                continue
            after = await self._end(now_ms, one)
            if after is None:
                failed.add(one.key.venue)
            elif after.status is not OrderStatus.OPEN:
                gone.append(after)
        return gone

    async def _find(self, now_ms: int, state: OrderState) -> None:
        if state.client_id not in self.open:
            await self._records.orphan(state.client_id, state.key, now_ms, "found", state.filled)
            log.warning(
                "orphan_order_found", market=str(state.key), client_id=state.client_id,
                remaining=f"{state.remaining:f}", does="cancels it",
            )  # fmt: skip
        self.known.add(state.client_id)
        self.open[state.client_id] = state

    async def _end(self, now_ms: int, state: OrderState) -> OrderState | None:
        """Cancel an orphan and look it up; return what the venue says of it then, None where it does not answer."""
        trading, client_id = self._trading[state.key.venue], state.client_id
        try:
            async with asyncio.timeout(self._deadline_s):
                await trading.cancel(client_id)
                after = await trading.lookup(client_id)
        except (Rejected, Retryable, OutcomeUnknown, TimeoutError) as error:
            log.warning(
                "orphan_order_not_gone", client_id=client_id, error=str(error) or type(error).__name__
            )
            return None
        if after is not None and after.status is OrderStatus.OPEN:
            return after
        if after is None:  # the venue knows it no more: what it had filled is what was told last
            after = OrderState(client_id, state.key, OrderStatus.CANCELLED, state.filled, Decimal(0))
        await self._records.orphan(client_id, state.key, now_ms, "gone", after.filled)
        del self.open[client_id]
        self._told.discard(client_id)
        self.swept[state.key.venue] += 1
        log.warning(
            "orphan_order_gone", market=str(state.key), client_id=client_id, filled=f"{after.filled:f}"
        )
        return after


def worst_of(orphans: Sequence[OrderState]) -> tuple[OpenOrder, ...]:
    """Return what orphans may still fill: which side they are on no venue tells, so both."""
    return tuple(OpenOrder(one.key, sign * one.remaining) for one in orphans for sign in (1, -1))
