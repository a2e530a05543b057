"""One venue asked for everything, within a deadline. What it does not answer is unknown, never flat."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hedged.domain.book import Balance, Position
from hedged.domain.errors import OutcomeUnknown, Retryable
from hedged.domain.funding import FundingPayment
from hedged.domain.orders import Execution, OrderState
from hedged.domain.ports import Trading


@dataclass(frozen=True, slots=True)
class Answer:
    """What a venue says of the account; `payments`, `orders`: None where it was not asked for them."""

    positions: Mapping[str, Position]
    balance: Balance
    executions: Sequence[Execution]
    payments: Sequence[FundingPayment] | None
    orders: Sequence[OrderState] | None


async def ask(
    trading: Trading, executions_from_ms: int, funding_from_ms: int | None, deadline_s: float, *, orders: bool
) -> Answer | str:
    """Ask a venue, of funding where its beginning is told; return why it could not be asked where it could not.

    Resting orders come first: what one fills meanwhile is then among the executions. Executions come before positions:
    a fill in between shows as the trader's own for one cycle at most.
    """
    try:
        async with asyncio.timeout(deadline_s):
            rest = await trading.open_orders() if orders else None
            executions = await trading.executions(executions_from_ms)
            positions = await trading.positions()
            balance = await trading.balance()
            paid = None if funding_from_ms is None else await trading.funding_payments(funding_from_ms)
    except (Retryable, OutcomeUnknown, TimeoutError) as error:
        return str(error) or type(error).__name__
    return Answer(positions, balance, executions, paid, rest)
