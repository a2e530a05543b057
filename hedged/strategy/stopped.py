"""What a stop does to the plan, and how much funding a planned hedge protects against."""

from collections.abc import Container, Mapping, Sequence
from decimal import Decimal

from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose, Strategy
from hedged.strategy.snapshot import DesiredPosition
from hedged.strategy.state import SymbolPlan


def unwind(
    desired: Sequence[DesiredPosition],
    stopped: Mapping[str, str],
    attributed: Mapping[SeriesKey, Decimal],
    tradable: Container[SeriesKey],
) -> list[DesiredPosition]:
    """Replace the funding hedge's desired positions of stopped symbols: its part of each market goes to zero.

    `attributed`: that part alone; what other strategies want stands.
    A cut whose far leg cannot be traded now stays with it: giving it back alone would double the position.
    """
    kept = [
        d for d in desired if d.key.symbol not in stopped or d.purpose.strategy is not Strategy.FUNDING_HEDGE
    ]
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
    """Return the funding that the planned hedge protects against, USD ≥ 0: the loss at which it is given up.

    It counts over the time for which the hedge is likely held: the horizon, and the time after it that gives it worth.
    """
    return sum(leg.target_usd * leg.protects_per_usd for leg in plan.legs)
