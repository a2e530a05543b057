"""When a venue liquidates, at which price, and what that costs. Pure.

An exchange holds all legs by one collateral (cross): it liquidates while equity < Σ mᵢ|qᵢ|pᵢ, the leg with the largest
loss first, and takes a fee. Injective holds each position by its own margin (isolated): it is liquidated at
(entry − m/q)/(1 − MMR) for a long, (entry + m/q)/(1 + MMR) for a short, and what the margin has left goes to the
insurance fund. What neither margin nor collateral covers, the venue's insurance pays: it is told as such.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Leg:
    """A position. `quantity`: signed coins; `maintenance`: maintenance margin ÷ notional at the mark."""

    quantity: Decimal
    entry_price: Decimal
    mark: Decimal
    maintenance: Decimal

    def profit_usd(self, price: Decimal | None = None) -> Decimal:
        """Return the unrealised profit, at the mark or at another price."""
        return ((self.mark if price is None else price) - self.entry_price) * self.quantity

    @property
    def maintenance_usd(self) -> Decimal:
        """What the leg must be backed by at its mark."""
        return abs(self.quantity) * self.mark * self.maintenance


@dataclass(frozen=True, slots=True)
class Loss:
    """What a liquidation takes beyond the price, USD, both ≥ 0: a penalty, and what the insurance has to pay."""

    penalty_usd: Decimal
    insured_usd: Decimal

    @property
    def fee_usd(self) -> Decimal:
        """The fee of the forced execution: the penalty, less what was not there to be taken."""
        return self.penalty_usd - self.insured_usd


def isolated_price(leg: Leg, margin_usd: Decimal) -> Decimal:
    """Return the mark at which a position with a margin of its own is liquidated; 0: never."""
    sign = 1 if leg.quantity > 0 else -1
    return max(
        NOTHING, (leg.entry_price - sign * margin_usd / abs(leg.quantity)) / (1 - sign * leg.maintenance)
    )


def isolated_loss(leg: Leg, margin_usd: Decimal, price: Decimal) -> Loss:
    """Return what is lost where an isolated position is closed at `price`: all that its margin has left."""
    left = margin_usd + leg.profit_usd(price)
    return Loss(max(NOTHING, left), max(NOTHING, -left))


def margin_call_usd(leg: Leg, margin_usd: Decimal, initial: Decimal) -> Decimal:
    """Return what must be added to an isolated position at its mark to be at the initial margin ratio again."""
    return max(NOTHING, abs(leg.quantity) * leg.mark * initial - margin_usd - leg.profit_usd())


def cross_price(of: str, legs: Mapping[str, Leg], cash_usd: Decimal) -> Decimal | None:
    """Return the mark of one leg at which the account is at its maintenance, all others as they stand; None: at none.

    Solves cash + Σ profit + q·(p − entry) = Σ maintenance + m|q|p for p.
    """
    leg = legs[of]
    others = sum((o.profit_usd() - o.maintenance_usd for s, o in legs.items() if s != of), cash_usd)
    price = (leg.entry_price * leg.quantity - others) / (leg.quantity - leg.maintenance * abs(leg.quantity))
    return price if price > 0 else None


def cross_due(legs: Mapping[str, Leg], cash_usd: Decimal) -> str | None:
    """Return the leg that an account below its maintenance loses now: the one with the largest loss; None: it holds."""
    equity = sum((leg.profit_usd() for leg in legs.values()), cash_usd)
    if not legs or equity >= sum((leg.maintenance_usd for leg in legs.values()), NOTHING):
        return None
    return min(legs, key=lambda symbol: (legs[symbol].profit_usd(), symbol))


def cross_loss(of: str, legs: Mapping[str, Leg], cash_usd: Decimal, price: Decimal, fee: Decimal) -> Loss:
    """Return what is lost where a leg is closed at `price`: a fee (fraction of its notional), of what there is.

    Once the last leg is gone, a negative equity is the insurance's.
    """
    equity = (
        cash_usd
        + legs[of].profit_usd(price)
        + sum((leg.profit_usd() for symbol, leg in legs.items() if symbol != of), NOTHING)
    )
    penalty = min(max(NOTHING, equity), abs(legs[of].quantity) * price * fee)
    return Loss(penalty, max(NOTHING, -equity) if len(legs) == 1 else NOTHING)


def crossed(leg: Leg, price: Decimal, low: Decimal, high: Decimal) -> Decimal | None:
    """Return at which price a leg is liquidated within a bar that reached `low` and `high`; None where it is not.

    At its liquidation price; at the bar's better end where the whole bar lies beyond it.
    """
    if leg.quantity > 0:
        return min(price, high) if low <= price else None
    return max(price, low) if high >= price else None
