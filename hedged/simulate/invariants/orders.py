"""Invariants of orders: 1, 2, 4, 6, 7, 8, 11, 15 of the design, and that what closes is reduce-only."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import TAG_DIGITS, Intent, Purpose, attempt_id, tag
from hedged.execution.working.pairs import DEPENDS
from hedged.risk.kill import KillLevel
from hedged.simulate.history import Event
from hedged.simulate.invariants.rules import NOTHING, Book, Legs, Rules, Sent, attempt_of, said

ACCOUNT_QUERIES = ("executions", "positions", "balance", "funding")
PAIRED = (Purpose.DIVERGENCE_OPEN,)
KILL_WITHIN_MS = 5 * SECOND_MS
PAID_APART_MS = 4 * SECOND_MS
NEVER_MS = -PAID_APART_MS


def journalled_first(events: Sequence[Event], rules: Rules) -> str:
    """1: every order was journalled before it was sent, as it was sent, once, under an id that follows from it."""
    journalled: dict[str, dict[str, Any]] = {}
    sent: set[str] = set()
    for event in events:
        if event.kind == "record_attempt":
            told = attempt_of(event)
            journalled[told["approved"].client_id] = told
        elif event.kind == "send":
            cid, intent = event.what["client_id"], event.what["intent"]
            known = journalled.get(cid)
            if known is None:
                return said(event, f"order {cid} was sent before it was journalled")
            if known["approved"].intent != intent:
                return said(event, f"order {cid} was sent otherwise than it was journalled")
            if cid in sent:
                return said(event, f"order {cid} was sent twice")
            if not _follows(cid, known, intent, rules.config.account):
                return said(event, f"id {cid} does not follow from its intent")
            sent.add(cid)
    return ""


def _follows(cid: str, known: dict[str, Any], intent: Any, account: str) -> bool:
    if cid[:TAG_DIGITS] != tag(account):
        return False
    if known["attempt"]:
        return bool(cid == attempt_id(known["parent"], known["attempt"]))
    return known["kind"] != "take" or cid in (intent.client_id(account), known["parent"])


def one_at_a_time(events: Sequence[Event], rules: Rules) -> str:
    """2: nothing is sent to a market while the outcome of an earlier order there is unknown; no id is used twice."""
    del rules
    orders: dict[str, Sent] = {}
    open_: dict[SeriesKey, set[str]] = defaultdict(set)
    for event in events:
        if event.kind == "send":
            cid, intent = event.what["client_id"], event.what["intent"]
            if before := open_[intent.key]:
                return said(event, f"order {cid} was sent while the outcome of {min(before)} is unknown")
            orders[cid] = Sent(event.at_ms, event.life, intent)
            open_[intent.key].add(cid)
        elif event.kind == "record_event":
            cid, happened = event.what["args"][0], event.what["args"][2]
            if cid in orders:
                orders[cid].event = happened
                if orders[cid].settled:
                    open_[orders[cid].intent.key].discard(cid)
        elif event.kind == "duplicate":
            return said(event, f"the exchange got {event.what['client_id']} twice")
    return ""


def second_leg_waits(events: Sequence[Event], rules: Rules) -> str:
    """4: of orders that belong together none that enlarges follows a leg that failed or whose outcome is unknown, and
    no second leg is larger than the first.
    """
    del rules
    legs = Legs()
    for event in events:
        depends = event.kind == "send" and event.what["intent"].purpose in DEPENDS
        if depends and (failed := legs.failed(event)):
            return said(event, f"a leg was sent after {failed} had failed")
        if depends and event.what["intent"].purpose in PAIRED and (beyond := legs.beyond(event)) > 0:
            return said(event, f"a second leg is larger by {beyond} than what the first has filled")
        legs.see(event)
    return ""


def reconciled_first(events: Sequence[Event], rules: Rules) -> str:
    """6: nothing is sent in a life before every venue has told what is held there, nor after one failed to. What stops
    a hedge, flattens, or mends a pair between two cycles, needs its own venue alone; a flatten not what that paid. What
    was paid is asked for once in PAID_APART_MS: told within it, a second question that fails takes nothing back.
    """
    del rules
    known: dict[str, dict[str, bool]] = defaultdict(dict)
    paid_ms: dict[str, int] = {}
    due_ms, flat = 0, False
    for event in events:
        if event.kind == "begin":
            known.clear()
            paid_ms.clear()
        elif event.kind == "set_kill":
            flat = event.what["args"][1] == KillLevel.FLATTEN
        elif event.kind in ("operator", "signalled"):  # a signal never loosens
            flat = event.what["level"] is KillLevel.FLATTEN or (flat and event.kind == "signalled")
        elif event.kind == "cycle":
            due_ms = event.what["due_ms"]
        elif event.kind == "asked":
            venue, what, told = event.what["venue"], event.what["what"], event.what["ok"]
            if what == "funding":
                paid_ms[venue] = event.at_ms if told else paid_ms.get(venue, NEVER_MS)
                told = event.at_ms - paid_ms[venue] < PAID_APART_MS
            known[venue][what] = told
        elif event.kind == "send":
            intent = event.what["intent"]
            urgent = flat or intent.purpose is Purpose.STOP or intent.cycle_ts_ms != due_ms
            for venue in (intent.key.venue,) if urgent else (INJECTIVE, "binance", "bybit"):
                needed = [what for what in ACCOUNT_QUERIES if not (flat and what == "funding")]
                silent = [what for what in needed if not known[venue].get(what)]
                if silent:
                    return said(event, f"an order was sent while {', '.join(silent)} of {venue} are unknown")
    return ""


def latch_holds(events: Sequence[Event], rules: Rules) -> str:
    """7: what the kill latch forbids is not sent, whatever restarts; only the operator lowers it."""
    del rules
    levels: list[tuple[int, KillLevel]] = [(0, KillLevel.NONE)]
    # that this life must obey, journalled or not; the last is the strictest
    signals: list[tuple[int, KillLevel]] = []
    woken = True
    for event in events:
        if not woken:  # a machine that was suspended heard of the signal only now
            signals[-1], woken = (event.at_ms, signals[-1][1]), True
        if event.kind == "begin":
            signals.clear()
        elif event.kind == "operator":
            levels.append((event.at_ms, event.what["level"]))
            signals.clear()
        elif event.kind == "signalled":
            strictest = max(event.what["level"], levels[-1][1], *(x for _, x in signals))
            signals.append((event.at_ms, strictest))
            woken = False
        elif event.kind == "set_kill":
            level, source = KillLevel(event.what["args"][1]), event.what["args"][4]
            if level < levels[-1][1] and source == "daemon":
                return said(event, f"the daemon lowered the latch from {levels[-1][1].label}")
            levels.append((event.at_ms, level))
        elif event.kind == "send":
            since_ms = event.at_ms - KILL_WITHIN_MS
            lately, lasting = _lately(levels, since_ms), _lately(signals, since_ms)
            intent = event.what["intent"]
            obeyed = any(ts_ms <= since_ms for ts_ms, _ in signals)
            if all(_forbidden(intent, x) for x in lately) or (
                obeyed and all(_forbidden(intent, x) for x in lasting)
            ):
                return said(
                    event, f"an order was sent although the latch is {max([*lately, *lasting]).label}"
                )
    return ""


def _lately(turns: Sequence[tuple[int, KillLevel]], since_ms: int) -> list[KillLevel]:
    """Return the level that was in force at an instant, and those that it was turned to since."""
    return [x for ts_ms, x in turns if ts_ms <= since_ms][-1:] + [x for ts_ms, x in turns if ts_ms > since_ms]


def _forbidden(intent: Intent, level: KillLevel) -> bool:
    """Tell what no order may be under a level; not by the daemon's own rule, which may be wrong."""
    if level in (KillLevel.PAUSE, KillLevel.CANCEL):
        return True
    return level is not KillLevel.NONE and (intent.key.venue == INJECTIVE or not intent.reduce_only)


def rates_capped(events: Sequence[Event], rules: Rules) -> str:
    """8: openings stay within the orders and the notional of an hour. A second leg is bound by the first alone."""
    risk, book, legs = rules.config.risk, Book.of(rules), Legs()
    sent: dict[str, tuple[int, Decimal]] = {}
    for event in events:
        book.see(event)
        if event.kind == "send":
            intent = event.what["intent"]
            now_ms = max(
                event.what["clock_ms"], intent.cycle_ts_ms
            )  # the clock may be set back since the decision
            # the daemon counts from the attempt in its journal, which a slow disk puts seconds before the send
            hour = [usd for ts_ms, usd in sent.values() if ts_ms >= now_ms - HOUR_MS + 10 * SECOND_MS]
            if book.opens(intent) and not legs.second(event):
                if len(hour) >= risk.max_orders_per_hour:
                    return said(event, f"an opening after {len(hour)} orders within the hour")
                most = risk.max_notional_per_hour_usd
                if most is not None and sum(hour, intent.notional_usd) > most * Decimal("1.0001"):
                    return said(event, f"{sum(hour, intent.notional_usd):.0f} USD within the hour")
            sent[event.what["client_id"]] = now_ms, intent.notional_usd
        legs.see(event)
        if event.kind == "record_event" and (over := legs.over(event.what["args"][0])) is not None:
            cid, price = event.what["args"][0], over.intent.reference_price
            sent[cid] = sent[cid][0], legs.filled[cid] * price  # what it left is sent again
    return ""


def hashes_agree(events: Sequence[Event], rules: Rules) -> str:
    """11: every order and every decision carries the hashes of what is loaded, or there is no order; what is traded
    carries those of who forecast.
    """
    loaded = rules.hashes
    for event in events:
        if event.kind == "model":
            loaded = replace(loaded, model=event.what["hash"])
        if event.kind == "send" and event.what["intent"].hashes != loaded:
            return said(event, f"an order was decided with {event.what['intent'].hashes}")
        if event.kind == "cycled":
            if set(event.what["decided_by"]) - {event.what["told_by"]}:
                return said(event, f"what {event.what['told_by']} forecast was traded as another's word")
            for symbol, row in event.what["decisions"].items():
                if not all(row.get(name) for name in ("model_hash", "feature_hash", "config_hash")):
                    return said(event, f"the decision on {symbol} lacks a hash")
    return ""


def absent_is_certain(events: Sequence[Event], rules: Rules) -> str:
    """15: an order is given up only when the venue said that it never had it, and it never arrives after that."""
    del rules
    denied: set[str] = set()
    absent: set[str] = set()
    arrived: set[str] = set()
    for event in events:
        if event.kind == "lookup" and event.what["found"] is None:
            denied.add(event.what["client_id"])
        elif event.kind == "record_event" and event.what["args"][2] == "absent":
            cid = event.what["args"][0]
            absent.add(cid)
            if cid not in denied:
                return said(event, f"order {cid} was given up although no look-up had denied it")
        elif event.kind == "arrive":
            arrived.add(event.what["client_id"])
        if event.kind in ("arrive", "record_event") and absent & arrived:
            return said(event, f"order {min(absent & arrived)} was given up and is there")
    return ""


def closing_is_reduce_only(events: Sequence[Event], rules: Rules) -> str:
    """What closes a leg at an exchange is sent reduce-only: it can never open the other side."""
    book = Book.of(rules)
    for event in events:
        book.see(event)
        if event.kind == "send":
            intent = event.what["intent"]
            if intent.key.venue != INJECTIVE and book.closes(intent) and not intent.reduce_only:
                held = book.told.get(intent.key, NOTHING)
                return said(event, f"an order that closes {held} is not reduce-only")
    return ""
