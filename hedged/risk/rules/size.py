"""How large may an opening be? Depth, rates, positions, and the cap on hedging. What only reduces is never asked."""

from collections.abc import Callable
from decimal import Decimal

from hedged.domain.market import SeriesKey
from hedged.domain.orders import Intent, Strategy
from hedged.risk.exposure import worst_cap_usage
from hedged.risk.facts import NOTHING, GateFacts
from hedged.risk.limits import Limits
from hedged.risk.rules.openings import is_hedge, openings_only, to_fit
from hedged.risk.verdict import ALLOW, Reason, Refuse, Shrink, Verdict


@openings_only
def order_rate(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """Orders within an hour are counted."""
    if facts.orders_last_hour >= limits.max_orders_per_hour:
        return Refuse(Reason.ORDER_RATE, f"{facts.orders_last_hour} within the last hour")
    return ALLOW


@openings_only
def depth(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """It takes no more than its share of what rests within 50 bp, together with what was approved before."""
    resting = facts.markets[order.key].costs.depth_usd
    room = limits.depth_share * resting - facts.taken_usd.get(order.key, NOTHING)
    detail = f"{limits.depth_share * 100:f} % of the {resting:,.0f} USD within 50 bp"
    return _at_most(room, order, facts, Refuse(Reason.TOO_DEEP, detail))


@openings_only
def notional_rate(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """So much notional within an hour; by default the own book's."""
    most = limits.max_notional_per_hour_usd
    most = facts.book_usd if most is None else most
    detail = f"{facts.notional_last_hour_usd:,.0f} of {most:,.0f} USD are used"
    return _at_most(most - facts.notional_last_hour_usd, order, facts, Refuse(Reason.NOTIONAL_RATE, detail))


@openings_only
def position(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The daemon's own part, worst-case open orders included, per market, per venue and in all."""
    venue, everything = order.key.venue, {order.key, *facts.exposed()}
    told = (
        (str(order.key), limits.max_market_usd, {order.key}),
        (venue, limits.max_venue_usd, {key for key in everything if key.venue == venue}),
        ("all venues", limits.max_total_usd, everything),
    )
    asked = [(w, most, _within(order, facts, keys, most)) for w, most, keys in told if most is not None]
    broken = [
        f"{where}: at most {most:,.0f} USD" for where, most, within in asked if not within(order.quantity)
    ]
    no = Refuse(Reason.POSITION_LIMIT, "; ".join(broken))
    return to_fit(order, facts, lambda coins: all(within(coins) for _, _, within in asked), no)


@openings_only
def cap(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """Σ|own cut| + Σ|opposite perp| + Σ|relocated| ≤ cap · |N|, worst-case open orders included (A9).

    Divergence trades hedge nothing: the cap neither binds them nor counts them.
    """
    if not is_hedge(order):
        return ALLOW
    symbol = order.key.symbol
    own = facts.own.get(symbol, NOTHING)
    most = limits.cap * abs(own)
    mine = {
        key: facts.held(key)
        for key in facts.exposed()
        if key.symbol == symbol and (key == order.key or facts.owner(key) is not Strategy.DIVERGENCE)
    }
    resting = [(one.key, one.signed) for one in facts.open_orders if one.key in mine]

    def fits(coins: Decimal) -> bool:
        book = mine | {order.key: facts.held(order.key) + order.side.sign * coins}
        return worst_cap_usage(symbol, own, book, resting) <= most

    share = f"{limits.cap * 100:f} % of {abs(own):,f} {symbol}"
    return to_fit(order, facts, fits, Refuse(Reason.OVER_CAP, share))


def _at_most(room_usd: Decimal, order: Intent, facts: GateFacts, no: Refuse) -> Verdict:
    mark = facts.marks[order.key]
    if order.quantity * mark <= room_usd:
        return ALLOW
    return Shrink(no.reason, room_usd / mark, no.detail) if room_usd > 0 else no


def _within(
    order: Intent, facts: GateFacts, keys: set[SeriesKey], limit: Decimal
) -> Callable[[Decimal], bool]:
    """Tell of a number of the order's coins whether the own part of some markets stays within a limit."""
    others = sum((facts.usd(key, facts.worst(key)) for key in keys if key != order.key), NOTHING)

    def fits(coins: Decimal) -> bool:
        return facts.usd(order.key, facts.worst(order.key, order.side.sign * coins)) + others <= limit

    return fits


RULES = (order_rate, depth, notional_rate, position, cap)
