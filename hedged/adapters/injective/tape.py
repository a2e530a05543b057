"""How often a market trades and at what premium, read off the chain's own accumulators.

Every block with trades moves `last_ts`, and `cum_price` by (t − last_ts)·premium; so two states tell when the last
trade was, and its premium if there was one trade between them.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.injective import FundingState, InjectiveRule

KEPT = 64
RECENT = 6
"""Premiums of the latest trades that stand beside the two sides of the book."""


@dataclass(slots=True)
class Tape:
    """The last trades of one market: block times in seconds, premiums as fractions of the mark."""

    times_s: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT))
    premiums: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def see(self, before: FundingState | None, now: FundingState, rule: InjectiveRule) -> None:
        """Take over what a new state tells of the trades since the one before."""
        start_s = now.interval_start_s(rule)
        if now.last_ts_s <= start_s:
            if not self.times_s:
                self.times_s.append(start_s)  # the last trade was then or earlier
            return
        if self.times_s and now.last_ts_s <= self.times_s[-1]:
            return
        self.times_s.append(now.last_ts_s)
        same = before is not None and before.next_settlement_s == now.next_settlement_s
        since_s = before.last_ts_s if before is not None and same else start_s
        gained = now.cum_price - (before.cum_price if before is not None and same else Decimal(0))
        self.premiums.append(float(gained / (now.last_ts_s - since_s)))

    def trades_per_s(self, now_s: float) -> float:
        """Return the intensity: the trades seen, over the time since the first of them; never zero, never infinite."""
        if not self.times_s:
            return float("nan")
        return len(self.times_s) / max(now_s - self.times_s[0], 1.0)

    def coming(self, mark: Decimal, bid: Decimal | None, ask: Decimal | None) -> tuple[float, ...]:
        """Return equally likely premiums of the next trade: it takes a side of the book, or is as the last were."""
        sides = [float(price / mark - 1) for price in (bid, ask) if price is not None]
        return (*sides, *self.premiums)
