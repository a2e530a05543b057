"""The faults of one exchange by name, REST and streams alike, as the sandbox's HTTP page switches them."""

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from hedged.domain.clock import MINUTE_MS, iso
from hedged.domain.errors import ConfigError
from hedged.sandbox.cex.engine import DELEVERAGED, LIQUIDATED
from hedged.sandbox.cex.faults import AFTER, Fault
from hedged.sandbox.cex.protocol import Protocol
from hedged.sandbox.cex.push import PushServer

INTERVALS_H = (8, 4, 2, 1)

REST: Mapping[Fault, str] = {
    Fault.BLACK_HOLE: "nothing happens and nobody answers",
    Fault.LOST_ACK: "the order is taken and nobody answers",
    Fault.RESET: "the connection breaks before anything is done",
    Fault.RESET_AFTER: "the order is taken, then the connection breaks",
    Fault.ERROR: "503, nothing is done",
    Fault.ERROR_AFTER: "the order is taken and answered with 503",
    Fault.HTML: "200 and a page of HTML, nothing is done",
    Fault.HTML_AFTER: "the order is taken and answered with 200 and a page of HTML",
    Fault.EMPTY: "200 and no body, nothing is done",
    Fault.BARE: "200 and {}, nothing is done",
    Fault.CUT: "the order is taken, and the answer breaks off",
    Fault.RATE_LIMIT: "too many requests in the exchange's words: 429 with Retry-After at Binance",
    Fault.BANNED: "banned in the exchange's words: 418 with Retry-After at Binance",
    Fault.MAINTENANCE: "maintenance in the exchange's words",
    Fault.SLOW: "the order is taken and answered after ?seconds=5",
}
"""What each rule does, in a line."""

Query = Mapping[str, str]
Work = Callable[[Query], Awaitable[str | None] | str | None]


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault. `off` None: it happens once, and is not on afterwards. `on` and `off` may say what they did."""

    what: str
    on: Work
    off: Callable[[], None] | None = None
    state: Callable[[], bool] = lambda: False


class Switchboard:
    """Every switch of an exchange. Unknown names and values raise ConfigError."""

    def __init__(self, venue: str, protocol: Protocol, push: PushServer) -> None:
        self._venue, self._protocol, self._push = venue, protocol, push
        self._switches: dict[str, Switch] = {
            **{fault.replace(" ", "_"): self._rule(fault, what) for fault, what in REST.items()},
            **self._account(),
            **self._market(),
            **self._streams(),
        }

    def listed(self) -> dict[str, dict[str, Any]]:
        """Return every switch: what it does, and whether it is on or happens once."""
        return {
            name: {"what": one.what} | ({"once": True} if one.off is None else {"on": one.state()})
            for name, one in self._switches.items()
        }

    async def switch(self, name: str, on: bool, query: Query) -> dict[str, Any]:
        """Switch a fault, or let it happen. Raises ConfigError."""
        one = self._switches.get(name)
        if one is None:
            raise ConfigError(f"{self._venue} has no fault {name!r}; there are {', '.join(self._switches)}")
        if not on:
            if one.off is None:
                raise ConfigError(f"{name} happens once: there is nothing to switch off")
            one.off()
            return {"off": name}
        done = one.on(query)
        if inspect.isawaitable(done):
            done = await done
        told: dict[str, Any] = {"done" if one.off is None else "on": name}
        return told | ({"said": done} if done else {})

    def _rule(self, fault: Fault, what: str) -> Switch:
        faults = self._protocol.faults
        orders = fault in AFTER

        def on(query: Query) -> None:
            path = query.get("path", self._protocol.order_path if orders else "")
            method = query.get("method", "POST" if orders else "")
            times, seconds = _number(query, "times", math.inf), _number(query, "seconds", 5)
            faults.remove(fault)
            faults.add(fault, path, method, times, seconds)

        return Switch(
            what,
            on,
            lambda: faults.remove(fault),
            lambda: any(rule.fault is fault and rule.times > 0 for rule in faults.rules),
        )

    def _flag(
        self, where: Any, name: str, what: str, value: Callable[[Query], Any] = lambda _: True
    ) -> Switch:
        off = getattr(where, name)

        def on(query: Query) -> None:
            setattr(where, name, value(query))

        return Switch(
            what,
            on,
            lambda: setattr(where, name, off),
            lambda: bool(getattr(where, name) != off),
        )

    def _account(self) -> dict[str, Switch]:
        faults, engine = self._protocol.faults, self._protocol.exchange
        return {
            "half_open": Switch(
                "every open connection goes dead without a word; new ones are fine",
                lambda _: faults.half_open(),
            ),
            "clock_skew": self._flag(
                faults, "skew_ms", "its clock is ahead by ?ms=90000", lambda q: int(_number(q, "ms", 90_000))
            ),
            "fills_twice": self._flag(faults, "twice", "each fill stands twice in the list of fills"),
            "fills_reordered": self._flag(
                faults, "reordered", "neighbours in the list of fills change places"
            ),
            "thin_book": self._flag(
                engine,
                "depth_share",
                "?share=0.001 of the book is left: orders fill in part",
                lambda q: _decimal(q, "share", "0.001"),
            ),
        }

    def _market(self) -> dict[str, Switch]:
        return {
            "delisting": Switch(
                "?coin=INJ is delisted in ?minutes=20 of its clock; opening is refused in the last half hour"
                " (OKX: never), what is held then is settled",
                self._delist,
                self._protocol.exchange.ends.clear,
                lambda: bool(self._protocol.exchange.ends),
            ),
            "interval": Switch("?coin=INJ settles every ?hours=1 after its next settlement", self._interval),
            "liquidation": Switch("the position in ?coin=INJ is liquidated", self._liquidate),
            "adl": Switch("?share=0.5 of the position in ?coin=INJ is auto-deleveraged", self._deleverage),
        }

    def _streams(self) -> dict[str, Switch]:
        push, venue = self._push, self._venue
        if venue not in push.faults:
            return {}
        faults = push.faults[venue]
        found = {
            "stream_refused": self._flag(
                faults, "refuse", "new streams get HTTP ?status=503", lambda q: int(_number(q, "status", 503))
            ),
            "stream_silent": self._flag(
                faults, "silent", "streams stay open and say nothing, pongs included"
            ),
            "stream_deaf": self._flag(faults, "deaf", "streams answer pings and say nothing else"),
            "stream_garbage": self._flag(
                faults,
                "garbage",
                "?times=10 messages cannot be read",
                lambda q: int(_number(q, "times", 10)),
            ),
            "stream_flapping": self._flag(
                faults,
                "close_after",
                "each stream is closed after ?messages=20",
                lambda q: int(_number(q, "messages", 20)),
            ),
            "stream_late": self._flag(
                faults, "late_s", "news waits for ?seconds=5", lambda q: _number(q, "seconds", 5)
            ),
            "stream_repeated": self._flag(faults, "repeated", "everything is told twice"),
            "stream_reordered": self._flag(faults, "reordered", "what is newer is told before what is older"),
            "stream_drop": Switch("every stream breaks off, as a network does", lambda _: push.drop(venue)),
            "stream_expire": Switch("every stream is closed in due form", lambda _: push.expire(venue)),
        }
        if venue == "bybit":
            found["stream_no_snapshot"] = self._flag(
                faults, "no_snapshot", "new streams begin with a delta instead of a snapshot"
            )
        if venue == "okx":
            found["stream_notice"] = Switch(
                "streams are told that they are going to be closed", lambda _: push.announce()
            )
        return found

    def _delist(self, query: Query) -> str:
        engine = self._protocol.exchange
        at_ms = engine.now_ms + round(_number(query, "minutes", 20) * MINUTE_MS)
        engine.delist(self._coin(query), at_ms)
        return f"{self._coin(query)} ends {iso(at_ms)}"

    def _interval(self, query: Query) -> str:
        engine, hours = self._protocol.exchange, int(_number(query, "hours", 1))
        if hours not in INTERVALS_H:
            raise ConfigError(f"?hours={hours}: an interval is one of {', '.join(map(str, INTERVALS_H))}")
        from_ms = engine.paths[self._coin(query)].change_interval(engine.now_ms, hours)
        return f"{self._coin(query)} settles every {hours} h from {iso(from_ms)} on"

    def _liquidate(self, query: Query) -> str:
        return self._force(query, Decimal(1), f"{LIQUIDATED}{self._protocol.exchange.next_id()}")

    def _deleverage(self, query: Query) -> str:
        share = _decimal(query, "share", "0.5")
        if not 0 < share <= 1:
            raise ConfigError(f"?share={share}: a part of the position, above 0 and up to 1")
        return self._force(query, share, DELEVERAGED)

    def _force(self, query: Query, share: Decimal, name: str) -> str:
        engine, coin = self._protocol.exchange, self._coin(query)
        before = engine.account.position(coin).quantity
        engine.force_close(coin, share, name)
        return f"{coin} {before:f} -> {engine.account.position(coin).quantity:f}"

    def _coin(self, query: Query) -> str:
        listed = self._protocol.exchange.instruments
        coin = query.get("coin", "INJ")
        if coin not in listed:
            raise ConfigError(f"?coin={coin}: {self._venue} lists {', '.join(listed)}")
        return coin


def _number(query: Query, name: str, default: float) -> float:
    return float(_decimal(query, name, str(default)))


def _decimal(query: Query, name: str, default: str) -> Decimal:
    text = query.get(name, default)
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("nan")
    if found.is_nan() or found < 0 or (name in query and not found.is_finite()):
        raise ConfigError(f"?{name}={text}: expected a number")
    return found
