"""What the exchanges remember, made up: every number follows from venue, market and instant, so nothing is stored.

`history_binance.py` and its sisters tell it, each with its venue's own limits, order and oddities:

    async with serve({venue.host: venue.app() for venue in (BinancePast(past), OkxPast(past))}) as loopback:
        session = loopback.session()  # https://fapi.binance.com/... is now answered from `past`
"""

import asyncio
import json
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hedged.domain.clock import HOUR_MS

FAR_MS = 2**53


@dataclass(frozen=True, slots=True)
class Remembered:
    """A perpetual's past. `intervals`: (from ms, hours between settlements), ascending; `lost`: prints it lacks."""

    symbol: str
    listed_ms: int
    intervals: Sequence[tuple[int, int]]
    lost: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Past:
    """The whole past up to `now_ms()`."""

    markets: Sequence[Remembered]
    now_ms: Callable[[], int]

    def market(self, symbol: str) -> Remembered | None:
        """Return a market."""
        return next((market for market in self.markets if market.symbol == symbol), None)

    def hours(self, market: Remembered, from_ms: int, to_ms: int) -> range:
        """Return the hours with from ≤ ts ≤ to, ascending: as opens of candles the last one may still run."""
        first = max(from_ms, market.listed_ms)
        return range(-(-first // HOUR_MS) * HOUR_MS, min(to_ms, self.now_ms()) + 1, HOUR_MS)

    def settlements(
        self, market: Remembered, from_ms: int, to_ms: int, *, newest_first: bool = False
    ) -> Iterator[int]:
        """Tell the settlements with from ≤ ts ≤ to."""
        hours = self.hours(market, from_ms, to_ms)
        for ts_ms in reversed(hours) if newest_first else hours:
            step_h = next((h for since, h in reversed(market.intervals) if since <= ts_ms), 8)
            if ts_ms % (step_h * HOUR_MS) == 0 and ts_ms not in market.lost:
                yield ts_ms


def chance(*what: object) -> float:
    """Return a number from 0 to 1 that always is the same for the same thing."""
    return zlib.crc32("/".join(map(str, what)).encode()) / 2**32


def rate(venue: str, symbol: str, ts_ms: int) -> str:
    """Return a settled rate."""
    return f"{(chance(venue, symbol, 'rate', ts_ms) - 0.4) * 1e-3:.8f}"


def premium(venue: str, symbol: str, ts_ms: int) -> str:
    """Return a premium at a close."""
    return f"{(chance(venue, symbol, 'premium', ts_ms) - 0.5) * 1e-3:.8f}"


def price(venue: str, symbol: str, ts_ms: int) -> float:
    """Return a price."""
    return round(100 + 10 * chance(venue, symbol, "price", ts_ms), 4)


def candle(venue: str, symbol: str, open_ms: int) -> tuple[str, str, str, str, str]:
    """Return open, high, low, close and the coins traded, of an hour."""
    first, last = price(venue, symbol, open_ms), price(venue, symbol, open_ms + HOUR_MS)
    coins = 10 + round(100 * chance(venue, symbol, "volume", open_ms), 3)
    return (
        f"{first:.4f}",
        f"{max(first, last) + 1:.4f}",
        f"{min(first, last) - 1:.4f}",
        f"{last:.4f}",
        f"{coins:.3f}",
    )


def interest(venue: str, symbol: str, ts_ms: int) -> float:
    """Return the open interest, coins."""
    return round(1_000 + 100 * chance(venue, symbol, "interest", ts_ms), 3)


@dataclass(slots=True)
class Budget:
    """At most `units` in `per_s` seconds, as the venue counts; beyond it 429 with Retry-After."""

    units: float
    per_s: float
    spent: deque[tuple[float, float]] = field(default_factory=deque)

    def spend(self, cost: float = 1.0) -> None:
        """Count a request. Raises the venue's refusal."""
        now_s = asyncio.get_running_loop().time()
        while self.spent and self.spent[0][0] <= now_s - self.per_s:
            self.spent.popleft()
        if sum(units for _, units in self.spent) + cost > self.units:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "1"}, text="{}")
        self.spent.append((now_s, cost))


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that stands in for another."""

    status: int = 200
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Callable[[web.Request], Any]


class VenuePast(ABC):
    """A venue's history server; its subclasses add the endpoints.

    `faults`: answers that stand in for the next ones, in order. `short`: a page holds at most so many rows, though
    there are more. `asked`: what was asked, in order; `refused`: how often a budget was overdrawn.
    """

    host = ""
    method = "GET"

    def __init__(self, past: Past) -> None:
        self.past = past
        self.faults: list[Fault] = []
        self.short: int | None = None
        self.asked: list[str] = []
        self.refused = 0

    @abstractmethod
    def endpoints(self) -> dict[str, Answer]:
        """Return what answers each path."""

    def app(self) -> web.Application:
        """Return the application to serve under `host`."""
        app = web.Application()
        for path, answer in self.endpoints().items():
            app.router.add_route(self.method, path, self._guarded(answer))
        return app

    def size(self, limit: int) -> int:
        """Return how many rows a page may hold."""
        return min(limit, self.short or limit)

    def _guarded(self, answer: Answer) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked.append(f"{request.path_qs} {await request.text()}".strip())
            if self.faults:
                fault = self.faults.pop(0)
                return web.Response(status=fault.status, text=fault.text, headers=fault.headers)
            try:
                told = answer(request)
                return web.json_response(await told if asyncio.iscoroutine(told) else told)
            except web.HTTPTooManyRequests:
                self.refused += 1
                raise

        return handle


def integer(request: web.Request, name: str, default: int) -> int:
    """Read a number from a query."""
    return int(request.query.get(name) or default)


def complaint(body: Any, status: int) -> web.HTTPException:
    """Make a refusal that carries JSON."""
    kind = web.HTTPBadRequest if status == 400 else web.HTTPOk
    return kind(text=json.dumps(body), content_type="application/json")
