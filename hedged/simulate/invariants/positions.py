"""Invariants of what is held and known: 3, 5, 10 of the design."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from hedged.domain.clock import SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Intent
from hedged.risk.exposure import worst_cap_usage
from hedged.simulate.history import Event
from hedged.simulate.invariants.rules import NOTHING, Book, Rules, Sent, is_hedge, said

SEEN_BEFORE_MS = 75 * SECOND_MS
"""An execution within a minute of a settlement may count on either side of it."""
WRONG_BY = 0.13
"""A price that is decided on may be off by what the judge lets pass (10 %) and by what it moved since."""
MOVED = Decimal("1.12")
"""Limits in USD are judged at the marks that the daemon had: these may have moved on."""


def within_limits(events: Sequence[Event], rules: Rules) -> str:
    """3: no order that opens could bring the hedges beyond the cap, or the positions beyond their limits."""
    book = Book.of(rules)
    orders: dict[str, Sent] = {}
    for event in events:
        book.see(event)
        if event.kind == "record_event" and event.what["args"][0] in orders:
            orders[event.what["args"][0]].event = event.what["args"][2]
            if orders[event.what["args"][0]].settled:
                del orders[event.what["args"][0]]
        elif event.kind == "send":
            intent = event.what["intent"]
            pending = [(o.intent.key, o.intent.signed_quantity) for o in orders.values()]
            pending.append((intent.key, intent.signed_quantity))
            if book.opens(intent):
                wrong = _over_cap(event, intent, book, pending, rules) or _over_limit(
                    event, intent, book, rules
                )
                if wrong:
                    return said(event, wrong)
            orders[event.what["client_id"]] = Sent(event.at_ms, event.life, intent)
    return ""


def _over_cap(
    event: Event, intent: Intent, book: Book, pending: list[tuple[SeriesKey, Decimal]], rules: Rules
) -> str:
    symbol = intent.key.symbol
    if not is_hedge(intent.purpose):
        return ""
    held = {key: q for key, q in book.ours.items() if key.symbol == symbol}
    pending = [one for one in pending if one[0].symbol == symbol]
    own = book.lately(symbol, event.at_ms)
    over = [worst_cap_usage(symbol, n, held, pending) - rules.config.hedge.cap * abs(n) for n in own]
    if min(over) <= Decimal("1e-9"):
        return ""
    usage = worst_cap_usage(symbol, own[-1], held, pending)
    return f"hedges of {symbol} come to {usage} of {own[-1]}, beyond {rules.config.hedge.cap}"


def _over_limit(event: Event, intent: Intent, book: Book, rules: Rules) -> str:
    risk = rules.config.risk
    after = dict(book.ours)
    after[intent.key] = after.get(intent.key, NOTHING) + intent.signed_quantity
    usd = {key: abs(q) * rules.market.price(key, event.at_ms) for key, q in after.items()}
    there = sum((u for key, u in usd.items() if key.venue == intent.key.venue), NOTHING)
    told = (
        (risk.max_market_usd, usd[intent.key], str(intent.key)),
        (risk.max_venue_usd, there, intent.key.venue),
        (risk.max_total_usd, sum(usd.values(), NOTHING), "all venues"),
    )
    for most, is_, where in told:
        if most is not None and is_ > most * MOVED:
            return f"{is_:.0f} USD at {where}, at most {most}"
    return ""


def data_sound(events: Sequence[Event], rules: Rules) -> str:
    """5: what opens was decided on a price that was told, young, finite, not of the future, and near the truth."""
    book = Book.of(rules)
    stale_ms = rules.config.cycle.stale_after_s * SECOND_MS
    told: dict[SeriesKey, list[tuple[Decimal, int, int]]] = defaultdict(list)
    for event in events:
        book.see(event)
        if event.kind == "begin":
            told.clear()
        elif event.kind == "told":
            for key, (mark, known_ms) in event.what["marks"].items():
                if mark > 0:
                    told[key].append((Decimal(repr(mark)), known_ms, event.what["clock_ms"]))
        elif event.kind == "send":
            intent = event.what["intent"]
            if not book.opens(intent):
                continue
            heard = [one for one in told[intent.key] if one[0] == intent.reference_price]
            known = [ms for _, ms, _ in heard]
            if not known:
                return said(event, f"{intent.key} never told {intent.reference_price}")
            if max(known) < intent.cycle_ts_ms - stale_ms:
                return said(
                    event, f"decided on a price of {(intent.cycle_ts_ms - max(known)) // 1_000} s ago"
                )
            # by the clock of then, or that of the decision: it may be set meanwhile
            if all(ms > max(clock_ms, intent.cycle_ts_ms) for _, ms, clock_ms in heard):
                return said(event, "decided on a price of the future")
            truth = rules.market.mark(intent.key, event.at_ms)
            if abs(float(intent.reference_price) / truth - 1) > WRONG_BY:
                return said(event, f"decided on {intent.reference_price}, the price is {truth:g}")
    return ""


def fills_count_once(events: Sequence[Event], rules: Rules) -> str:
    """10: what the daemon takes for its own is the sum of the executions that it was told, each counted once."""
    book = Book.of(rules)
    for event in events:
        book.see(event)
        if event.kind != "cycled":
            continue
        held = event.what["attributed"]
        for key in {*held, *book.told}:
            is_, should = held.get(key, NOTHING), book.told.get(key, NOTHING)
            if key not in book.foreign and is_ != should:
                return said(event, f"{key}: the daemon counts {is_} as its own, it was told of {should}")
    return ""


def own_is_known(events: Sequence[Event], rules: Rules) -> str:
    """10: the trader's own quantity, by which all caps are measured, is what it is."""
    book, decided_ms = Book.of(rules), 0
    for event in events:
        book.see(event)
        if event.kind == "cycle":
            decided_ms = event.at_ms  # what a cycle tells in its end is what it decided by
        if event.kind != "cycled" or INJECTIVE in event.what["unknown"]:
            continue
        for symbol, own in event.what["own"].items():
            if own not in book.lately(symbol, min(decided_ms, event.at_ms)):
                true = book.own.get(symbol, NOTHING)
                return said(event, f"the trader's {symbol} is taken for {own}, it is {true}")
    return ""


def funding_agrees(events: Sequence[Event], rules: Rules) -> str:
    """10: the funding ledger has what the venues paid; once all is quiet it has all of it."""
    paid: dict[tuple[SeriesKey, int], Decimal] = {}
    booked: dict[tuple[SeriesKey, int], Decimal] = {}
    for event in events:
        if event.kind == "payment":
            paid[(event.what["key"], event.what["due_ms"])] = event.what["usd"]
        elif event.kind == "record_funding":
            for one in event.what["args"][0]:
                identity = (one.settlement.key, one.settlement.ts_ms)
                if paid.get(identity) != one.payment_usd:
                    return said(event, f"{identity} is booked as {one.payment_usd}, not {paid.get(identity)}")
                booked[identity] = one.payment_usd
    last_ms = rules.to_ms - 40 * 60 * SECOND_MS
    missing = sorted(one for one in paid if one not in booked and one[1] < last_ms)
    return f"{missing[0]} was paid and never booked" if rules.lively and missing else ""


def ledger_halts(events: Sequence[Event], rules: Rules) -> str:
    """10: funding that was paid otherwise than its settlement says, by more than is put up with, halts everything.

    What was held at a venue a minute before a settlement, and so what was due, must have been seen by then.
    """
    most_usd = (rules.config.book.equity_usd or NOTHING) * rules.config.reconcile.ledger_halt_bp / 10_000
    wrong: dict[tuple[SeriesKey, int], Decimal] = {}
    waiting: list[tuple[int, SeriesKey]] = []
    seen_ms: dict[str, int] = {}
    for event in events:
        what = event.what
        if (
            event.kind == "payment"
            and event.at_ms - seen_ms.get(what["key"].venue, event.at_ms) > SEEN_BEFORE_MS
        ):
            wrong[(what["key"], what["due_ms"])] = abs(what["usd"] - what["due"])
        elif event.kind in ("begin", "operator", "journal_failed"):
            waiting.clear()
        elif event.kind == "record_funding":
            settled = [one.settlement for one in what["args"][0]]
            waiting += [
                (event.at_ms, s.key) for s in settled if wrong.get((s.key, s.ts_ms), NOTHING) > most_usd
            ]
        elif event.kind == "cycled":
            for venue in {INJECTIVE, *rules.config.hedge.venues} - set(what["unknown"]):
                seen_ms.setdefault(venue, event.at_ms)
            judged = [
                (ms, key) for ms, key in waiting
                if ms < what["began_ms"] and key.venue not in what["unknown"] and key not in what["doubted"]
            ]  # fmt: skip
            if judged and not what["kill"]:
                return said(event, f"funding of {judged[0][1]} was paid wrongly, and nothing halts")
            waiting = [one for one in waiting if one not in judged]
    return ""
