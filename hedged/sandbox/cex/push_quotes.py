"""What the push protocols tell of a market: a value, so that an engine, a recording or a test may be behind it."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """One market now. Quantities and open interest (one side) in coins; `rate` per interval; `contract`: its coins."""

    mark: Decimal
    index: Decimal
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    open_interest: Decimal
    rate: Decimal
    premium: Decimal
    interval_h: int
    next_ms: int
    contract: Decimal = Decimal(1)
