"""A derivative position as the chain keeps it: margin and funding are settled lazily, when it trades.

```
funding:     long margin −= quantity·(cumulative funding − entry's); short += the same
liquidation: long (entry − m/q)/(1 − MMR), short (entry + m/q)/(1 + MMR), m funding-adjusted
```
Source: exchange module of injective-core (release v1.18.x). All values human: prices in USDT, quantities in coins.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)


class TradeEffect(NamedTuple):
    """What a trade did to the account: all USDT.

    `payout`: freed by closing (margin + PnL, less the fee where reduce-only). `refunded_margin`: of the order's own
    margin, not needed because it closed. `collateral`: of the order's own margin, now in the position. `pnl`: realised.
    """

    payout: Decimal
    refunded_margin: Decimal
    collateral: Decimal
    pnl: Decimal


@dataclass(slots=True)
class Position:
    """One subaccount's position in one market. `quantity` ≥ 0; zero means that there is none."""

    is_long: bool
    quantity: Decimal
    entry_price: Decimal
    margin: Decimal
    cumulative_funding_entry: Decimal

    @property
    def signed_quantity(self) -> Decimal:
        """Coins, < 0 for a short."""
        return self.quantity if self.is_long else -self.quantity

    def copy(self) -> "Position":
        """Return a snapshot."""
        return replace(self)

    def unrealised_funding(self, cumulative_funding: Decimal) -> Decimal:
        """Return the funding received since the last trade, USDT; < 0 was paid."""
        return -self.signed_quantity * (cumulative_funding - self.cumulative_funding_entry)

    def funding_adjusted_margin(self, cumulative_funding: Decimal) -> Decimal:
        """Return the margin with the funding of the meantime."""
        return self.margin + self.unrealised_funding(cumulative_funding)

    def apply_funding(self, cumulative_funding: Decimal) -> None:
        """Settle the funding of the meantime into the margin."""
        self.margin = self.funding_adjusted_margin(cumulative_funding)
        self.cumulative_funding_entry = cumulative_funding

    def pnl(self, price: Decimal, quantity: Decimal) -> Decimal:
        """Return the profit of closing `quantity` at `price`, before fees."""
        return quantity * (price - self.entry_price) * (1 if self.is_long else -1)

    def effective_margin(self, mark: Decimal, cumulative_funding: Decimal) -> Decimal:
        """Return the margin with funding and the unrealised profit at `mark`."""
        return self.funding_adjusted_margin(cumulative_funding) + self.pnl(mark, self.quantity)

    def liquidation_price(self, maintenance_ratio: Decimal, cumulative_funding: Decimal) -> Decimal:
        """Return the mark at which the position is liquidated; with a ratio of zero, the bankruptcy price."""
        unit_margin = self.funding_adjusted_margin(cumulative_funding) / self.quantity
        if self.is_long:
            return (self.entry_price - unit_margin) / (1 - maintenance_ratio)
        return (self.entry_price + unit_margin) / (1 + maintenance_ratio)

    def is_liquidable(self, mark: Decimal, maintenance_ratio: Decimal, cumulative_funding: Decimal) -> bool:
        """Whether the mark has reached the liquidation price."""
        price = self.liquidation_price(maintenance_ratio, cumulative_funding)
        return mark <= price if self.is_long else mark >= price

    def apply_trade(
        self, is_buy: bool, quantity: Decimal, price: Decimal, margin: Decimal, reduce_only_fee: Decimal
    ) -> TradeEffect:
        """Net a trade into the position: add in its direction, else close, and turn round with what is left.

        `margin` is the part of the order's margin that belongs to this quantity; zero means reduce-only, whose fee
        comes out of the position.
        """
        if self.quantity == 0:
            self.is_long = is_buy
        if self.is_long == is_buy:
            value = self.quantity * self.entry_price + quantity * price
            self.quantity += quantity
            self.entry_price = value / self.quantity
            self.margin += margin
            return TradeEffect(ZERO, ZERO, margin, ZERO)
        closing = min(self.quantity, quantity)
        refunded = margin * closing / quantity
        pnl = self.pnl(price, closing) - (reduce_only_fee if margin == 0 else ZERO)
        freed = self.margin * closing / self.quantity
        self.quantity -= closing
        self.margin -= freed
        collateral = ZERO
        if quantity > closing:
            self.margin = self.entry_price = ZERO
            collateral = self.apply_trade(
                is_buy, quantity - closing, price, margin - refunded, ZERO
            ).collateral
        return TradeEffect(pnl + freed, refunded, collateral, pnl)


def mark_price_threshold(
    is_buy: bool, price: Decimal, quantity: Decimal, margin: Decimal, initial_ratio: Decimal
) -> Decimal:
    """Return the mark that an order's margin still suffices for: a buy needs mark ≥ it, a sell mark ≤ it."""
    if is_buy:
        return (margin - price * quantity) / ((initial_ratio - 1) * quantity)
    return (margin + price * quantity) / ((1 + initial_ratio) * quantity)
