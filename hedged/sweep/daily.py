"""The net saving of a run, day by day."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.runner import RunResult
from hedged.domain.clock import DAY_MS
from hedged.domain.funding import Settlement, funding_payment


def daily_net_saving(result: RunResult, settlements: Sequence[Settlement]) -> NDArray[np.float64]:
    """Return USD by day of the window (days,): hedged funding − unhedged funding − fees − spread, when each was due.

    `settlements`: Injective's prints within the window, whatever was held. The sum is the summary's `net_saving_usd`.
    """
    window = result.window
    days = np.zeros(-(-(window.to_ms - window.from_ms) // DAY_MS))

    def add(ts_ms: int, usd: float) -> None:
        days[min(max(ts_ms - window.from_ms, 0) // DAY_MS, len(days) - 1)] += usd

    own = {symbol: quantity for _, _, symbol, quantity in reversed(result.book)}
    for payment in result.payments:
        add(payment.settlement.ts_ms, float(payment.payment_usd))
    for settlement in settlements:
        if settlement.key.symbol in own:
            unhedged = funding_payment(own[settlement.key.symbol], settlement).payment_usd
            add(settlement.ts_ms, -float(unhedged))
    for fill in result.fills:
        add(fill.execution.ts_ms, -float(fill.execution.fee_usd + fill.spread_usd))
    return days
