"""A position over time."""

from bisect import bisect_left
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(slots=True)
class Holding:
    """Signed quantity over time: `at_ms[i]` is when `quantity[i]` came to hold. Entry price by average cost."""

    at_ms: list[int] = field(default_factory=list)
    quantity: list[Decimal] = field(default_factory=list)
    entry_price: Decimal = Decimal(0)

    @property
    def now(self) -> Decimal:
        """Signed coins held."""
        return self.quantity[-1] if self.quantity else Decimal(0)

    def strictly_before(self, ts_ms: int) -> Decimal:
        """Return what a settlement of that instant is paid on."""
        if self.at_ms and self.at_ms[-1] < ts_ms:  # as most often
            return self.quantity[-1]
        index = bisect_left(self.at_ms, ts_ms) - 1
        return self.quantity[index] if index >= 0 else Decimal(0)

    def change(self, ts_ms: int, by: Decimal, price: Decimal) -> Decimal:
        """Apply a fill; return the realised PnL in USD (average cost)."""
        held, realised = self.now, Decimal(0)
        if held * by >= 0:
            total = abs(held) + abs(by)
            self.entry_price = (self.entry_price * abs(held) + price * abs(by)) / total
        else:
            closed = min(abs(held), abs(by)) * (1 if held > 0 else -1)
            realised = (price - self.entry_price) * closed
            if abs(by) > abs(held):
                self.entry_price = price
        self.at_ms.append(ts_ms)
        self.quantity.append(held + by)
        return realised
