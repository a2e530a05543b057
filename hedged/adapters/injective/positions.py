"""A derivative position as the chain keeps it. It settles margin and funding lazily, so both are worked out here.

```
funding:     long margin −= quantity·(cumulative funding − entry's); short += the same
liquidation: long (entry − m/q)/(1 − MMR), short (entry + m/q)/(1 + MMR), m funding-adjusted
```
"""

from dataclasses import dataclass
from decimal import Decimal

from pyinjective.proto.injective.exchange.v2 import exchange_pb2

from hedged.adapters.injective.units import from_chain


@dataclass(frozen=True, slots=True)
class Holding:
    """One position. `quantity` in coins, > 0 long; `margin` USD as the chain stores it, before funding since entry."""

    quantity: Decimal
    entry_price: Decimal
    margin: Decimal
    cumulative_funding_entry: Decimal

    def adjusted_margin(self, cumulative_funding: Decimal) -> Decimal:
        """Return the margin after the funding since the entry, USD."""
        return self.margin - self.quantity * (cumulative_funding - self.cumulative_funding_entry)

    def unrealised_usd(self, mark: Decimal) -> Decimal:
        """Return the profit of closing at the mark, before fees."""
        return (mark - self.entry_price) * self.quantity

    def equity_usd(self, mark: Decimal, cumulative_funding: Decimal) -> Decimal:
        """Return what closing at the mark would give back, before fees."""
        return self.adjusted_margin(cumulative_funding) + self.unrealised_usd(mark)

    def liquidation_price(self, maintenance_margin_ratio: Decimal, cumulative_funding: Decimal) -> Decimal:
        """Return the mark at which the position is liquidated; never below zero."""
        margin = self.adjusted_margin(cumulative_funding) / abs(self.quantity)
        sign = 1 if self.quantity > 0 else -1
        price = (self.entry_price - sign * margin) / (1 - sign * maintenance_margin_ratio)
        return max(price, Decimal(0))


def read_holding(position: exchange_pb2.Position) -> Holding:
    """Read a position of the chain. Raises ValueError where a number is missing or the quantity is not positive."""
    quantity = from_chain(position.quantity)
    if quantity <= 0:
        raise ValueError(f"a position of {quantity} coins")
    return Holding(
        quantity if position.isLong else -quantity,
        from_chain(position.entry_price),
        from_chain(position.margin),
        from_chain(position.cumulative_funding_entry),
    )
