"""What goes wrong at an exchange, switched on by rules: each meets the requests that it names, so many times."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from weakref import WeakSet

from aiohttp import web

HTML = "<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"

NEVER_S = 3_600
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


class Fault(StrEnum):
    """`*_AFTER` and LOST_ACK do what was asked first: the caller cannot know."""

    BLACK_HOLE = "black hole"  # nothing happens and nobody answers
    LOST_ACK = "lost ack"  # done, but nobody answers
    RESET = "reset"  # the connection breaks before anything is done
    RESET_AFTER = "reset after"
    ERROR = "error"  # 503, nothing done
    ERROR_AFTER = "error after"  # 503, done
    HTML = "html"  # 200 and a page of HTML, nothing done
    HTML_AFTER = "html after"
    EMPTY = "empty"  # 200 and no body
    BARE = "bare"  # 200 and {}
    CUT = "cut"  # done, and the answer breaks off
    RATE_LIMIT = "rate limit"  # 429 in the exchange's own words
    BANNED = "banned"  # 418
    MAINTENANCE = "maintenance"  # in the exchange's own words
    SLOW = "slow"  # done, and answered after `seconds`


AFTER = (Fault.LOST_ACK, Fault.RESET_AFTER, Fault.ERROR_AFTER, Fault.HTML_AFTER, Fault.CUT, Fault.SLOW)


@dataclass(slots=True)
class Rule:
    """A fault for requests whose path holds `path` and whose method is `method` (empty: any)."""

    fault: Fault
    path: str = ""
    method: str = ""
    times: float = 1
    seconds: float = 0.5

    def meets(self, request: web.Request) -> bool:
        """Tell whether it applies."""
        return self.times > 0 and self.path in request.path and self.method in ("", request.method)


class Faults:
    """All rules of one exchange. `skew_ms` is how far its clock is ahead.

    `twice` tells each fill in two rows, `reordered` swaps neighbours among them.
    """

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.skew_ms = 0
        self.twice = self.reordered = False
        self._seen: WeakSet[Any] = WeakSet()
        self._dead: WeakSet[Any] = WeakSet()

    def add(
        self, fault: Fault, path: str = "", method: str = "", times: float = 1, seconds: float = 0.5
    ) -> None:
        """Switch a fault on for the next `times` requests that meet it."""
        self.rules.append(Rule(fault, path, method, times, seconds))

    def clear(self) -> None:
        """Make everything work again."""
        self.rules.clear()
        self.skew_ms, self.twice, self.reordered = 0, False, False
        self._dead.clear()

    def remove(self, fault: Fault) -> None:
        """Switch a fault off, for whatever requests it was on."""
        self.rules = [rule for rule in self.rules if rule.fault is not fault]

    def half_open(self) -> None:
        """Let every connection that is open be half-open: requests on it go nowhere; new connections are fine."""
        self._dead.update(self._seen)

    def told(self, fills: Iterable[T]) -> Iterator[T]:
        """Repeat each fill while `twice` is on."""
        for one in fills:
            yield one
            if self.twice:
                yield one

    def mixed(self, rows: Sequence[T]) -> list[T]:
        """Swap neighbours while `reordered` is on."""
        found = list(rows)
        if self.reordered:
            found[: len(found) // 2 * 2 : 2], found[1::2] = found[1::2], found[: len(found) // 2 * 2 : 2]
        return found

    def take(self, request: web.Request) -> Rule | None:
        """Return the rule that this request meets, one time fewer left."""
        rule = next((one for one in self.rules if one.meets(request)), None)
        if rule is not None:
            rule.times -= 1
        return rule

    async def around(
        self, request: web.Request, handler: Handler, refuse: Callable[[Fault], web.StreamResponse]
    ) -> web.StreamResponse:
        """Answer a request, or spoil the answer. `refuse` words what the exchange says itself."""
        if request.transport is not None:
            self._seen.add(request.transport)
            if request.transport in self._dead:
                await asyncio.sleep(NEVER_S)
        rule = self.take(request)
        if rule is None:
            return await handler(request)
        if rule.fault in (Fault.RATE_LIMIT, Fault.BANNED, Fault.MAINTENANCE):
            return refuse(rule.fault)
        answer = await handler(request) if rule.fault in AFTER else None
        return await _spoilt(request, rule, answer)


async def _spoilt(request: web.Request, rule: Rule, answer: web.StreamResponse | None) -> web.StreamResponse:
    match rule.fault:
        case Fault.SLOW if answer is not None:
            await asyncio.sleep(rule.seconds)
            return answer
        case Fault.BLACK_HOLE | Fault.LOST_ACK:
            await asyncio.sleep(NEVER_S)  # the client gives up long before
        case Fault.ERROR | Fault.ERROR_AFTER:
            return web.Response(status=503, text="Service Unavailable")
        case Fault.HTML | Fault.HTML_AFTER:
            return web.Response(text=HTML, content_type="text/html")
        case Fault.EMPTY:
            return web.Response(body=b"", content_type="application/json")
        case Fault.BARE:
            return web.json_response({})
        case Fault.CUT:
            return await _cut(request)
        case _:
            pass
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _cut(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent."""
    half = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "4096"})
    await half.prepare(request)
    await half.write(b'{"orderId": 1')
    if request.transport is not None:
        request.transport.close()
    return half
