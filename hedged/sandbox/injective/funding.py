"""Funding as the chain accumulates and charges it.

```
each block with trades:  cumPrice += (t − lastTs)·(VWAP − mark)/mark;  lastTs = t
first block at or after the settlement:
    T = lastTs + interval − next;  twap = cumPrice/(T·24), 0 if T = 0
    rate = clamp(twap + hourly interest, ±cap);  cumFunding += rate·mark
    cumPrice = 0;  lastTs = next;  next += interval
```
Source: funding keeper of injective-core (release v1.18.x). One interval is settled per block, also after a halt.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple


class Settled(NamedTuple):
    """One settlement: when it was due, s; the capped hourly rate; what one coin long pays, USDT; the mark."""

    due_s: int
    rate: Decimal
    payment: Decimal
    mark: Decimal


@dataclass(slots=True)
class Funding:
    """One market's funding state. Times in whole seconds; `cumulative_funding` in USDT per coin."""

    hourly_cap: Decimal
    hourly_interest: Decimal
    interval_s: int
    next_s: int
    last_s: int
    cumulative_funding: Decimal = Decimal(0)
    cumulative_price: Decimal = Decimal(0)

    def on_trades(self, now_s: int, vwap: Decimal, mark: Decimal) -> None:
        """Count a block's premium backwards over the whole time since the trade before."""
        self.cumulative_price += (now_s - self.last_s) * (vwap - mark) / mark
        self.last_s = now_s

    def settle_if_due(self, now_s: int, mark: Decimal) -> Settled | None:
        """Settle one interval if its end has come."""
        if now_s < self.next_s:
            return None
        return self.settle(mark)

    def settle(self, mark: Decimal) -> Settled:
        """Charge the running interval."""
        due_s = self.next_s
        traded_s = self.last_s + self.interval_s - due_s
        twap = self.cumulative_price / (traded_s * 24) if traded_s else Decimal(0)
        rate = min(max(twap + self.hourly_interest, -self.hourly_cap), self.hourly_cap)
        self.cumulative_funding += rate * mark
        self.cumulative_price = Decimal(0)
        self.last_s = due_s
        self.next_s = due_s + self.interval_s
        return Settled(due_s, rate, rate * mark, mark)
