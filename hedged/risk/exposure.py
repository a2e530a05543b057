"""Exposure in base quantity: how much of the cap a set of hedge positions uses, and what an order does to it."""

from collections.abc import Mapping
from decimal import Decimal

from hedged.domain.market import INJECTIVE, SeriesKey


def cap_usage(symbol: str, own: Decimal, attributed: Mapping[SeriesKey, Decimal]) -> Decimal:
    """Return Σ|own cut| + Σ|opposite perp| + Σ|relocated| in coins; a relocation counts once.

    `attributed`: the daemon's signed coins by market. A same-side leg elsewhere is the far side of a relocation, so it
    is covered by the cut as far as that reaches; whatever is not covered counts by itself. Anything that makes the own
    position larger (a fill against the cut's direction) counts too.
    """
    side = 1 if own >= 0 else -1
    here = -side * attributed.get(SeriesKey(INJECTIVE, symbol), Decimal(0))
    same = opposite = Decimal(0)
    for key, quantity in attributed.items():
        if key.symbol != symbol or key.venue == INJECTIVE:
            continue
        same += max(Decimal(0), side * quantity)
        opposite += max(Decimal(0), -side * quantity)
    enlarged = max(Decimal(0), -here)
    return max(here, same, Decimal(0)) + opposite + enlarged


def reduces(attributed: Decimal, change: Decimal) -> bool:
    """Tell whether a change takes the daemon's own part of a market towards zero without crossing it."""
    return attributed * change < 0 and abs(change) <= abs(attributed)


def gross(symbol: str, attributed: Mapping[SeriesKey, Decimal]) -> Decimal:
    """Return Σ|the daemon's own part| over the venues, in coins."""
    return sum((abs(q) for key, q in attributed.items() if key.symbol == symbol), Decimal(0))
