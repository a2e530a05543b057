"""What the rules that bind openings have in common: they never touch what only reduces."""

from collections.abc import Callable
from decimal import Decimal
from functools import wraps

from hedged.domain.orders import Intent, Strategy
from hedged.risk.exposure import reducing_part
from hedged.risk.facts import GateFacts
from hedged.risk.limits import Limits
from hedged.risk.verdict import ALLOW, Allow, Refuse, Shrink, Verdict

Rule = Callable[[Intent, GateFacts, Limits], Verdict]


def openings_only(rule: Rule) -> Rule:
    """Ask a rule only about orders that open something; of one that crosses zero the reducing part always passes."""

    @wraps(rule)
    def asked(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
        free = reducing_part(facts.held(order.key), order.signed_quantity)
        if free == order.quantity:
            return ALLOW
        verdict = rule(order, facts, limits)
        if isinstance(verdict, Allow) or free == 0:
            return verdict
        quantity = max(free, verdict.quantity) if isinstance(verdict, Shrink) else free
        return Shrink(verdict.reason, quantity, verdict.detail)

    return asked


def is_hedge(order: Intent) -> bool:
    """Tell whether an order hedges the trader's own position; divergence trades stand for themselves."""
    return order.purpose.strategy is not Strategy.DIVERGENCE


def largest_within(order: Intent, step: Decimal, fits: Callable[[Decimal], bool]) -> Decimal:
    """Return the largest number of coins up to the order's, in whole steps, that fits; −1 where nothing does.

    `fits` need not be monotone: what is returned fits, and one step more does not.
    """
    if fits(order.quantity):
        return order.quantity
    if not fits(Decimal(0)):
        return Decimal(-1)
    good, bad = 0, int(order.quantity / step)
    if fits(bad * step):
        return bad * step
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle * step) else (good, middle)
    return good * step


def to_fit(order: Intent, facts: GateFacts, fits: Callable[[Decimal], bool], no: Refuse) -> Verdict:
    """Allow what fits, shrink what fits in part; `no` where nothing of it fits."""
    largest = largest_within(order, facts.markets[order.key].quantity_step, fits)
    if largest == order.quantity:
        return ALLOW
    return Shrink(no.reason, largest, no.detail) if largest > 0 else no
