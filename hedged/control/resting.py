"""Resting orders of the daemon's own, cancelled at every venue at once; those made by hand are left alone."""

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from hedged.domain.errors import OutcomeUnknown, Rejected, Retryable
from hedged.domain.orders import OrderState, tag
from hedged.domain.ports import Trading

DEADLINE_S = 10.0
"""For one venue to list its orders, and for each cancellation."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What was cancelled, and in words what could not be, or could not even be asked for."""

    cancelled: Sequence[OrderState] = ()
    left: Sequence[str] = ()


async def cancel_resting(
    trading: Mapping[str, Trading], account: str, ids: Container[str], deadline_s: float = DEADLINE_S
) -> Swept:
    """Cancel every resting order whose client id is in `ids` (the journal's) or begins with the account's tag.

    Never raises for a venue's failure: what it keeps is in `left`.
    """
    found = await asyncio.gather(
        *(_sweep(venue, port, account, ids, deadline_s) for venue, port in trading.items())
    )
    return Swept([o for one in found for o in one.cancelled], [text for one in found for text in one.left])


async def _sweep(venue: str, port: Trading, account: str, ids: Container[str], deadline_s: float) -> Swept:
    try:
        async with asyncio.timeout(deadline_s):
            resting = await port.open_orders()
    except (Retryable, Rejected, OutcomeUnknown, TimeoutError) as error:
        return Swept(left=[f"{venue} does not tell its resting orders: {_said(error)}"])
    ours = [
        o for o in resting if o.client_id and (o.client_id in ids or o.client_id.startswith(tag(account)))
    ]
    cancelled, left = [], []
    for order in ours:
        try:
            async with asyncio.timeout(deadline_s):
                await port.cancel(order.client_id)
        except (Retryable, Rejected, OutcomeUnknown, TimeoutError) as error:
            left.append(f"{order.key}: order {order.client_id} may still rest: {_said(error)}")
        else:
            cancelled.append(order)
    return Swept(cancelled, left)


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
