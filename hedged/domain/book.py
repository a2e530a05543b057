"""The book: what the trader holds, and which part of it is the daemon's own doing."""

from dataclasses import dataclass
from decimal import Decimal

from hedged.domain.market import SeriesKey


@dataclass(frozen=True, slots=True)
class Position:
    """A venue's statement of one position. `quantity` is signed, in coins: > 0 long.

    `liquidation_price`: where the venue tells it, or it can be computed from what the venue tells; else None.
    """

    key: SeriesKey
    quantity: Decimal
    entry_price: Decimal
    liquidation_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """Collateral at one venue, USD. `free_usd` is what may still back new positions."""

    venue: str
    total_usd: Decimal
    free_usd: Decimal


def own_quantity(venue_quantity: Decimal, attributed: Decimal) -> Decimal:
    """Return N, the operator's own quantity: what the venue shows less the sum of the daemon's own signed fills there.

    Caps and exposures use N alone, so a cut never feeds on itself: cutting 40 of 100 leaves 60 at the venue, and N
    is still 100.
    """
    return venue_quantity - attributed
