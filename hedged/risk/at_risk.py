"""Equity at risk: the 95 % loss of what the daemon holds over the horizon, USD (seed E6: at most 2 % of the account).

```
hedges of N:   z · Σ_symbols [σ · (|cut − same| + Σ opposite + enlarged) + Σ_venues basis σ · |leg|]
divergence:    z · [σ · |Σ_venues leg| + Σ_venues basis σ · |leg|], each symbol a trade of its own
```
Cut, same side and opposite perp are the three layers of the funding hedge: a relocation changes no price exposure, so
of it only the basis is at risk. Sizes are valued at Injective's mark; z = 1.6449, the same as the planner's.
"""

from collections.abc import Mapping
from decimal import Decimal

from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of

Z_95 = Decimal("1.6449")
NOTHING, UNKNOWN = Decimal(0), Decimal("Infinity")


def hedge_at_risk(
    symbol: str,
    own: Decimal,
    book: Mapping[SeriesKey, Decimal],
    sigma: Decimal,
    basis: Mapping[SeriesKey, Decimal],
) -> Decimal:
    """Return the share of one coin's price that its hedges put at risk, in coins. `book`: signed coins by market."""
    side = 1 if own >= 0 else -1
    legs = {key: q for key, q in book.items() if key.symbol == symbol and key.venue != INJECTIVE and q}
    here = -side * book.get(SeriesKey(INJECTIVE, symbol), NOTHING)
    same = sum((side * q for q in legs.values() if side * q > 0), NOTHING)
    opposite = sum((-side * q for q in legs.values() if side * q < 0), NOTHING)
    open_to_price = abs(max(here, NOTHING) - same) + opposite + max(-here, NOTHING)
    return Z_95 * (_times(sigma, open_to_price) + _basis(legs, basis))


def pair_at_risk(
    symbol: str, book: Mapping[SeriesKey, Decimal], sigma: Decimal, basis: Mapping[SeriesKey, Decimal]
) -> Decimal:
    """Return the same of positions that hedge nothing but each other."""
    legs = {key: q for key, q in book.items() if key.symbol == symbol and q}
    away = {key: q for key, q in legs.items() if key.venue != INJECTIVE}
    return Z_95 * (_times(sigma, abs(sum(legs.values(), NOTHING))) + _basis(away, basis))


def known(value: float | None) -> Decimal:
    """Turn a standard deviation into a Decimal; infinite where it is unknown."""
    return UNKNOWN if value is None or not 0 <= value < float("inf") else decimal_of(value)


def _basis(legs: Mapping[SeriesKey, Decimal], basis: Mapping[SeriesKey, Decimal]) -> Decimal:
    return sum((_times(basis.get(key, UNKNOWN), abs(q)) for key, q in legs.items()), NOTHING)


def _times(sigma: Decimal, coins: Decimal) -> Decimal:
    return sigma * coins if coins else NOTHING  # nothing held is no risk, however prices move
