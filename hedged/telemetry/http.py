"""HTTP for machines and the operator: /metrics, /healthz, /readyz, and what others add. Every answer is guarded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

GUARDS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "hedged",
}
"""Headers of every answer: only files of ours run, nothing of another host is loaded, nobody frames it."""
NOT_KEPT = "no-store"
"""Caching of what is of this moment."""


@dataclass(frozen=True, slots=True)
class StatusSource:
    """What the probes read, asked anew at each request.

    `not_ready`: reasons why the daemon is not ready (empty = ready); `not_alive`: why it should be restarted.
    """

    registry: CollectorRegistry
    not_ready: Callable[[], Sequence[str]]
    not_alive: Callable[[], Sequence[str]]


async def start_http(
    source: StatusSource,
    host: str,
    port: int,
    more: Sequence[web.RouteDef] = (),
    middlewares: Sequence[Middleware] = (),
) -> tuple[web.AppRunner, int]:
    """Serve, `more` too, until the runner is cleaned up. Returns it and the port (useful when 0 was asked for)."""
    app = web.Application(middlewares=middlewares)
    app.on_response_prepare.append(_guard)
    app.add_routes(
        [
            web.get("/metrics", partial(_metrics, source)),
            web.get("/healthz", partial(_healthz, source)),
            web.get("/readyz", partial(_readyz, source)),
            *more,
        ]
    )
    return await listen(app, host, port)


async def listen(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve an application until the runner is cleaned up. Returns it and the port. Raises OSError."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, int(runner.addresses[0][1])


async def _guard(_: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.update(GUARDS)
    answer.headers.setdefault("Cache-Control", NOT_KEPT)


async def _metrics(source: StatusSource, _: web.Request) -> web.Response:
    return web.Response(body=generate_latest(source.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _healthz(source: StatusSource, _: web.Request) -> web.Response:
    return _probe(source.not_alive())


async def _readyz(source: StatusSource, _: web.Request) -> web.Response:
    return _probe(source.not_ready())


def _probe(faults: Sequence[str]) -> web.Response:
    return web.json_response({"ok": not faults, "reasons": list(faults)}, status=503 if faults else 200)
