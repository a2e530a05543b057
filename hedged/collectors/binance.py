"""Binance USDⓈ-M streams. Combined streams, one connection each for prices and for tops: the venue routes them apart.

A connection to another path than the stream's own stays silent. `r` is the running estimate of the settlement at `T`;
how many hours it covers the stream does not say. Open interest is told by REST alone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hedged.collectors.intervals import Intervals
from hedged.collectors.updates import (
    NOTHING,
    QUIET,
    Dialect,
    Heard,
    Hours,
    Instrument,
    Update,
    known,
    number,
    price,
    top_of,
)
from hedged.domain.bars import Field

PRICES = "wss://fstream.binance.com/market/stream?streams="
TOPS = "wss://fstream.binance.com/public/stream?streams="
ALL_MARKS = "!markPrice@arr@1s"
ALL_TOPS = "!bookTicker"
FEW = 25
"""Up to here each market has its own streams; beyond, one of all costs less: marks each second, tops every 5 s."""


def binance(instruments: Sequence[Instrument], hours: Hours, few: int = FEW) -> list[Dialect]:
    """Make the connections for some markets."""
    intervals = Intervals(hours)
    if len(instruments) > few:
        marks, tops = [ALL_MARKS], [ALL_TOPS]
    else:
        names = [i.native.lower() for i in instruments]
        marks = [f"{name}@markPrice@1s" for name in names]
        tops = [f"{name}@bookTicker" for name in names]
    return [
        Binance("binance prices", PRICES + "/".join(marks), instruments, intervals),
        Binance("binance tops", TOPS + "/".join(tops), instruments, intervals),
    ]


class Binance:
    """One combined stream: what it carries is named in its URL, so nothing has to be sent."""

    ping = None  # the venue pings, in the protocol's own frames

    def __init__(self, name: str, url: str, instruments: Sequence[Instrument], intervals: Intervals) -> None:
        self.name, self.url = name, url
        self._symbols = {i.native: i.symbol for i in instruments}
        self._intervals = intervals

    def open(self) -> Sequence[str]:
        """Send nothing."""
        return ()

    def read(self, message: str | bytes) -> Heard:
        """Read `{"stream": ..., "data": ...}`; data is one event or an array of them."""
        body = json.loads(message)
        data = body.get("data")
        if data is None:
            return _answer(body)
        if isinstance(data, dict):
            update = self._event(data)
            return QUIET if update is None else Heard((update,))
        updates = [update for event in data if (update := self._event(event)) is not None]
        return Heard(updates) if updates else QUIET

    def lost(self) -> Heard:
        """Do nothing: each message is whole in itself."""
        return NOTHING

    def _event(self, event: Mapping[str, Any]) -> Update | None:
        symbol = self._symbols.get(event["s"])
        if symbol is None:
            return None  # a stream of all markets tells of others too
        kind = event["e"]
        if kind == "markPriceUpdate":
            return read_mark(event, symbol, self._intervals)
        if kind == "bookTicker":
            return read_top(event, symbol)
        raise ValueError(f"unknown event {kind!r}")


def read_mark(event: Mapping[str, Any], symbol: str, intervals: Intervals) -> Update:
    """Read a `markPriceUpdate`."""
    venue_ms, next_ms, rate = int(event["E"]), int(event["T"]), number(event["r"])
    values = known({Field.MARK: price(event["p"]), Field.INDEX: price(event["i"])})
    settles = intervals.settles(symbol, next_ms, venue_ms) if next_ms else None
    if settles is not None and rate is not None:
        values[Field.FUNDING_ESTIMATE] = rate / settles.interval_h
    return Update(symbol, venue_ms, values, settles)


def read_top(event: Mapping[str, Any], symbol: str) -> Update:
    """Read a `bookTicker`."""
    top = top_of(event["b"], event["B"], event["a"], event["A"], 1.0)
    return Update(symbol, int(event["E"]), {}, None, top)


def _answer(body: Mapping[str, Any]) -> Heard:
    if "error" in body:
        return Heard(refused=str(body["error"]))
    if "result" in body:
        return NOTHING
    raise ValueError("neither an event nor an answer")
