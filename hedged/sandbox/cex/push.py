"""The exchanges' websocket hosts on one loopback port: real protocols over TLS, and what goes wrong with them.

async with PushServer({"bybit": quotes}, clock) as server:
    ...  # connect to wss://stream.bybit.com/... by way of server.resolve, trusting server.authority
    server.faults["bybit"].silent = True
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from hedged.domain.clock import Clock
from hedged.sandbox.cex.loopback import LOOPBACK
from hedged.sandbox.cex.push_protocols import LEAVING, BybitSession, Quotes, Session, session_for
from hedged.sandbox.cex.tls import Authority

HOSTS = {"fstream.binance.com": "binance", "stream.bybit.com": "bybit", "ws.okx.com": "okx"}
GARBAGE = ('{"topic": "tickers.BTC', "[]", "null", "\x00\x01", '{"data": {"s": 1}, "arg": []}', "<html>")
CLOSE_S = 0.2


@dataclass(slots=True)
class PushFaults:
    """What is wrong with one venue's pushes; all of it can be switched at any time.

    `refuse`: HTTP status that meets a new connection; `silent`: connections stay open and say nothing, pongs included;
    `deaf`: as silent, but pings are answered; `garbage`: so many more messages cannot be read; `close_after`: every
    connection is closed after so many messages; `late_s`: each round of news waits; `no_snapshot`: Bybit's first
    message is a delta; `repeated`: everything is told twice; `reordered`: each round of news comes before the one
    that is older.
    """

    refuse: int | None = None
    silent: bool = False
    deaf: bool = False
    garbage: int = 0
    close_after: int | None = None
    late_s: float = 0.0
    no_snapshot: bool = False
    repeated: bool = False
    reordered: bool = False


class PushServer:
    """Serves the venues in `quotes`, each asked for its markets at every tick.

    `accepted` counts connections by venue, `heard` keeps clients' latest frames.
    """

    def __init__(
        self,
        quotes: Mapping[str, Callable[[], Quotes]],
        clock: Clock,
        every_s: float = 0.05,
        authority: Authority | None = None,
        port: int = 0,
    ) -> None:
        self._quotes, self._clock, self._every_s = quotes, clock, every_s
        self.authority = authority or Authority()
        self.port = port
        self.faults = {venue: PushFaults() for venue in quotes}
        self.accepted: Counter[str] = Counter()
        self.heard: dict[str, deque[str]] = {venue: deque(maxlen=256) for venue in quotes}
        self._open: dict[str, set[ServerConnection]] = {venue: set() for venue in quotes}
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> Self:
        server: Server = await self._cleanup.enter_async_context(
            serve(
                self._serve,
                LOOPBACK,
                self.port,
                ssl=self.authority.server_context(sorted(HOSTS)),
                process_request=self._admit,
                compression=None,
                ping_interval=None,
                close_timeout=CLOSE_S,
            )
        )
        self.port = next(iter(server.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._cleanup.aclose()

    def resolve(self, host: str, port: int) -> tuple[str, int]:
        """Return where a host is served. Raises OSError for a host that is not: nothing leaves the machine."""
        if host not in HOSTS:
            raise OSError(f"egress blocked: nobody serves {host}:{port} here")
        return LOOPBACK, self.port

    def connected(self, venue: str) -> int:
        """Return how many connections are open."""
        return len(self._open[venue])

    def drop(self, venue: str) -> None:
        """Break every connection off, as a network does: no closing frame."""
        for connection in list(self._open[venue]):
            connection.transport.abort()

    async def expire(self, venue: str) -> None:
        """Close every connection in due form, as Binance does after 24 hours."""
        for connection in list(self._open[venue]):
            await connection.close(1001, "24 hours")

    async def announce(self) -> None:
        """Tell OKX's clients that their connections are going to be closed."""
        for connection in list(self._open["okx"]):
            await connection.send(json.dumps(LEAVING))

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        venue = self._venue(request)
        if venue is None:
            return connection.respond(421, "nobody serves this host here\n")
        status = self.faults[venue].refuse
        return None if status is None else connection.respond(status, "not now\n")

    def _venue(self, request: Request | None) -> str | None:
        host = request.headers.get("Host", "") if request is not None else ""
        venue = HOSTS.get(host.partition(":")[0])
        return venue if venue in self._quotes else None

    async def _serve(self, connection: ServerConnection) -> None:
        venue = self._venue(connection.request)
        if venue is None or connection.request is None:
            return
        session = session_for(venue, connection.request.path)
        if isinstance(session, BybitSession):
            session.snapshots = not self.faults[venue].no_snapshot
        self.accepted[venue] += 1
        self._open[venue].add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(self._tell(venue, connection, session))
                await self._listen(venue, connection, session)
                telling.cancel()
        except* ConnectionClosed:
            pass  # the client went, or a fault cut it off
        finally:
            self._open[venue].discard(connection)

    async def _listen(self, venue: str, connection: ServerConnection, session: Session) -> None:
        async for frame in connection:
            text = frame if isinstance(frame, str) else frame.decode()
            self.heard[venue].append(text)
            if self.faults[venue].silent:
                continue
            for answer in session.hear(text, self._quotes[venue]()):
                await connection.send(answer)

    async def _tell(self, venue: str, connection: ServerConnection, session: Session) -> None:
        faults, told = self.faults[venue], 0
        older: list[str] = []
        while True:
            await asyncio.sleep(self._every_s + faults.late_s)
            if faults.silent or faults.deaf:
                continue
            news = list(session.tell(self._quotes[venue](), self._clock.now_ms()))
            due, older = (news + older, news) if faults.reordered else (news, [])
            for message in due * (2 if faults.repeated else 1):
                if faults.garbage > 0:
                    faults.garbage -= 1
                    message = GARBAGE[faults.garbage % len(GARBAGE)]
                await connection.send(message)
                told += 1
                if faults.close_after is not None and told >= faults.close_after:
                    await connection.close(1013, "flapping")
                    return
