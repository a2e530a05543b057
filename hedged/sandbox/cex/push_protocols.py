"""Three push protocols, one session a connection: what each answers to a frame, and what it tells at a tick."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from hedged.domain.clock import HOUR_MS
from hedged.sandbox.cex.push_quotes import Quote

PERPETUAL_MS = 4_133_404_800_000
"""Binance: when contracts end that do not."""

Quotes = Mapping[str, Quote]
ROUTED = {"bookTicker": "public", "depth": "public"}
"""Binance: streams that are told under /public; all others are under /market."""


class Session(Protocol):
    """One connection."""

    def hear(self, frame: str, quotes: Quotes) -> Sequence[str]:
        """Return the answers to a client's frame."""
        ...

    def tell(self, quotes: Quotes, now_ms: int) -> Sequence[str]:
        """Return what is news since the last tick."""
        ...


class BinanceSession:
    """Streams by URL or by SUBSCRIBE. A stream of another route, or of no market, is accepted and stays silent."""

    def __init__(self, path: str) -> None:
        parts = urlsplit(path)
        first = parts.path.strip("/").split("/")
        self._route = first[0] if first[0] in ("public", "market") else "public"
        self._combined = "stream" in first
        named = parse_qs(parts.query).get("streams", [""])[0].split("/") if self._combined else first
        self._streams = [name for name in named if name not in ("", "public", "market", "ws")]
        self._last = 0
        self._contracts: dict[str, tuple[int, str]] = {}

    def hear(self, frame: str, quotes: Quotes) -> Sequence[str]:
        """Answer SUBSCRIBE and UNSUBSCRIBE."""
        body = json.loads(frame)
        names = list(body.get("params", ()))
        if body.get("method") == "SUBSCRIBE":
            self._streams += [name for name in names if name not in self._streams]
        elif body.get("method") == "UNSUBSCRIBE":
            self._streams = [name for name in self._streams if name not in names]
        else:
            return [
                _json({"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": body.get("id")})
            ]
        return [_json({"result": None, "id": body.get("id")})]

    def tell(self, quotes: Quotes, now_ms: int) -> Sequence[str]:
        """Tell every stream that belongs to this route."""
        told: list[str] = []
        for stream in self._streams:
            name, _, kind = stream.partition("@")
            if ROUTED.get((kind or name).lstrip("!").partition("@")[0], "market") != self._route:
                continue
            if stream.startswith("!markPrice"):
                told.append(self._wrap(stream, [_mark(n, q, now_ms) for n, q in quotes.items()]))
            elif stream == "!contractInfo":
                told += [self._wrap(stream, row) for row in self._changed(quotes, now_ms)]
            elif stream == "!bookTicker":
                told += [self._wrap(stream, self._top(n, q, now_ms)) for n, q in quotes.items()]
            elif (quote := quotes.get(name.upper())) is None:
                continue
            elif kind.startswith("markPrice"):
                told.append(self._wrap(stream, _mark(name.upper(), quote, now_ms)))
            elif kind == "bookTicker":
                told.append(self._wrap(stream, self._top(name.upper(), quote, now_ms)))
        return told

    def _wrap(self, stream: str, data: Any) -> str:
        return _json({"stream": stream, "data": data} if self._combined else data)

    def _changed(self, quotes: Quotes, now_ms: int) -> list[dict[str, Any]]:
        """Tell the contracts whose end was announced, or has come, since the last tick."""
        now = {name: (quote.ends_ms or PERPETUAL_MS, "TRADING") for name, quote in quotes.items()}
        now |= {n: (ends_ms, "SETTLING") for n, (ends_ms, _) in self._contracts.items() if n not in quotes}
        before, self._contracts = self._contracts, now
        return [
            {
                "e": "contractInfo",
                "E": now_ms,
                "s": n,
                "ps": n,
                "ct": "PERPETUAL",
                "dt": ends_ms,
                "ot": 0,
                "cs": cs,
            }
            for n, (ends_ms, cs) in now.items()
            if before.get(n, (ends_ms, cs)) != (ends_ms, cs)
        ]

    def _top(self, name: str, quote: Quote, now_ms: int) -> dict[str, Any]:
        self._last += 1
        return {
            "e": "bookTicker", "u": self._last, "s": name, "b": _text(quote.bid), "B": _text(quote.bid_quantity),
            "a": _text(quote.ask), "A": _text(quote.ask_quantity), "T": now_ms, "E": now_ms,
        }  # fmt: skip


def _mark(name: str, quote: Quote, now_ms: int) -> dict[str, Any]:
    return {
        "e": "markPriceUpdate", "E": now_ms, "s": name, "p": _text(quote.mark), "i": _text(quote.index),
        "P": _text(quote.mark), "r": _text(quote.rate), "T": quote.next_ms,
    }  # fmt: skip


class BybitSession:
    """`tickers` of linear contracts: a snapshot, then what changed. A frame is taken or refused as a whole."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, str] | None] = {}
        self._sequence = 24_987_956_059
        self._turnover = 0
        self.snapshots = True

    def hear(self, frame: str, quotes: Quotes) -> Sequence[str]:
        """Answer ping, subscribe and unsubscribe."""
        body = json.loads(frame)
        op, request, topics = body.get("op"), body.get("req_id", ""), body.get("args") or []
        why = ""
        if op == "subscribe":
            for topic in topics:
                if topic in self._told:
                    why = f"error:already subscribed,topic:{topic}"
                elif topic.removeprefix("tickers.") not in quotes:
                    why = f"error:handler not found,topic:{topic}"
            if not why:
                self._told.update(dict.fromkeys(topics))
        elif op == "unsubscribe":
            for topic in topics:
                self._told.pop(topic, None)
        elif op == "ping":
            why = "pong"
        else:
            why = "error:unknown op"
        fine = not why.startswith("error")
        return [_json({"success": fine, "ret_msg": why, "conn_id": "sandbox", "req_id": request, "op": op})]

    def tell(self, quotes: Quotes, now_ms: int) -> Sequence[str]:
        """Tell each topic what has changed; the turnover always has."""
        messages = []
        for topic, before in self._told.items():
            quote = quotes.get(topic.removeprefix("tickers."))
            if quote is None:
                continue
            now = self._ticker(topic.removeprefix("tickers."), quote)
            self._told[topic] = now
            self._sequence += 7
            kind, data = "snapshot", now
            if before is not None or not self.snapshots:
                kind, known = "delta", before or {}
                data = {k: v for k, v in now.items() if k == "symbol" or known.get(k) != v}
            messages.append(
                _json({"topic": topic, "type": kind, "data": data, "cs": self._sequence, "ts": now_ms})
            )
        return messages

    def _ticker(self, name: str, quote: Quote) -> dict[str, str]:
        self._turnover += 1
        return {
            "symbol": name, "tickDirection": "PlusTick", "price24hPcnt": "0.017103", "lastPrice": _text(quote.bid),
            "prevPrice24h": _text(quote.index), "highPrice24h": _text(quote.ask), "lowPrice24h": _text(quote.index),
            "prevPrice1h": _text(quote.index), "markPrice": _text(quote.mark), "indexPrice": _text(quote.index),
            "openInterest": _text(quote.open_interest),
            "openInterestValue": _text((quote.open_interest * quote.mark).quantize(Decimal("0.01"))),
            "turnover24h": str(self._turnover), "volume24h": str(self._turnover),
            "nextFundingTime": str(quote.next_ms), "fundingRate": _text(quote.rate),
            "bid1Price": _text(quote.bid), "bid1Size": _text(quote.bid_quantity),
            "ask1Price": _text(quote.ask), "ask1Size": _text(quote.ask_quantity),
        }  # fmt: skip


class OkxSession:
    """Public channels of swaps, each topic of a frame answered by itself; quantities in contracts."""

    def __init__(self) -> None:
        self._args: list[dict[str, str]] = []
        self._listed: dict[str, dict[str, str]] | None = None

    def hear(self, frame: str, quotes: Quotes) -> Sequence[str]:
        """Answer the text `ping`, subscribe and unsubscribe."""
        if frame == "ping":
            return ["pong"]
        body = json.loads(frame)
        answers = []
        for arg in body["args"]:
            known = arg == INSTRUMENTS or (arg.get("instId") in quotes and arg["channel"] in ROWS)
            if not known:
                named = f"channel:{arg['channel']},instId:{arg.get('instId')}"
                why = (
                    f"Wrong URL or {named} doesn't exist. Please use the correct URL, channel and parameters"
                )
                answers.append(_json({"event": "error", "code": "60018", "msg": why, "connId": "sandbox"}))
                continue
            if body["op"] == "subscribe" and arg not in self._args:
                self._args.append(arg)
            elif body["op"] == "unsubscribe" and arg in self._args:
                self._args.remove(arg)
            answers.append(_json({"event": body["op"], "arg": arg, "connId": "sandbox"}))
        return answers

    def tell(self, quotes: Quotes, now_ms: int) -> Sequence[str]:
        """Tell every topic."""
        told = self._instruments(quotes) if INSTRUMENTS in self._args else []
        return told + [
            _json({"arg": arg, "data": [ROWS[arg["channel"]](arg["instId"], quote, now_ms)]})
            for arg in self._args
            if arg != INSTRUMENTS and (quote := quotes.get(arg["instId"])) is not None
        ]

    def _instruments(self, quotes: Quotes) -> list[str]:
        """Tell the instruments, all at first, then those that changed; what is delisted ends as `suspend`."""
        before = self._listed or {}
        now = {name: _instrument_row(name, quote) for name, quote in quotes.items()}
        now |= {name: row | {"state": "suspend"} for name, row in before.items() if name not in quotes}
        self._listed = now
        rows = [row for name, row in now.items() if before.get(name) != row]
        return [_json({"arg": INSTRUMENTS, "data": rows})] if rows else []


LEAVING = {
    "event": "notice", "code": "64008", "connId": "sandbox",
    "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
}  # fmt: skip
"""OKX, before it closes a connection on purpose."""


INSTRUMENTS = {"channel": "instruments", "instType": "SWAP"}


def _instrument_row(name: str, quote: Quote) -> dict[str, str]:
    return {"instId": name, "instType": "SWAP", "state": "live", "expTime": str(quote.ends_ms or "")}


def _funding_row(name: str, quote: Quote, now_ms: int) -> dict[str, str]:
    return {
        "formulaType": "withRate", "fundingRate": _text(quote.rate), "fundingTime": str(quote.next_ms),
        "instId": name, "instType": "SWAP", "method": "current_period", "maxFundingRate": "0.00375",
        "minFundingRate": "-0.00375", "nextFundingRate": "",
        "nextFundingTime": str(quote.next_ms + quote.interval_h * HOUR_MS), "premium": _text(quote.premium),
        "settFundingRate": _text(quote.rate), "settState": "settled", "ts": str(now_ms),
    }  # fmt: skip


def _interest_row(name: str, quote: Quote, now_ms: int) -> dict[str, str]:
    return {
        "instId": name, "instType": "SWAP", "oi": _text(quote.open_interest / quote.contract),
        "oiCcy": _text(quote.open_interest), "oiUsd": _text(quote.open_interest * quote.mark), "ts": str(now_ms),
    }  # fmt: skip


def _mark_row(name: str, quote: Quote, now_ms: int) -> dict[str, str]:
    return {"instId": name, "instType": "SWAP", "markPx": _text(quote.mark), "ts": str(now_ms)}


def _ticker_row(name: str, quote: Quote, now_ms: int) -> dict[str, str]:
    return {
        "instType": "SWAP", "instId": name, "last": _text(quote.bid), "lastSz": "1", "askPx": _text(quote.ask),
        "askSz": _text(quote.ask_quantity / quote.contract), "bidPx": _text(quote.bid),
        "bidSz": _text(quote.bid_quantity / quote.contract), "open24h": _text(quote.index),
        "high24h": _text(quote.ask), "low24h": _text(quote.index), "volCcy24h": "2222", "vol24h": "2222",
        "sodUtc0": _text(quote.index), "sodUtc8": _text(quote.index), "ts": str(now_ms),
    }  # fmt: skip


ROWS = {
    "funding-rate": _funding_row,
    "open-interest": _interest_row,
    "mark-price": _mark_row,
    "tickers": _ticker_row,
}


def session_for(venue: str, path: str) -> Session:
    """Make the session of a new connection."""
    match venue:
        case "binance":
            return BinanceSession(path)
        case "bybit":
            return BybitSession()
        case _:
            return OkxSession()


def _text(value: Decimal) -> str:
    return f"{value:f}"


def _json(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))
