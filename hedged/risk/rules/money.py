"""Can it be paid for? Equity at risk, leverage, free collateral, distance from liquidation on both legs.

What the daemon holds on Injective is a part of the trader's own position, so leverage and collateral there bind only
divergence trades, which are a position of their own.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from hedged.domain.book import Position
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Intent, Strategy
from hedged.risk.at_risk import hedge_at_risk, known, pair_at_risk
from hedged.risk.exposure import reducing_part
from hedged.risk.facts import NOTHING, UNBOUNDED, GateFacts
from hedged.risk.limits import Limits
from hedged.risk.rules.openings import is_hedge, openings_only, to_fit
from hedged.risk.verdict import ALLOW, Reason, Refuse, Verdict


@openings_only
def equity_at_risk(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """All hedges together, or a divergence trade by itself, put no more than a share of equity at risk (E6).

    The legs of pairs that are still to be judged count as filled, and shrink with their order: half of a relocation is
    not what is going to be held.
    """
    most = limits.of(order.purpose.strategy).equity_at_risk * facts.equity_usd
    hedges, symbol = is_hedge(order), order.key.symbol
    to_come = [one for one in facts.pending if is_hedge(one) is hedges and one.key != order.key]
    elsewhere = NOTHING
    if hedges:  # all together; a divergence trade is judged by itself
        change = _changes((one, Decimal(1)) for one in to_come)
        symbols = {key.symbol for key in (*facts.attributed, *change)} - {symbol}
        elsewhere = sum((_at_risk_usd(other, facts, change, hedges=True) for other in symbols), NOTHING)
    legs = [one for one in to_come if one.key.symbol == symbol]

    def fits(coins: Decimal) -> bool:
        share = coins / order.quantity
        change = _changes((one, share if one.purpose is order.purpose else Decimal(1)) for one in legs)
        change[order.key] = order.side.sign * coins
        return elsewhere + _at_risk_usd(symbol, facts, change, hedges=hedges) <= most

    return to_fit(order, facts, fits, Refuse(Reason.AT_RISK, f"at most {most:,.2f} USD may be at risk"))


@openings_only
def leverage(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """Σ |position| ÷ its strategy's leverage ≤ collateral at the venue (C8, E6)."""
    if _on_own_margin(order):
        return ALLOW
    venue, mine = order.key.venue, limits.of(order.purpose.strategy).max_leverage
    collateral = facts.collateral_usd.get(venue, NOTHING)
    others = sum(
        (
            facts.usd(k, facts.worst(k)) / limits.of(facts.owner(k)).max_leverage
            for k in facts.exposed()
            if k != order.key and k.venue == venue and not _is_cut(k, facts)
        ),
        NOTHING,
    )

    def fits(coins: Decimal) -> bool:
        usd = facts.usd(order.key, facts.worst(order.key, order.side.sign * coins))
        return usd / mine + others <= collateral

    return to_fit(
        order, facts, fits, Refuse(Reason.OVER_LEVERAGE, f"{mine:f} × {collateral:,.0f} USD at {venue}")
    )


@openings_only
def free_collateral(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """What the order opens is backed by collateral that is free, after all that was approved before."""
    if _on_own_margin(order):
        return ALLOW
    venue = order.key.venue
    free = facts.free_usd.get(venue, NOTHING) - facts.committed_usd.get(venue, NOTHING)
    closes = reducing_part(facts.held(order.key), order.signed_quantity)
    factor = limits.of(order.purpose.strategy).max_leverage

    def fits(coins: Decimal) -> bool:
        return facts.usd(order.key, max(NOTHING, coins - closes)) / factor <= max(NOTHING, free)

    detail = f"{max(NOTHING, free):,.0f} USD free at {venue}, leverage {factor:f}"
    return to_fit(order, facts, fits, Refuse(Reason.NO_COLLATERAL, detail))


@openings_only
def liquidation(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The venue's positions stay so far from liquidation, with the cushion of E10.

    With collateral E behind gross notional Q and the largest maintenance ratio m among them, an adverse move of d
    liquidates where E − d·Q = m·(1 + d)·Q. A position whose liquidation price the venue tells is judged by that too.
    """
    if _on_own_margin(order):
        return ALLOW
    venue, least = order.key.venue, limits.liquidation_distance
    keys = {k for k in facts.exposed() if k.venue == venue and facts.worst(k) and not _is_cut(k, facts)}
    if (told := _told_distance(order, facts)) is not None and told < least:
        return Refuse(Reason.LIQUIDATION, f"{told:.1%} away at {venue}, at least {least:.1%}")
    ratio = max(_maintenance(k, facts) for k in {*keys, order.key})
    others = sum((facts.usd(k, facts.worst(k)) for k in keys - {order.key}), NOTHING)
    most = facts.collateral_usd.get(venue, NOTHING) / (least * (1 + ratio) + ratio)

    def fits(coins: Decimal) -> bool:
        return facts.usd(order.key, facts.worst(order.key, order.side.sign * coins)) + others <= most

    detail = f"at {venue} {most:,.0f} USD are {least:.1%} from liquidation"
    return to_fit(order, facts, fits, Refuse(Reason.LIQUIDATION, detail))


def own_liquidation(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """Giving back a cut leaves the trader's own position far enough from its liquidation, or no nearer than it is.

    Only where the venue tells its margin. A cut never brings it nearer: margin and size shrink alike.
    """
    own = facts.positions.get(order.key)
    if order.key.venue != INJECTIVE or own is None or own.margin_usd is None or order.quantity == 0:
        return ALLOW
    if own.quantity * order.signed_quantity <= 0:
        return ALLOW
    mark, ratio = facts.marks[order.key], _maintenance(order.key, facts)
    now = _distance(own, NOTHING, mark, ratio, UNBOUNDED)
    factor = limits.of(order.purpose.strategy).max_leverage

    def fits(coins: Decimal) -> bool:
        return _distance(own, coins, mark, ratio, factor) >= min(limits.liquidation_distance, now)

    detail = f"it is {now:.1%} from liquidation, at least {limits.liquidation_distance:.1%}"
    return to_fit(order, facts, fits, Refuse(Reason.OWN_LIQUIDATION, detail))


def _distance(own: Position, more: Decimal, mark: Decimal, ratio: Decimal, factor: Decimal) -> Decimal:
    """Return how far the mark may move against an isolated position after `more` coins at 1 ÷ factor margin."""
    margin = (own.margin_usd or NOTHING) + more * mark / factor
    size = abs(own.quantity) + more
    sign = 1 if own.quantity > 0 else -1
    entry = (own.entry_price * abs(own.quantity) + mark * more) / size
    liquidated = max(NOTHING, (entry - sign * margin / size) / (1 - sign * ratio))
    return sign * (mark - liquidated) / mark


def _told_distance(order: Intent, facts: GateFacts) -> Decimal | None:
    """Return how far the venue says that the position which the order enlarges is from its liquidation."""
    told, mark = facts.positions.get(order.key), facts.marks[order.key]
    if told is None or told.liquidation_price is None or told.quantity * order.signed_quantity <= 0:
        return None
    return (1 if told.quantity > 0 else -1) * (mark - told.liquidation_price) / mark


def _changes(orders: Iterable[tuple[Intent, Decimal]]) -> dict[SeriesKey, Decimal]:
    """Add up the signed coins of some orders, each at a share of its size."""
    total: dict[SeriesKey, Decimal] = {}
    for one, share in orders:
        total[one.key] = total.get(one.key, NOTHING) + one.signed_quantity * share
    return total


def _at_risk_usd(
    symbol: str, facts: GateFacts, change: Mapping[SeriesKey, Decimal], *, hedges: bool
) -> Decimal:
    """Return what one symbol's hedges, or its divergence trade, put at risk after a change."""
    book = {
        key: facts.held(key) + change.get(key, NOTHING)
        for key in {*facts.attributed, *change}
        if key.symbol == symbol and (key in change or hedges is (facts.owner(key) is not Strategy.DIVERGENCE))
    }
    sigma, basis = known(facts.sigma.get(symbol)), {k: known(facts.basis_sigma.get(k)) for k in book}
    if hedges:
        coins = hedge_at_risk(symbol, facts.own.get(symbol, NOTHING), book, sigma, basis)
    else:
        coins = pair_at_risk(symbol, book, sigma, basis)
    return facts.usd(_priced_by(symbol, facts), coins)


def _priced_by(symbol: str, facts: GateFacts) -> SeriesKey:
    """Return the market whose mark values a coin: Injective's, or another where that is not fresh."""
    here = SeriesKey(INJECTIVE, symbol)
    return here if here in facts.marks else min((k for k in facts.marks if k.symbol == symbol), default=here)


def _maintenance(key: SeriesKey, facts: GateFacts) -> Decimal:
    market = facts.markets.get(key)
    return market.maintenance_margin_ratio if market else Decimal(1)


def _on_own_margin(order: Intent) -> bool:
    """Tell whether an order changes the trader's own position, which has its own margin."""
    return order.key.venue == INJECTIVE and is_hedge(order)


def _is_cut(key: SeriesKey, facts: GateFacts) -> bool:
    return key.venue == INJECTIVE and facts.owner(key) is not Strategy.DIVERGENCE


RULES = (equity_at_risk, leverage, free_collateral, liquidation, own_liquidation)
