"""The one stream class: a websocket that is always being kept, whatever the venue or the network does to it.

`run` is one task with one owner and never gives up: back-off is jittered and capped, silence counts as failure, a
message that cannot be read is counted and left out. The log says once that a stream is lost and once that it is back.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from hedged.collectors.updates import QUIET, Dialect, Update
from hedged.domain.clock import Clock
from hedged.domain.errors import Retryable

log = structlog.get_logger(__name__)

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What a dialect raises for a message that is not what the venue documents."""
TOO_MANY = frozenset({403, 418, 429})
"""HTTP answers by which a venue says that it is asked too often."""
FAILED = (WebSocketException, OSError, EOFError, Retryable)
"""What ends a connection, or keeps it from coming about. A TimeoutError is an OSError."""
LARGEST_BYTES = 4 << 20
WAITING_FRAMES = 64
MOST_TRIES = 16
SHOWN = 200
"""Characters of a strange message that are logged."""

Take = Callable[[Sequence[Update], int], None]
"""Receives the updates of one message and the instant of their receipt, ms."""
Resolve = Callable[[str, int], tuple[str, int]]
"""Where to connect for a host and port."""


@dataclass(frozen=True, slots=True)
class Route:
    """How hosts are reached. Default: by DNS, with the system's authorities, over the environment's proxy.

    `resolve` may send a host elsewhere, or refuse it with an OSError; TLS and HTTP still speak of the real one.
    """

    trust: ssl.SSLContext | None = None
    resolve: Resolve | None = None

    def options(self, url: str) -> dict[str, Any]:
        """Return what `websockets` wants of it."""
        options: dict[str, Any] = {}
        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        if self.trust is not None and secure:
            options["ssl"] = self.trust
        if self.resolve is not None:
            host, port = self.resolve(parts.hostname or "", parts.port or (443 if secure else 80))
            options |= {"host": host, "port": port, "proxy": None}
        return options


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `silent_s` without data means that the stream is dead; up for `steady_s`, it has recovered."""

    connect_s: float = 10.0
    silent_s: float = 20.0
    ping_s: float = 15.0
    steady_s: float = 10.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 30.0
    close_s: float = 1.0


@dataclass(slots=True)
class Tally:
    """What happened to a stream since its start."""

    connections: int = 0
    messages: int = 0
    garbage: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connection ended. `orderly`: left on purpose; `crowded`: the venue wants to be left alone."""

    why: str
    orderly: bool = False
    crowded: bool = False


class Stream:
    """One connection, kept. `live`: it is up and has told data."""

    def __init__(
        self,
        dialect: Dialect,
        take: Take,
        clock: Clock,
        rng: np.random.Generator,
        route: Route | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._dialect, self._take, self._clock, self._rng = dialect, take, clock, rng
        self._route, self._pace = route or Route(), pace or Pace()
        self._bad = self._garbage_said = self._refusal_said = False
        self._told_since_s: float | None = None  # the loop's time of the connection's first data
        self._told_s = 0.0  # ... of its latest, or of its opening
        self.tally = Tally()

    @property
    def name(self) -> str:
        """Venue and part."""
        return self._dialect.name

    @property
    def live(self) -> bool:
        """Whether it is up and has told data."""
        return self._told_since_s is not None

    async def run(self) -> None:
        """Keep the stream until cancelled."""
        tries = 0
        while True:
            ended = await self._connection()
            _end_if_cancelled()
            tries = MOST_TRIES if ended.crowded else 0 if self._steady() else tries
            self._told_since_s = None
            if not self._bad and not ended.orderly:
                self._bad = True
                log.warning("stream_lost", stream=self.name, why=ended.why)
            limit_s = min(self._pace.longest_retry_s, self._pace.first_retry_s * 2**tries)
            tries = min(tries + 1, MOST_TRIES)
            await asyncio.sleep(float(self._rng.uniform(0.5, 1.0)) * limit_s)

    async def _connection(self) -> Ended:
        """Connect, subscribe and read until it ends."""
        try:
            websocket = await self._connect()
        except InvalidStatus as error:
            return Ended(_reason(error), crowded=error.response.status_code in TOO_MANY)
        except FAILED as error:
            return Ended(_reason(error))
        self.tally.connections += 1
        self._told_s = self._loop_s()
        ended = Ended("it ended")
        try:
            async with asyncio.TaskGroup() as group:
                tending = group.create_task(self._tend(websocket))
                for frame in self._dialect.open():
                    await self._send(websocket, frame)
                ended = Ended(await self._read(websocket), orderly=True)
                tending.cancel()
        except* FAILED as group_error:
            ended = Ended(_reason(group_error.exceptions[0]))
        finally:
            try:
                await websocket.close()
            finally:
                websocket.transport.abort()
        return ended

    async def _connect(self) -> ClientConnection:
        pace, url = self._pace, self._dialect.url
        return await connect(
            url,
            open_timeout=pace.connect_s,
            close_timeout=pace.close_s,
            ping_interval=None,  # not every venue answers these; silence is watched for here
            max_size=LARGEST_BYTES,
            max_queue=WAITING_FRAMES,
            compression=None,  # bandwidth is cheaper than the core that everything runs on
            **self._route.options(url),
        )

    async def _read(self, websocket: ClientConnection) -> str:
        """Read until the venue tells to leave; returns why. Raises ConnectionClosed when the connection ends."""
        while True:
            message = await websocket.recv()
            self.tally.messages += 1
            try:
                heard = self._dialect.read(message)
            except MALFORMED as error:
                self._garbage(message, error)
                heard = self._dialect.lost()
            if heard.updates or heard is QUIET:
                self._told()
            if heard.updates:
                self._take(heard.updates, self._clock.now_ms())
            for frame in heard.send:
                await self._send(websocket, frame)
            if heard.refused:
                self._refused(heard.refused)
            if heard.leave:
                return heard.leave

    async def _tend(self, websocket: ClientConnection) -> None:
        """Ping as the venue wants it, and watch for silence. Raises Retryable when it has lasted too long."""
        pace, ping = self._pace, self._dialect.ping
        pinged_s = self._loop_s()
        while True:
            await asyncio.sleep(min(pace.ping_s, pace.silent_s) / 4)
            now_s = self._loop_s()
            if now_s - self._told_s > pace.silent_s:
                raise Retryable(f"no data for {pace.silent_s:g} s")
            if ping is not None and now_s - pinged_s >= pace.ping_s:
                pinged_s = now_s
                await self._send(websocket, ping)

    async def _send(self, websocket: ClientConnection, frame: str) -> None:
        async with asyncio.timeout(self._pace.connect_s):
            await websocket.send(frame)

    def _told(self) -> None:
        self._told_s = self._loop_s()
        if self._told_since_s is None:
            self._told_since_s = self._told_s
        if self._bad and self._steady():
            self._bad = False
            log.info("stream_back", stream=self.name)

    def _steady(self) -> bool:
        since_s = self._told_since_s
        return since_s is not None and self._told_s - since_s >= self._pace.steady_s

    def _garbage(self, message: str | bytes, error: Exception) -> None:
        self.tally.garbage += 1
        if not self._garbage_said:
            self._garbage_said = True  # once: the metric counts the rest
            log.warning("stream_garbage", stream=self.name, why=repr(error), message=repr(message[:SHOWN]))

    def _refused(self, why: str) -> None:
        self.tally.refused += 1
        if not self._refusal_said:
            self._refusal_said = True
            log.warning("subscription_refused", stream=self.name, why=why[:SHOWN])

    @staticmethod
    def _loop_s() -> float:
        return asyncio.get_running_loop().time()


def _end_if_cancelled() -> None:
    """Raise the cancellation that a TaskGroup lost: it does when one of its tasks fails in the same moment."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
