"""What a stop does to the plan, and how much funding a planned hedge protects against."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from hedged.domain.market import SeriesKey
from hedged.domain.orders import Purpose
from hedged.strategy.snapshot import DesiredPosition
from hedged.strategy.state import SymbolPlan


def unwind(
    desired: Sequence[DesiredPosition], stopped: Mapping[str, str], attributed: Mapping[SeriesKey, Decimal]
) -> list[DesiredPosition]:
    """Replace the desired positions of stopped symbols: the daemon's own part of each market goes to zero."""
    kept = [d for d in desired if d.key.symbol not in stopped]
    flat = [
        DesiredPosition(key, Decimal(0), Purpose.STOP, stopped[key.symbol])
        for key, quantity in sorted(attributed.items())
        if key.symbol in stopped and quantity != 0
    ]
    return kept + flat


def protected_usd(plan: SymbolPlan) -> float:
    """Return the funding that the planned hedge is expected to spare or earn over the horizon, USD ≥ 0."""
    return max(0.0, plan.expected_saving_usd)
