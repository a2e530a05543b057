"""Servers on one loopback port, each answering to its real host names; sessions that reach nothing else.

A test or a rehearsal puts its own aiohttp applications beside the exchanges':

    async with serve({"fapi.binance.com": binance, "stream.bybit.com": push}) as loopback:
        session = loopback.session()  # https://fapi.binance.com/... is now answered by `binance`
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from hedged.sandbox.cex.tls import Authority

LOOPBACK = "127.0.0.1"
GRACE_S = 0.1


class LoopbackResolver(AbstractResolver):
    """Resolves the hosts that are served to one loopback port and refuses every other name.

    `hosts` None: every host is taken there; the server's certificate then says which it is.
    """

    def __init__(self, hosts: frozenset[str] | None, port: int) -> None:
        self._hosts, self._port = hosts, port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the loopback address. Raises OSError for a host that is not served."""
        if self._hosts is not None and host not in self._hosts:
            raise OSError(f"egress blocked: nobody serves {host} here")
        address: ResolveResult = {
            "hostname": host,
            "host": LOOPBACK,
            "port": self._port,
            "family": socket.AF_INET,
            "proto": 0,
            "flags": 0,
        }
        return [address]

    async def close(self) -> None:
        """Hold nothing, so close nothing."""


@dataclass(frozen=True, slots=True)
class Loopback:
    """What is served, and how to reach it."""

    hosts: frozenset[str]
    port: int
    authority: Authority

    def session(self, **options: Any) -> aiohttp.ClientSession:
        """Open a session to the served hosts alone; whoever opens it closes it."""
        connector = aiohttp.TCPConnector(
            resolver=LoopbackResolver(self.hosts, self.port),
            ssl=self.authority.client_context(),
            use_dns_cache=False,
        )
        return aiohttp.ClientSession(connector=connector, **options)


def session_to(port: int, ca_file: Path, **options: Any) -> aiohttp.ClientSession:
    """Open a session that reaches a loopback server of another process, whatever the host. Raises OSError."""
    context = ssl.create_default_context(cadata=ca_file.read_text(encoding="ascii"))
    connector = aiohttp.TCPConnector(resolver=LoopbackResolver(None, port), ssl=context, use_dns_cache=False)
    return aiohttp.ClientSession(connector=connector, **options)


@asynccontextmanager
async def serve(apps: Mapping[str, web.Application], port: int = 0) -> AsyncIterator[Loopback]:
    """Serve each application under its host name, over TLS, until the block ends. Port 0: a free one.

    One application may stand under several names.
    """
    authority = Authority()
    hosts = frozenset(apps)
    runners = {
        id(app): web.AppRunner(app, access_log=None, shutdown_timeout=GRACE_S) for app in apps.values()
    }
    for runner in runners.values():
        await runner.setup()
    by_host: dict[str, Any] = {host: runners[id(app)].server for host, app in apps.items()}

    async def dispatch(request: web.BaseRequest) -> web.StreamResponse:
        server = by_host.get((request.host or "").partition(":")[0])
        if server is None:
            return web.Response(status=421, text="nobody serves this host here")
        answer: web.StreamResponse = await server.request_handler(request)
        return answer

    outer = web.ServerRunner(
        web.Server(dispatch, request_factory=_request, access_log=None), shutdown_timeout=GRACE_S
    )
    await outer.setup()
    try:
        site = web.TCPSite(outer, LOOPBACK, port, ssl_context=authority.server_context(sorted(hosts)))
        await site.start()
        bound = outer.addresses[0][1]
        yield Loopback(hosts, bound, authority)
    finally:
        await outer.cleanup()
        for runner in runners.values():
            await runner.cleanup()


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.Request:
    """Make what an application's handlers expect: a request that can be routed."""
    return web.Request(message, payload, protocol, writer, task, asyncio.get_running_loop())
