"""May anything be opened on this market now? Whatever its size; what only reduces is never asked."""

from dataclasses import replace
from decimal import Decimal
from math import isfinite

from hedged.domain.clock import SECOND_MS
from hedged.domain.forecast import STAND_IN
from hedged.domain.market import INJECTIVE, SeriesKey, decimal_of
from hedged.domain.orders import Intent, Purpose, Side
from hedged.risk.facts import GateFacts
from hedged.risk.limits import Limits
from hedged.risk.rules.openings import is_hedge, openings_only
from hedged.risk.verdict import ALLOW, Reason, Refuse, Verdict, said


@openings_only
def figures(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """Whatever the limits are computed from is a finite number: an infinite equity would allow anything."""
    venue = order.key.venue
    money = (facts.equity_usd, facts.book_usd, facts.notional_last_hour_usd)
    told = [*money, *facts.own.values(), *facts.attributed.values(), *(o.signed for o in facts.open_orders)]
    told += [by[venue] for by in (facts.collateral_usd, facts.free_usd) if venue in by]
    told.append(facts.markets[order.key].costs.depth_usd)
    lost = (facts.losses.day_usd, facts.losses.drawdown_usd)
    if all(number.is_finite() for number in told) and all(isfinite(usd) for usd in lost):
        return ALLOW
    return Refuse(Reason.BAD_NUMBER, "equity, positions, collateral or losses are not all numbers")


@openings_only
def owner(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """A market that is held for one strategy takes no order of another."""
    holder = facts.owner(order.key)
    if facts.held(order.key) and holder is not order.purpose.strategy:
        return Refuse(Reason.OWNED_BY_OTHER, f"held for {holder}")
    return ALLOW


@openings_only
def market_open(order: Intent, facts: GateFacts, _: Limits) -> Verdict:
    """No venue event, quarantine or signal speaks against it (C13)."""
    why = facts.closed.get(order.key)
    return ALLOW if why is None else Refuse(Reason.VENUE_CLOSED, why)


@openings_only
def venue_health(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The venue answers, and tells what became of every order."""
    venue = order.key.venue
    if any(one.key.venue == venue for one in facts.open_orders):
        return Refuse(Reason.VENUE_UNHEALTHY, f"an order at {venue} is open or its outcome unknown")
    failed = facts.failures.get(venue, 0)
    if failed > limits.max_venue_failures:
        return Refuse(Reason.VENUE_UNHEALTHY, f"{venue} failed {failed} times within an hour")
    return ALLOW


@openings_only
def clock_skew(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """This machine's clock is near the venue's, where that is measured."""
    offset_ms = facts.clock_offsets_ms.get(order.key.venue, 0)
    if abs(offset_ms) > limits.max_clock_skew_ms:
        return Refuse(Reason.CLOCK_SKEW, f"{offset_ms / SECOND_MS:+.1f} s from {order.key.venue}'s")
    return ALLOW


@openings_only
def forecast_fresh(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The forecast is young, and not of the future."""
    age_ms = facts.now_ms - facts.forecast_made_ms
    if not 0 <= age_ms <= limits.max_forecast_age_ms:
        return Refuse(Reason.STALE_FORECAST, f"{age_ms / SECOND_MS:.0f} s old")
    return ALLOW


@openings_only
def model_health(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The forecaster that was asked for has a word on this market and, for a hedge, on the coin's on Injective."""
    here = [SeriesKey(INJECTIVE, order.key.symbol)] if is_hedge(order) else []
    for key in (order.key, *here):
        who = facts.forecast_by.get(key)
        if who is None:
            return Refuse(Reason.MODEL_UNHEALTHY, f"{key} was not forecast")
        if who == STAND_IN and not limits.open_on_stand_in:
            return Refuse(Reason.MODEL_UNHEALTHY, f"{key} was forecast by the stand-in, {STAND_IN}")
    return ALLOW


@openings_only
def forecast_record(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The forecasts of this market and, for a hedge, of the coin's on Injective have lately kept to their bands."""
    here = [SeriesKey(INJECTIVE, order.key.symbol)] if is_hedge(order) else []
    for key in dict.fromkeys((order.key, *here)):
        seen = facts.misses.get(key)
        if seen is not None and seen.surely_above(limits.max_miss_share):
            told = f"{seen.missed} of the last {seen.of} settlements of {key} outside their 80 % band"
            return Refuse(Reason.FORECAST_MISSES, told)
    return ALLOW


@openings_only
def settlement(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The fill surely falls before or surely after the market's next settlement, by the venue's clock.

    Only shortly before it can that be unsure: what is sent after a settlement cannot be filled before it, except where
    this machine's clock runs ahead of the venue's, which is why the measured offset is taken off. It holds whether the
    settlement would be paid or received: what was planned holds on one side of it only.
    """
    due_ms = facts.settles_ms.get(order.key)
    if due_ms is None:
        return ALLOW
    left_ms = due_ms - (facts.now_ms - facts.clock_offsets_ms.get(order.key.venue, 0))
    if 0 < left_ms <= limits.settlement_guard_ms:
        return Refuse(Reason.NEAR_SETTLEMENT, f"in {left_ms / SECOND_MS:.1f} s")
    return ALLOW


@openings_only
def daily_loss(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The hedges have not lost too much since 00:00 UTC."""
    return _loss(Reason.DAILY_LOSS, facts.losses.day_usd, limits.max_daily_loss, facts)


@openings_only
def drawdown(order: Intent, facts: GateFacts, limits: Limits) -> Verdict:
    """The hedges have not lost too much since their best moment."""
    return _loss(Reason.DRAWDOWN, facts.losses.drawdown_usd, limits.max_drawdown, facts)


def loss_limit(facts: GateFacts, limits: Limits) -> str:
    """Say which limit on losses is reached; nothing where none is."""
    verdicts = (
        _loss(Reason.DAILY_LOSS, facts.losses.day_usd, limits.max_daily_loss, facts),
        _loss(Reason.DRAWDOWN, facts.losses.drawdown_usd, limits.max_drawdown, facts),
    )
    return "; ".join(said(v.reason, v.detail) for v in verdicts if isinstance(v, Refuse))


def standing(key: SeriesKey, facts: GateFacts, limits: Limits) -> str:
    """Say why nothing could be opened on a market now, however small and by whom; nothing where it could.

    What the facts call closed is left out: whoever passed it in knows.
    """
    # a coin that is not followed on Injective is not hedged, only traded
    hedged = SeriesKey(INJECTIVE, key.symbol) in facts.markets
    purpose = Purpose.HEDGE_OPEN if hedged else Purpose.DIVERGENCE_OPEN
    probe = Intent(
        facts.now_ms, key, Side.BUY, Decimal(1), Decimal(1), Decimal(1), purpose, False, facts.loaded
    )  # fmt: skip
    flat = replace(facts, attributed={})
    for rule in (
        venue_health,
        clock_skew,
        forecast_fresh,
        model_health,
        forecast_record,
        daily_loss,
        drawdown,
    ):
        verdict = rule(probe, flat, limits)
        if isinstance(verdict, Refuse):
            return said(verdict.reason, verdict.detail)
    return ""


def _loss(reason: Reason, lost_usd: float, share: Decimal, facts: GateFacts) -> Verdict:
    most = share * facts.equity_usd
    if decimal_of(lost_usd) < most:
        return ALLOW
    return Refuse(reason, f"{lost_usd:,.2f} of at most {most:,.2f} USD")


RULES = (
    figures, owner, market_open, venue_health, clock_skew, forecast_fresh, model_health, forecast_record,
    settlement, daily_loss, drawdown,
)  # fmt: skip
