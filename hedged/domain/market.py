"""Markets: which perpetual at which venue, and what the venue demands of an order."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import NamedTuple

INJECTIVE = "injective"
"""The venue on which the trader's own book lives."""


class SeriesKey(NamedTuple):
    """A perpetual: the linear USDT contract of `symbol` at `venue` (USD or USDC on Hyperliquid)."""

    venue: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}"


@dataclass(frozen=True, slots=True)
class Costs:
    """What taking and making liquidity costs at a venue. Fractions of notional; a negative fee is a rebate.

    `depth_usd` is the notional resting within 50 bp of the mid on one side.
    """

    maker_fee: Decimal
    taker_fee: Decimal
    half_spread: Decimal
    depth_usd: Decimal

    def impact(self, notional_usd: Decimal) -> Decimal:
        """Return the average slippage beyond the half-spread, as a fraction, of taking `notional_usd` at once.

        The book is taken as flat: `depth_usd` spread evenly over 50 bp, so the average price moved is half of
        50 bp × notional ÷ depth.
        """
        return Decimal("0.005") * abs(notional_usd) / self.depth_usd / 2


@dataclass(frozen=True, slots=True)
class Market:
    """One perpetual's trading rules. Prices in quote (USD), quantities in coins."""

    key: SeriesKey
    price_tick: Decimal
    quantity_step: Decimal
    min_notional_usd: Decimal
    initial_margin_ratio: Decimal
    maintenance_margin_ratio: Decimal
    costs: Costs

    def most_leverage(self, distance: Decimal) -> Decimal:
        """Return the leverage at which an adverse move of `distance` just does not liquidate.

        Margin E behind notional Q is liquidated by a move d where E − d·Q = m·(1 + d)·Q, m the maintenance ratio.
        """
        ratio = self.maintenance_margin_ratio
        return 1 / (distance * (1 + ratio) + ratio)

    def quantise_quantity(self, quantity: Decimal) -> Decimal:
        """Round a quantity towards zero to the step: never more than was asked for."""
        return (quantity / self.quantity_step).to_integral_value(ROUND_DOWN) * self.quantity_step

    def quantise_price(self, price: Decimal, *, towards: str = "nearest") -> Decimal:
        """Round a price to the tick; `towards` is `up`, `down` or `nearest`."""
        mode = {"up": ROUND_UP, "down": ROUND_DOWN, "nearest": ROUND_HALF_EVEN}[towards]
        return (price / self.price_tick).to_integral_value(mode) * self.price_tick


def decimal_of(value: float) -> Decimal:
    """Turn a float into the Decimal that its shortest printed form denotes (0.1 → 0.1, not 0.1000…0555)."""
    return Decimal(repr(float(value)))
