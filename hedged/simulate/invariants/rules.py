"""What a checker knows beside the history, and the truth about positions as it goes along."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hedged.config import Config
from hedged.domain.clock import SECOND_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Hashes, Intent, Purpose, Strategy
from hedged.execution.journal.store import SETTLED_EVENTS
from hedged.risk.exposure import reduces
from hedged.simulate.history import Event
from hedged.simulate.market import SimMarket

NOTHING = Decimal(0)
LAG_MS = 15 * SECOND_MS
"""A venue's positions may be so old when they are told."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`own`: the trader's quantities at the start; `quiet_ms`: from when on nothing goes wrong any more."""

    config: Config
    market: SimMarket
    hashes: Hashes
    own: dict[str, Decimal]
    quiet_ms: int
    to_ms: int
    lively: bool


Checker = Callable[[Sequence[Event], Rules], str]
"""Returns the first thing that is wrong, with the time at which it happened; empty where nothing is."""


@dataclass(slots=True)
class Book:
    """What is held in truth: `ours` by market, as the exchanges filled it; `own`: N by symbol, with its past;
    `told`: by market, what the journal has of the daemon's own executions, each once.
    """

    own: dict[str, Decimal]
    ours: dict[SeriesKey, Decimal] = field(default_factory=dict)
    told: dict[SeriesKey, Decimal] = field(default_factory=dict)
    past: dict[str, list[tuple[int, Decimal]]] = field(default_factory=dict)
    asked_ms: int = 0
    foreign: set[SeriesKey] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, rules: Rules) -> "Book":
        """Start with the book of the seed."""
        return cls(dict(rules.own), past={s: [(0, q)] for s, q in rules.own.items()})

    def see(self, event: Event) -> None:
        """Go on by one event."""
        what = event.what
        if event.kind == "fill":
            self._fill(event.at_ms, what["key"], what["signed"], what["client_id"])
        elif event.kind == "positions" and what["venue"] == INJECTIVE:
            self.asked_ms = event.at_ms
        elif event.kind == "record_attempt":
            self._ids.add(what["args"][0].client_id)
        elif event.kind == "record_executions":
            for one in what["args"][0]:
                if one.execution_id not in self._known:
                    self._known.add(one.execution_id)
                    if one.client_id in self._ids:
                        self.told[one.key] = self.told.get(one.key, NOTHING) + one.signed_quantity
                    else:
                        self.foreign.add(one.key)

    def _fill(self, at_ms: int, key: SeriesKey, signed: Decimal, client_id: str | None) -> None:
        held = self.ours.get(key, NOTHING)
        if client_id is not None:
            self.ours[key] = held + signed
        elif key.venue == INJECTIVE:
            self.own[key.symbol] = self.own.get(key.symbol, NOTHING) + signed
            self.past.setdefault(key.symbol, []).append((at_ms, self.own[key.symbol]))
        elif held * signed < 0:
            self.ours[key] = held + (signed if abs(signed) < abs(held) else -held)

    def lately(self, symbol: str, now_ms: int) -> list[Decimal]:
        """Return every N that the daemon may still go by: from shortly before Injective was last asked until now."""
        since_ms = min(self.asked_ms, now_ms) - LAG_MS
        past = self.past.get(symbol, [(0, NOTHING)])
        before = [own for ts_ms, own in past if ts_ms <= since_ms]
        return [*before[-1:], *(own for ts_ms, own in past if ts_ms > since_ms)]

    def opens(self, intent: Intent) -> bool:
        """Tell whether an order opens something, by what is really held. Reduce-only at an exchange never does."""
        if intent.reduce_only and intent.key.venue != INJECTIVE:
            return False
        return self.ours.get(intent.key, NOTHING) * intent.signed_quantity >= 0

    def closes(self, intent: Intent) -> bool:
        """Tell whether an order only reduces what the journal says is held, where nobody else traded."""
        return intent.key not in self.foreign and reduces(
            self.told.get(intent.key, NOTHING), intent.signed_quantity
        )


@dataclass(slots=True)
class Sent:
    """One order that left the daemon; `event`: the latest that the journal has of it."""

    at_ms: int
    life: int
    intent: Intent
    event: str = ""

    @property
    def settled(self) -> bool:
        """Whether its outcome is known."""
        return self.event in SETTLED_EVENTS


@dataclass(slots=True)
class Legs:
    """Orders by decision, coin and market; `filled`: coins by client id, as the exchanges filled them."""

    filled: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    orders: dict[str, Sent] = field(default_factory=dict)
    _of: dict[tuple[Any, ...], dict[SeriesKey, list[str]]] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        """Go on by one event."""
        what = event.what
        if event.kind == "fill" and what["client_id"]:
            self.filled[what["client_id"]] += abs(what["signed"])
        elif event.kind == "record_event" and what["args"][0] in self.orders:
            self.orders[what["args"][0]].event = what["args"][2]
        elif event.kind == "send":
            intent, cid = what["intent"], what["client_id"]
            self._of.setdefault(_decision(event), {}).setdefault(intent.key, []).append(cid)
            self.orders[cid] = Sent(event.at_ms, event.life, intent)

    def failed(self, event: Event) -> str:
        """Return an order of another leg of what is sent now that leg failed with, or of which nothing is known."""
        for ids in self._others(event):
            unknown = [cid for cid in ids if not self.orders[cid].settled]
            if unknown or not any(self.filled[cid] for cid in ids):
                return (unknown or ids)[0]
        return ""

    def second(self, event: Event) -> bool:
        """Tell whether another leg of what is sent now has filled something."""
        return any(self.filled[cid] for ids in self._others(event) for cid in ids)

    def beyond(self, event: Event) -> Decimal:
        """Return by how much a pair's second leg gets larger than its first: where just these two were sent so far."""
        intent = event.what["intent"]
        of = self._of.get(_decision(event), {})
        others = [self.orders[cid].intent for key, ids in of.items() if key != intent.key for cid in ids]
        plain = all(
            o.purpose is intent.purpose and o.side is not intent.side and not _gives_up(o) for o in others
        )
        if not others or not plain or len({o.key for o in others}) > 1 or _gives_up(intent):
            return NOTHING
        first = sum((self.filled[cid] for ids in self._others(event) for cid in ids), NOTHING)
        mine = sum((self.filled[cid] for cid in of.get(intent.key, ())), NOTHING)
        return mine + Decimal(intent.quantity) - first

    def over(self, cid: str) -> Sent | None:
        """Return an order that has ended."""
        order = self.orders.get(cid)
        return order if order is not None and order.settled else None

    def _others(self, event: Event) -> list[list[str]]:
        key = event.what["intent"].key
        return [ids for other, ids in self._of.get(_decision(event), {}).items() if other != key]


def _gives_up(intent: Intent) -> bool:
    """Tell whether an order makes the daemon's own part smaller."""
    return intent.reduce_only != (intent.key.venue == INJECTIVE)


def _decision(event: Event) -> tuple[Any, ...]:
    intent = event.what["intent"]
    return event.life, intent.cycle_ts_ms, intent.key.symbol, is_hedge(intent.purpose)


def attempt_of(event: Event) -> dict[str, Any]:
    """Return what was journalled of an attempt: order, parent, attempt, kind."""
    args = event.what["args"]
    names = ("approved", "now_ms", "parent", "attempt", "kind")
    told = {"parent": "", "attempt": 0, "kind": "take"} | dict(zip(names, args, strict=False))
    return told | {name: event.what[name] for name in names if name in event.what}


def is_hedge(purpose: Purpose) -> bool:
    """Tell whether an order protects the trader's own position."""
    return purpose.strategy is not Strategy.DIVERGENCE


def said(event: Event, text: str) -> str:
    """Write a violation."""
    return f"{text} [{event}]"[:400]
