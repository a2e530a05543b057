"""Conditions of hedges, orders and collateral. Pure."""

from collections.abc import Iterator

from hedged.alerts.facts import Facts
from hedged.alerts.wording import coins, lasted, line, market
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import MINUTE_MS, SECOND_MS, iso
from hedged.domain.market import INJECTIVE

UNWOUND_WITHIN_MS = 2 * MINUTE_MS
ALONE_S = 30.0
"""A pair is worked for seconds; within this time one leg without the other is no news."""


def of_hedges(facts: Facts) -> list[Alert]:
    """Return all that stands of hedges."""
    return [*_stops(facts), *_mismatches(facts), *_pairs(facts), *_outcomes(facts), *_margins(facts)]


def _stops(facts: Facts) -> Iterator[Alert]:
    for symbol, episode in sorted(facts.episodes.items()):
        why = episode.why.removeprefix("stop: ")
        if episode.unwinding:
            text = f"Hedge of {symbol} stopped, being closed: {why}."
            yield Alert(Kind.STOP, Severity.WARNING, symbol, line(text), facts.now_ms)
            text = f"Hedge of {symbol} was stopped and is not closed yet: {why}. It is tried again; look at the venue."
            yield Alert(
                Kind.STOP, Severity.CRITICAL, f"{symbol} not closed", line(text), facts.now_ms,
                patience_ms=UNWOUND_WITHIN_MS,
            )  # fmt: skip
        elif facts.now_ms < episode.stopped_until_ms and symbol not in facts.held:
            until = iso(episode.stopped_until_ms)
            text = f"Hedge of {symbol} was stopped and is closed: {why}. None is opened before {until}."
            yield Alert(Kind.STOP, Severity.WARNING, symbol, line(text), facts.now_ms, reminds=False)
    for symbol, (seconds, why) in sorted(facts.blind.items()):
        if seconds >= facts.config.risk.unvalued_alert_s:
            since = lasted(round(seconds * SECOND_MS))
            text = f"The hedge of {symbol} goes without a stop: it could not be valued for {since}, {why}."
            yield Alert(Kind.STOP, Severity.CRITICAL, f"{symbol} not valued", line(text), facts.now_ms)


def _mismatches(facts: Facts) -> Iterator[Alert]:
    for key, why in sorted(facts.frozen.items()):
        text = f"What {key.venue} tells of {key.symbol} does not agree: {why}. Nothing is opened there."
        yield Alert(Kind.MISMATCH, Severity.CRITICAL, market(key), line(text), facts.now_ms)
    for key, client_id in sorted(facts.orphans.items()):
        text = (
            f"Order {client_id} of {market(key)} rests, nobody owns it, and it may fill. Cancel it by hand."
        )
        yield Alert(
            Kind.MISMATCH, Severity.CRITICAL, f"{market(key)} order", line(text), facts.now_ms,
            patience_ms=5 * MINUTE_MS,
        )  # fmt: skip


def _pairs(facts: Facts) -> Iterator[Alert]:
    for symbol, (left, seconds) in sorted(facts.alone.items()):
        if seconds > ALONE_S:
            text = (
                f"One leg of the {symbol} pair stands alone with {coins(left)} {symbol} for "
                f"{lasted(round(seconds * SECOND_MS))}. It is completed or taken back; else hedged halts."
            )
            yield Alert(Kind.PAIR, Severity.CRITICAL, symbol, text, facts.now_ms)


def _outcomes(facts: Facts) -> Iterator[Alert]:
    for key, count in sorted(facts.unresolved.items()):
        orders = "an order" if count == 1 else f"{count} orders"
        text = (
            f"Nobody knows what became of {orders} of {market(key)}. That is looked up, nothing is sent again; until "
            "it is known nothing is sent there."
        )
        yield Alert(
            Kind.UNKNOWN, Severity.CRITICAL, market(key), text, facts.now_ms, patience_ms=2 * MINUTE_MS
        )


def _margins(facts: Facts) -> Iterator[Alert]:
    limit, stop = facts.config.alerts.margin_distance, float(facts.config.risk.margin_stop)
    for key, margin in sorted(facts.margins.items()):
        if margin.distance >= limit:
            continue
        move = "fall" if margin.quantity > 0 else "rise"
        has = "" if margin.equity_usd is None else f", which has {margin.equity_usd:,.0f} USD of collateral"
        does = (
            "hedged does not trade your own position."
            if key.venue == INJECTIVE
            else f"The hedge is closed below {stop:.0%}."
        )
        text = (
            f"A {move} of {max(0.0, margin.distance):.1%} liquidates {key.symbol} on {key.venue}{has}. "
            f"Add collateral there. {does}"
        )
        yield Alert(Kind.MARGIN, Severity.CRITICAL, market(key), text, facts.now_ms, patience_ms=MINUTE_MS)
    yield from _collateral(facts)


def _collateral(facts: Facts) -> Iterator[Alert]:
    """Tell where nothing is left to back a hedge that is held."""
    told = {key.venue: margin for key, margin in facts.margins.items() if key.venue in facts.holding}
    for venue, margin in sorted(told.items()):
        equity, free = margin.equity_usd, margin.free_usd
        if equity is not None and free is not None and free < equity / 20:
            text = (
                f"{venue} has {free:,.0f} USD free of {equity:,.0f} USD of collateral: hedges there cannot grow and "
                "a move against them brings liquidation nearer. Transfer some."
            )
            yield Alert(
                Kind.MARGIN, Severity.WARNING, f"{venue} collateral", text, facts.now_ms,
                patience_ms=5 * MINUTE_MS,
            )  # fmt: skip
