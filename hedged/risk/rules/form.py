"""Is the order well formed for its venue, and near the market? These bind every order."""

from hedged.domain.orders import Intent
from hedged.risk.exposure import reduces
from hedged.risk.facts import GateFacts
from hedged.risk.limits import Limits
from hedged.risk.verdict import ALLOW, Reason, Refuse, Verdict


def numbers(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """Every number is finite and positive; quantity and price lie on the venue's ticks."""
    market, held = facts.markets[order.key], facts.held(order.key)
    told = (order.quantity, order.worst_price, order.reference_price, facts.marks[order.key])
    if not all(n.is_finite() and n > 0 for n in told) or not held.is_finite():
        return Refuse(Reason.BAD_NUMBER)
    if order.quantity % market.quantity_step or order.worst_price % market.price_tick:
        return Refuse(Reason.BAD_NUMBER, "off the venue's ticks")
    return ALLOW


def minimum(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """At least the venue's smallest order, at the mark."""
    usd, least = facts.usd(order.key, order.quantity), facts.markets[order.key].min_notional_usd
    if usd < least:
        return Refuse(Reason.BELOW_MINIMUM, f"{usd:,.2f} of at least {least:,.2f} USD")
    return ALLOW


def price_collar(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The worst price is no further from the mark than the collar, on the side that costs.

    What only reduces the daemon's own part may go further: not to get out can cost more than a bad price.
    """
    market, mark = facts.markets[order.key], facts.marks[order.key]
    out = reduces(facts.held(order.key), order.signed_quantity)
    collar_bp = limits.reduce_collar_bp if out else limits.price_collar_bp
    if (order.worst_price - mark) * order.side.sign > collar_bp / 10_000 * mark + market.price_tick:
        return Refuse(
            Reason.PRICE_COLLAR,
            f"worst price {order.worst_price:f}, mark {mark:f}, collar {collar_bp:f} bp",
        )
    return ALLOW


RULES = (numbers, minimum, price_collar)
