"""What a stop does to the plan, and how much funding a planned hedge protects against."""

from collections.abc import Container, Mapping, Sequence
from decimal import Decimal

from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose
from hedged.strategy.snapshot import DesiredPosition
from hedged.strategy.state import SymbolPlan


def unwind(
    desired: Sequence[DesiredPosition],
    stopped: Mapping[str, str],
    attributed: Mapping[SeriesKey, Decimal],
    tradable: Container[SeriesKey],
) -> list[DesiredPosition]:
    """Replace the desired positions of stopped symbols: the daemon's own part of each market goes to zero.

    A cut whose far leg cannot be traded now stays with it: giving it back alone would double the position.
    """
    kept = [d for d in desired if d.key.symbol not in stopped]
    held = {key: q for key, q in sorted(attributed.items()) if key.symbol in stopped and q != 0}
    flat = []
    for key, quantity in held.items():
        stuck = sum((q for k, q in held.items() if k.symbol == key.symbol and k not in tradable), Decimal(0))
        stays = Decimal(0)
        if key.venue == INJECTIVE and stuck * quantity < 0:
            stays = max(quantity, -stuck) if quantity < 0 else min(quantity, -stuck)
        flat.append(DesiredPosition(key, stays, Purpose.STOP, stopped[key.symbol]))
    return kept + flat


def protected_usd(plan: SymbolPlan) -> float:
    """Return the funding that the planned hedge is expected to spare or earn over the horizon, USD ≥ 0."""
    return max(0.0, plan.expected_saving_usd)
