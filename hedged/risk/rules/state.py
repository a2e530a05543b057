"""Is the daemon in a state to send anything, and is this market known? These bind every order."""

from hedged.domain.orders import Intent, Purpose
from hedged.risk.exposure import reduces
from hedged.risk.facts import GateFacts
from hedged.risk.kill import KillLevel, killed
from hedged.risk.limits import Limits
from hedged.risk.verdict import ALLOW, Reason, Refuse, Verdict


def kill_latch(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """Nothing passes a latched kill but what its level lets through."""
    if killed(order, facts.kill):
        return Refuse(Reason.KILLED, facts.kill.label)
    return ALLOW


def hashes(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """Decided with what is loaded, or not at all."""
    return ALLOW if order.hashes == facts.loaded else Refuse(Reason.HASH_MISMATCH)


def reconciled(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """No order before every venue has said what is held there; a stop, or what mends a pair, does not wait."""
    return ALLOW if facts.reconciled or _can_go_on(order, facts) else Refuse(Reason.NOT_RECONCILED)


def _can_go_on(order: Intent, facts: GateFacts) -> bool:
    """Tell whether a stop, a flatten or what mends a pair takes off risk at a venue that is known while another is not.

    Whether the other half of what is held there may stay behind is for `strategy.stopped` to say.
    """
    known = bool(facts.unknown) and order.key.venue not in facts.unknown
    unwinds = order.purpose is Purpose.STOP or facts.kill is KillLevel.FLATTEN or order.key in facts.alone
    return known and unwinds and reduces(facts.held(order.key), order.signed_quantity)


def market_known(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """The venue's rules for this market are known."""
    return ALLOW if order.key in facts.markets else Refuse(Reason.UNKNOWN_MARKET)


def price_fresh(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """There is a mark that is young enough."""
    return ALLOW if order.key in facts.marks else Refuse(Reason.STALE_PRICE)


RULES = (kill_latch, hashes, reconciled, market_known, price_fresh)
