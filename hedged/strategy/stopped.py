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

    `attributed`: the part that stops by this rule; what a divergence trade wants stands.
    `tradable`: markets with a price, at venues that answer. The halves of a relocation go together or stay together:
    giving back a cut whose far leg cannot be closed would double the position, closing a far leg whose cut cannot be
    given back would leave the trader with less than he holds.
    """
    kept = [d for d in desired if d.key.symbol not in stopped or d.purpose.strategy is Strategy.DIVERGENCE]
    for symbol in sorted(stopped):
        held = {key: q for key, q in sorted(attributed.items()) if key.symbol == symbol and q != 0}
        stays = _stays(held, tradable)
        kept += [
            DesiredPosition(key, stays.get(key, Decimal(0)), Purpose.STOP, stopped[symbol]) for key in held
        ]
    return kept


def _stays(held: Mapping[SeriesKey, Decimal], tradable: Container[SeriesKey]) -> dict[SeriesKey, Decimal]:
    """Return what of one coin's cut, or of the legs on its trader's side, must wait for its other half."""
    cut = next(((key, q) for key, q in held.items() if key.venue == INJECTIVE), None)
    if cut is None:
        return {}
    here, quantity = cut
    side = 1 if quantity < 0 else -1
    far = {key: q for key, q in held.items() if key != here and q * side > 0}
    if here in tradable:
        stuck = sum((abs(q) for key, q in far.items() if key not in tradable), Decimal(0))
        return {here: -side * min(stuck, abs(quantity))}
    stays, left = {}, abs(quantity)
    # what cannot be traded anyway stands for the cut first
    for key in sorted(far, key=lambda key: (key in tradable, key)):
        stays[key] = side * min(left, abs(far[key]))
        left -= abs(stays[key])
    return stays


def protected_usd(plan: SymbolPlan) -> float:
    """Return the funding that the planned hedge protects against, USD ≥ 0: the loss at which it is given up.

    It counts over the time for which the hedge is likely held: the horizon, and the time after it that gives it worth.
    """
    return sum(leg.target_usd * leg.protects_per_usd for leg in plan.legs)
