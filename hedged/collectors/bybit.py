"""Bybit v5 linear tickers: a snapshot, then deltas in which a missing field is unchanged.

One channel carries mark, index, funding, open interest (coins, one side) and the top. `cs`, the cross sequence, orders
messages but has no step of one: a gap in it proves nothing, and what is older than what is known is left out field by
field. A frame of subscriptions is refused as a whole for one bad topic: it is halved until the culprit stands alone.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hedged.collectors.intervals import Intervals
from hedged.collectors.updates import (
    NOTHING,
    QUIET,
    Dialect,
    Heard,
    Hours,
    Instrument,
    Settles,
    Update,
    known,
    number,
    price,
    top_of,
)
from hedged.domain.bars import Field

URL = "wss://stream.bybit.com/v5/public/linear"
PING = '{"op":"ping"}'
TOPIC = "tickers."
ARGS_CHARS = 20_000
"""The venue takes 21,000 characters of topics on one connection."""
FRAME_TOPICS = 100
MOST_LOST = 5
"""Unreadable messages for which a connection takes new snapshots."""
CONFIRM_MS = 1_000
"""A ticker is told whole this often, so that what does not change counts as confirmed and not as old."""

FUNDING = frozenset({"fundingRate", "nextFundingTime", "fundingIntervalHour"})
TOP = ("bid1Price", "bid1Size", "ask1Price", "ask1Size")
TICKER = frozenset({"markPrice", "indexPrice", "openInterest", *FUNDING, *TOP})
"""What is kept of a ticker."""


def bybit(instruments: Sequence[Instrument], hours: Hours) -> list[Dialect]:
    """Make the connections for some markets."""
    intervals = Intervals(hours)
    loads: list[list[Instrument]] = [[]]
    chars = 0
    for instrument in instruments:
        length = len(TOPIC) + len(instrument.native) + 3  # quotes and comma count too
        if chars + length > ARGS_CHARS:
            loads.append([])
            chars = 0
        loads[-1].append(instrument)
        chars += length
    return [Bybit(f"bybit {i}" if i else "bybit", load, intervals) for i, load in enumerate(loads)]


@dataclass(slots=True)
class Ticker:
    """A market as merged: the venue's texts, each with the sequence that told it; `told_ms`: when it was told whole."""

    texts: dict[str, str] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    whole: bool = False
    told_ms: int = 0

    def merge(self, data: Mapping[str, Any], sequence: int) -> set[str]:
        """Take over what is not older than what is known; return the names that changed. Order does not matter."""
        changed = set()
        for name in TICKER & data.keys():
            if sequence >= self.since.get(name, sequence):
                self.since[name] = sequence
                if self.texts.get(name) != data[name]:
                    self.texts[name] = data[name]
                    changed.add(name)
        return changed


class Bybit:
    """One connection."""

    url = URL
    ping = PING

    def __init__(self, name: str, instruments: Sequence[Instrument], intervals: Intervals) -> None:
        self.name = name
        self._symbols = {TOPIC + i.native: i.symbol for i in instruments}
        self._intervals = intervals
        self._ids = itertools.count(1)
        self._asked: dict[str, tuple[str, ...]] = {}
        self._tickers: dict[str, Ticker] = {}
        self._begged: set[str] = set()  # topics whose snapshot was asked for again
        self._lost = 0

    def open(self) -> Sequence[str]:
        """Forget the connection before, and subscribe to everything."""
        self._asked.clear()
        self._tickers.clear()
        self._begged.clear()
        self._lost = 0
        return [self._subscribe(topics) for topics in self._frames()]

    def lost(self) -> Heard:
        """Ask for every snapshot anew: it may have been a delta of any market. Too often, and the connection is bad."""
        self._lost += 1
        if self._lost > MOST_LOST:
            return Heard(leave=f"{self._lost} messages could not be read")
        self._tickers.clear()
        self._begged.update(self._symbols)
        return Heard(send=[frame for topics in self._frames() for frame in self._anew(topics)])

    def read(self, message: str | bytes) -> Heard:
        """Read a ticker, or the answer to a frame."""
        body = json.loads(message)
        topic = body.get("topic")
        if topic is None:
            return self._answer(body)
        symbol = self._symbols[topic]
        data, venue_ms = body["data"], int(body["ts"])
        sequence = int(body.get("cs", venue_ms))
        send: Sequence[str] = ()
        if body["type"] == "snapshot":
            self._tickers[topic] = Ticker(whole=True)
        ticker = self._tickers.setdefault(topic, Ticker())
        if not ticker.whole and topic not in self._begged:
            # what a delta says is true, but what it leaves out is unknown
            self._begged.add(topic)
            send = self._anew([topic])
        changed: Iterable[str] = ticker.merge(data, sequence)
        if ticker.whole and venue_ms - ticker.told_ms >= CONFIRM_MS:
            changed, ticker.told_ms = ticker.texts.keys(), venue_ms
        elif not changed:
            return Heard(send=send) if send else QUIET
        return Heard((read_ticker(symbol, venue_ms, ticker.texts, changed, self._intervals),), send)

    def _frames(self) -> list[list[str]]:
        topics = list(self._symbols)
        return [topics[at : at + FRAME_TOPICS] for at in range(0, len(topics), FRAME_TOPICS)]

    def _anew(self, topics: Sequence[str]) -> Sequence[str]:
        return _frame("unsubscribe", next(self._ids), topics), self._subscribe(topics)

    def _subscribe(self, topics: Sequence[str]) -> str:
        request = next(self._ids)
        self._asked[str(request)] = tuple(topics)
        return _frame("subscribe", request, topics)

    def _answer(self, body: Mapping[str, Any]) -> Heard:
        if body["op"] in ("ping", "pong"):
            return NOTHING
        topics = self._asked.pop(str(body.get("req_id")), ())
        if body["success"] or not topics:
            return NOTHING
        why = str(body.get("ret_msg"))
        if len(topics) > 1:
            half = len(topics) // 2
            return Heard(send=[self._subscribe(topics[:half]), self._subscribe(topics[half:])])
        return NOTHING if "already subscribed" in why else Heard(refused=f"{topics[0]}: {why}")


def read_ticker(
    symbol: str, venue_ms: int, texts: Mapping[str, str], names: Iterable[str], intervals: Intervals
) -> Update:
    """Read those parts of a merged ticker that `names` touch."""
    touched = set(names)
    values: dict[Field, float | None] = {}
    if "markPrice" in touched:
        values[Field.MARK] = price(texts["markPrice"])
    if "indexPrice" in touched:
        values[Field.INDEX] = price(texts["indexPrice"])
    if "openInterest" in touched:
        values[Field.OPEN_INTEREST] = number(texts["openInterest"])
    settles = None
    if touched & FUNDING:
        settles = _settles(symbol, venue_ms, texts, intervals)
        rate = number(texts.get("fundingRate"))
        if settles is not None and rate is not None:
            values[Field.FUNDING_ESTIMATE] = rate / settles.interval_h
    top = None
    if touched.intersection(TOP):
        bid, bid_size, ask, ask_size = map(texts.get, TOP)
        top = top_of(bid, bid_size, ask, ask_size, 1.0)
    return Update(symbol, venue_ms, known(values), settles, top)


def _settles(symbol: str, venue_ms: int, texts: Mapping[str, str], intervals: Intervals) -> Settles | None:
    next_ms = number(texts.get("nextFundingTime"))
    if not next_ms:
        return None
    stated = number(texts.get("fundingIntervalHour"))
    followed = intervals.settles(symbol, int(next_ms), venue_ms)
    return Settles(int(next_ms), stated) if stated else followed


def _frame(op: str, request: int, topics: Sequence[str]) -> str:
    return json.dumps({"op": op, "req_id": str(request), "args": list(topics)}, separators=(",", ":"))
