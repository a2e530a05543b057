"""Invariants of orders at work: attempts of one intent, legs that stand alone, what is cancelled, what is closed."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from hedged.domain.clock import MINUTE_MS, SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Purpose
from hedged.execution.journal.store import SETTLED_EVENTS
from hedged.risk.kill import KillLevel
from hedged.simulate.history import Event
from hedged.simulate.invariants.rules import NOTHING, Rules, attempt_of, said

SLACK_MS = 240 * SECOND_MS
"""So long the last try to mend a pair may take: a send that is not answered, its look-ups, a look at the account."""
FLAT_MS = 15 * MINUTE_MS
"""Within this time flatten has closed all legs, once nothing goes wrong."""


def within_approved(events: Sequence[Event], rules: Rules) -> str:
    """2: the attempts of one intent never ask for more than was approved, and no two of them can fill at a time."""
    del rules
    parents: dict[str, str] = {}
    most: dict[str, Decimal] = {}
    filled: dict[str, Decimal] = defaultdict(Decimal)
    live: dict[str, set[str]] = defaultdict(set)
    for event in events:
        what = event.what
        if event.kind == "record_attempt":
            told = attempt_of(event)
            cid = told["approved"].client_id
            parents[cid] = told["parent"] or cid
            most.setdefault(parents[cid], told["approved"].intent.quantity)  # the first asks for all
        elif event.kind == "arrive" and not what["refused"]:
            live[parents.get(what["client_id"], "")].add(what["client_id"])
        elif event.kind == "over":
            live[parents.get(what["client_id"], "")].discard(what["client_id"])
        elif event.kind == "fill" and what["client_id"] in parents:
            parent = parents[what["client_id"]]
            filled[parent] += abs(what["signed"])
            if filled[parent] > most[parent]:
                return said(event, f"{filled[parent]} of {most[parent]} approved coins were filled")
        elif event.kind == "send" and what["client_id"] in parents:
            parent = parents[what["client_id"]]
            if live[parent]:
                return said(
                    event, f"an order was sent while {min(live[parent])} of the same intent could fill"
                )
            if filled[parent] + what["intent"].quantity > most[parent]:
                return said(
                    event, f"{filled[parent]} of {most[parent]} coins are filled, and more is asked for"
                )
    return ""


def none_stands_alone(events: Sequence[Event], rules: Rules) -> str:
    """4: a leg that stands without its other one is completed or taken back in time, or everything halts."""
    wanted = rules.config.strategies.divergence
    symbols = set(wanted.symbols) if wanted.enabled else set()
    most_ms = rules.config.execution.naked_s * SECOND_MS + SLACK_MS
    coins: dict[str, Decimal] = defaultdict(Decimal)
    since_ms: dict[str, int] = {}
    excused: set[str] = set()  # somebody else traded there, or a stop unwinds at its own pace
    level, alive, journal = KillLevel.NONE, False, True
    for event in events:
        what = event.what
        if event.kind in ("begin", "end", "suspended", "journal_failed", "journal_mended"):
            since_ms.clear()
            alive = event.kind not in ("end",) and (alive or event.kind == "begin")
            journal = event.kind != "journal_failed"
        elif event.kind in ("operator", "signalled"):  # a signal never loosens
            level = what["level"] if event.kind == "operator" else max(level, what["level"])
        elif event.kind == "set_kill":
            level = KillLevel(what["args"][1])
        elif event.kind == "fill" and what["key"].symbol in symbols:
            symbol = what["key"].symbol
            coins[symbol] += what["signed"]
            if what["client_id"] is None:
                excused.add(symbol)
        elif event.kind == "send" and what["intent"].purpose is Purpose.STOP:
            excused.add(what["intent"].key.symbol)
        elif event.kind == "cycled" and what["alone_s"] * SECOND_MS > most_ms and not what["kill"]:
            return said(event, f"a leg has stood alone for {what['alone_s']:.0f} s, and nothing halts")
        for symbol in symbols:
            if abs(coins[symbol]) <= _smallest(symbol, event.at_ms, rules):
                since_ms.pop(symbol, None)
                if not coins[symbol]:
                    excused.discard(symbol)
            elif level or not alive or not journal or symbol in excused:
                since_ms.pop(symbol, None)
            elif event.at_ms - since_ms.setdefault(symbol, event.at_ms) > most_ms:
                return said(
                    event,
                    f"{coins[symbol]} {symbol} have stood alone since {since_ms[symbol]}, and nothing halts",
                )
    return ""


def _smallest(symbol: str, at_ms: int, rules: Rules) -> Decimal:
    """Return coins that no order can trade, nearly."""
    return max(
        max(market.quantity_step, market.min_notional_usd / rules.market.price(key, at_ms)) * 2
        for key, market in rules.market.markets.items()
        if key.symbol == symbol
    )


def cancels_its_own(events: Sequence[Event], rules: Rules) -> str:
    """What is cancelled is an order of the daemon's; what is swept as left behind is none that it still works."""
    del rules
    state: dict[str, str] = {}
    for event in events:
        if event.kind == "record_attempt":
            state[attempt_of(event)["approved"].client_id] = ""
        elif event.kind == "record_event":
            state[event.what["args"][0]] = event.what["args"][2]
        elif event.kind == "cancel" and event.what["client_id"] not in state:
            return said(event, "an order was cancelled that is not the daemon's")
        elif event.kind == "orphan" and state.get(event.what["client_id"], "absent") not in SETTLED_EVENTS:
            return said(event, "an order was swept that is still worked")
    return ""


def flattens(events: Sequence[Event], rules: Rules) -> str:
    """19: under flatten every hedge leg is closed, once nothing hinders it."""
    ours: dict[SeriesKey, Decimal] = defaultdict(Decimal)
    since_ms: int | None = None
    for event in events:
        if since_ms is not None and event.at_ms - since_ms > FLAT_MS:
            for key, coins in sorted(ours.items()):
                market = rules.market.markets[key]
                usd = market.quantise_quantity(abs(coins)) * rules.market.price(key, event.at_ms)
                if key.venue != INJECTIVE and usd > market.min_notional_usd * 2:
                    return said(event, f"{coins} are left at {key}, though it was flattened")
        if event.kind == "fill":
            key, signed, held = event.what["key"], event.what["signed"], ours[event.what["key"]]
            if event.what["client_id"] is not None:
                ours[key] += signed
            elif key.venue != INJECTIVE and held * signed < 0:
                ours[key] = held + signed if abs(signed) < abs(held) else NOTHING
        elif event.kind == "operator":
            flat = event.what["level"] is KillLevel.FLATTEN and event.at_ms >= rules.quiet_ms and rules.lively
            since_ms = event.at_ms if flat else None
        elif event.kind == "sigterm":
            since_ms = None
    return ""
