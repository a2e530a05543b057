"""How far prices may move against what is held before a venue liquidates it. Pure.

Where a venue tells a position's liquidation price, that counts. Else all legs at the venue share its collateral (cross
margin) and all prices move against them at once: distance = (E − Σ mᵢ|qᵢ|pᵢ) ÷ Σ |qᵢ|pᵢ(1 + mᵢ), with equity E and
maintenance ratios mᵢ. Venues liquidate 2–3 % off the theoretical price (requirement E10): thresholds include that.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from hedged.domain.market import INJECTIVE, Market, SeriesKey


class Margin(Protocol):
    """What an account says of its margin: see `AccountState`."""

    @property
    def attributed(self) -> Mapping[SeriesKey, Decimal]:
        """The daemon's signed coins by market."""
        ...

    @property
    def collateral_usd(self) -> Mapping[str, Decimal]:
        """With unrealised profit, by venue."""
        ...

    @property
    def liquidation_prices(self) -> Mapping[SeriesKey, Decimal]:
        """Of whole positions, where venues tell them."""
        ...


def liquidation_distances(
    account: Margin,
    collateral_usd: Mapping[str, Decimal],
    marks: Mapping[SeriesKey, float],
    markets: Mapping[SeriesKey, Market],
) -> dict[SeriesKey, float]:
    """Return the relative adverse move at which each leg is liquidated, and each own position that venues tell of.

    `collateral_usd`: by venue, at these marks. What cannot be known is missing; ≤ 0: it is due.
    """
    told = account.liquidation_prices
    found = {key: abs(1 - float(price) / marks[key]) for key, price in told.items() if key in marks}
    legs = {k: q for k, q in account.attributed.items() if q and k.venue != INJECTIVE}
    for venue in {key.venue for key in legs}:
        here = {key: float(q) for key, q in legs.items() if key.venue == venue}
        if venue not in collateral_usd or not set(here) <= set(marks) & set(markets):
            continue
        sizes = {key: abs(q) * marks[key] for key, q in here.items()}
        ratios = {key: float(markets[key].maintenance_margin_ratio) for key in here}
        maintenance = sum(sizes[key] * ratios[key] for key in here)
        reach = sum(sizes[key] * (1 + ratios[key]) for key in here)
        distance = (float(collateral_usd[venue]) - maintenance) / reach
        found |= {key: distance for key in here if key not in told}
    return found


def collateral_now(
    account: Margin, then: Mapping[SeriesKey, float], now: Mapping[SeriesKey, float]
) -> dict[str, Decimal]:
    """Carry each hedge venue's collateral from the marks at which it was told to those of now."""
    found = dict(account.collateral_usd)
    for key, quantity in account.attributed.items():
        if quantity and key.venue in found and key.venue != INJECTIVE and key in then and key in now:
            found[key.venue] += quantity * Decimal(now[key] - then[key])
    return found


def near_liquidation(
    held: Mapping[SeriesKey, Decimal], distances: Mapping[SeriesKey, float], limit: Decimal
) -> dict[str, str]:
    """Say by symbol of which hedges a leg is nearer to its liquidation than `limit` allows."""
    near = {}
    for key in sorted(held):
        distance = distances.get(key)
        if key.venue != INJECTIVE and distance is not None and distance < limit:
            near[key.symbol] = (
                f"stop: {key.venue} would liquidate the leg after a move of {max(0.0, distance):.1%} against it; "
                f"risk.margin_stop is {limit:.1%}"
            )
    return near
