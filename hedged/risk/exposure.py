"""Exposure in base quantity: how much of the cap a set of hedge positions uses, and what an order does to it."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import product

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


def worst_cap_usage(
    symbol: str,
    own: Decimal,
    attributed: Mapping[SeriesKey, Decimal],
    open_orders: Iterable[tuple[SeriesKey, Decimal]],
) -> Decimal:
    """Return the largest `cap_usage` that there can be, whichever of the open orders (signed coins) fill, and how far.

    Usage is convex in every position, so it is largest where each market has all of its buys or all of its sells.
    """
    span: dict[SeriesKey, list[Decimal]] = {}
    for key, signed in open_orders:
        low, high = span.get(key, [Decimal(0), Decimal(0)])
        span[key] = [low + min(signed, Decimal(0)), high + max(signed, Decimal(0))]
    corners = product(*([(key, change) for change in changes] for key, changes in span.items()))
    return max(
        cap_usage(
            symbol, own, {**attributed, **{key: attributed.get(key, Decimal(0)) + c for key, c in corner}}
        )
        for corner in corners
    )


def reduces(attributed: Decimal, change: Decimal) -> bool:
    """Tell whether a change takes the daemon's own part of a market towards zero without crossing it."""
    return attributed * change < 0 and abs(change) <= abs(attributed)


def reducing_part(attributed: Decimal, change: Decimal) -> Decimal:
    """Return how many coins of a change take the own part towards zero; what goes beyond zero opens."""
    return min(abs(attributed), abs(change)) if attributed * change < 0 else Decimal(0)


def gross(symbol: str, attributed: Mapping[SeriesKey, Decimal]) -> Decimal:
    """Return Σ|the daemon's own part| over the venues, in coins."""
    return sum((abs(q) for key, q in attributed.items() if key.symbol == symbol), Decimal(0))
