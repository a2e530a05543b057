"""OKX public channels of USDT swaps: funding-rate, open-interest, mark-price and tickers (for the top).

The rate's interval is the distance of its two coming settlements; open interest comes in contracts and in coins. The
index is not followed: it ticks ten times a second, and the funding channel brings the premium that it is needed for.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hedged.collectors.updates import (
    NOTHING,
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
from hedged.domain.clock import HOUR_MS

URL = "wss://ws.okx.com:8443/ws/v5/public"
PING = "ping"
CHANNELS = ("funding-rate", "open-interest", "mark-price", "tickers")
FRAME_BYTES = 60_000
"""The venue takes 64 KB a frame, and 480 frames an hour."""
LEAVING = "64008"
"""Code of the notice that the connection will be closed for an upgrade."""


def okx(instruments: Sequence[Instrument], hours: Hours) -> list[Dialect]:
    """Make the connection for some markets."""
    return [Okx("okx", instruments, hours)]


class Okx:
    """One connection."""

    url = URL
    ping = PING

    def __init__(self, name: str, instruments: Sequence[Instrument], hours: Hours) -> None:
        self.name, self._hours = name, hours
        self._instruments = {i.native: i for i in instruments}
        self._readers: dict[str, Callable[[Mapping[str, Any], Instrument], Update]] = {
            "funding-rate": self._funding,
            "open-interest": read_interest,
            "mark-price": read_mark,
            "tickers": read_top,
        }

    def open(self) -> Sequence[str]:
        """Subscribe to everything."""
        args = [
            json.dumps({"channel": channel, "instId": native}, separators=(",", ":"))
            for native in self._instruments
            for channel in CHANNELS
        ]
        frames: list[list[str]] = [[]]
        for arg in args:
            if sum(len(one) + 1 for one in frames[-1]) + len(arg) > FRAME_BYTES:
                frames.append([])
            frames[-1].append(arg)
        return [f'{{"op":"subscribe","args":[{",".join(frame)}]}}' for frame in frames]

    def read(self, message: str | bytes) -> Heard:
        """Read a push, or the answer to a frame; each topic of a frame is answered by itself."""
        if message in ("pong", b"pong"):
            return NOTHING
        body = json.loads(message)
        if "event" in body:
            return _answer(body)
        arg = body["arg"]
        instrument, reader = self._instruments[arg["instId"]], self._readers[arg["channel"]]
        return Heard([reader(row, instrument) for row in body["data"]])

    def lost(self) -> Heard:
        """Do nothing: each message is whole in itself."""
        return NOTHING

    def _funding(self, row: Mapping[str, Any], instrument: Instrument) -> Update:
        return read_funding(row, instrument, self._hours)


def read_funding(row: Mapping[str, Any], instrument: Instrument, hours: Hours) -> Update:
    """Read a row of `funding-rate`: whatever its method, `fundingRate` is what `fundingTime` will charge."""
    due_ms, after_ms = int(row["fundingTime"]), number(row.get("nextFundingTime"))
    interval_h = (after_ms - due_ms) / HOUR_MS if after_ms else hours(instrument.symbol)
    values = known({Field.PREMIUM: number(row.get("premium"))})
    rate, settles = number(row["fundingRate"]), None
    if interval_h is not None and interval_h > 0:
        settles = Settles(due_ms, interval_h)
        if rate is not None:
            values[Field.FUNDING_ESTIMATE] = rate / interval_h
    return Update(instrument.symbol, int(row["ts"]), values, settles)


def read_interest(row: Mapping[str, Any], instrument: Instrument) -> Update:
    """Read a row of `open-interest`."""
    coins, contracts = number(row.get("oiCcy")), number(row["oi"])
    if coins is None and contracts is not None:
        coins = contracts * instrument.contract_value
    return Update(instrument.symbol, int(row["ts"]), known({Field.OPEN_INTEREST: coins}))


def read_mark(row: Mapping[str, Any], instrument: Instrument) -> Update:
    """Read a row of `mark-price`."""
    return Update(instrument.symbol, int(row["ts"]), known({Field.MARK: price(row["markPx"])}))


def read_top(row: Mapping[str, Any], instrument: Instrument) -> Update:
    """Read a row of `tickers`, whose quantities are contracts."""
    top = top_of(row["bidPx"], row["bidSz"], row["askPx"], row["askSz"], instrument.contract_value)
    return Update(instrument.symbol, int(row["ts"]), {}, None, top)


def _answer(body: Mapping[str, Any]) -> Heard:
    if body["event"] == "error":
        return Heard(refused=f"{body.get('code')} {body.get('msg')}")
    if body["event"] == "notice" and body.get("code") == LEAVING:
        return Heard(leave=str(body.get("msg")))
    return NOTHING
