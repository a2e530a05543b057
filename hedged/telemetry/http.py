"""HTTP for machines and the operator: /metrics, /healthz, /readyz, and a small status page."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@dataclass(frozen=True, slots=True)
class StatusSource:
    """What the pages read, asked anew at each request.

    `not_ready`: reasons why the daemon is not ready (empty = ready); `not_alive`: why it should be restarted;
    `book`: rows of the status page; `feeds`: how each venue's data stand; `quarantined`: series that are not believed;
    `ahead`: the book's funding over the coming spans; `stops`: how far each hedge is from its stop;
    `disagreements`: where what venues tell of the account does not agree.
    """

    registry: CollectorRegistry
    not_ready: Callable[[], Sequence[str]]
    not_alive: Callable[[], Sequence[str]]
    book: Callable[[], Sequence[Mapping[str, Any]]]
    about: Callable[[], Mapping[str, str]]
    feeds: Callable[[], Sequence[Mapping[str, str]]] = tuple
    quarantined: Callable[[], Sequence[Mapping[str, str]]] = tuple
    ahead: Callable[[], Sequence[Mapping[str, str]]] = tuple
    stops: Callable[[], Sequence[Mapping[str, str]]] = tuple
    disagreements: Callable[[], Sequence[Mapping[str, str]]] = tuple


async def start_http(
    source: StatusSource,
    host: str,
    port: int,
    more: Sequence[web.RouteDef] = (),
    middlewares: Sequence[Any] = (),
) -> tuple[web.AppRunner, int]:
    """Serve, `more` too, until the runner is cleaned up. Returns it and the port (useful when 0 was asked for)."""
    app = web.Application(middlewares=middlewares)
    app.add_routes(
        [
            web.get("/", partial(_page, source)),
            web.get("/metrics", partial(_metrics, source)),
            web.get("/healthz", partial(_healthz, source)),
            web.get("/readyz", partial(_readyz, source)),
            web.get("/status.json", partial(_status, source)),
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


async def _metrics(source: StatusSource, _: web.Request) -> web.Response:
    return web.Response(body=generate_latest(source.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _healthz(source: StatusSource, _: web.Request) -> web.Response:
    return _probe(source.not_alive())


async def _readyz(source: StatusSource, _: web.Request) -> web.Response:
    return _probe(source.not_ready())


def _probe(faults: Sequence[str]) -> web.Response:
    return web.json_response({"ok": not faults, "reasons": list(faults)}, status=503 if faults else 200)


async def _status(source: StatusSource, _: web.Request) -> web.Response:
    return web.json_response(
        {
            "about": dict(source.about()),
            "not_ready": list(source.not_ready()),
            "book": [dict(r) for r in source.book()],
            "feeds": [dict(r) for r in source.feeds()],
            "quarantined": [dict(r) for r in source.quarantined()],
            "ahead": [dict(r) for r in source.ahead()],
            "stops": [dict(r) for r in source.stops()],
            "disagreements": [dict(r) for r in source.disagreements()],
        }
    )


async def _page(source: StatusSource, _: web.Request) -> web.Response:
    faults, about = source.not_ready(), source.about()
    state = "ready" if not faults else "not ready: " + "; ".join(faults)
    latch = about.get("latched") or about.get("kill latch", "none")
    banner = f"kill latch: {latch}. `hedged resume` clears it." if latch not in ("none", "unknown") else ""
    template = resources.files("hedged.telemetry").joinpath("assets/status.html").read_text(encoding="utf-8")
    page = (
        template.replace("{{state_class}}", "bad" if faults else "good")
        .replace("{{state}}", html.escape(state))
        .replace(
            "{{latch}}", f'<div class="latch" role="alert">{html.escape(banner)}</div>' if banner else ""
        )
        .replace("{{about}}", html.escape(" · ".join(f"{k} {v}" for k, v in about.items() if k != "latched")))
        .replace("{{rows}}", "".join(_row(row) for row in source.book()))
        .replace("{{ahead}}", _table("Funding of the whole book", source.ahead()))
        .replace("{{stops}}", _table("Stops", source.stops()))
        .replace("{{disagreements}}", _table("Does not agree", source.disagreements()))
        .replace("{{quarantined}}", _table("Not believed", source.quarantined()))
        .replace("{{feeds}}", _table("Data", source.feeds()))
    )
    return web.Response(text=page, content_type="text/html")


def _table(title: str, rows: Sequence[Mapping[str, str]]) -> str:
    """Make a table; nothing where there is no row."""
    if not rows:
        return ""
    heads = "".join(f"<th>{html.escape(label)}</th>" for label in rows[0])
    body = "".join(_row(row) for row in rows)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<h2>{title}</h2><div class="scroll">{table}</div>'


def _row(row: Mapping[str, Any]) -> str:
    """Make a table row; the second line of a value is shown small beneath the first."""
    cells = []
    for label, value in row.items():
        first, *rest = str(value).split("\n")
        below = "".join(f'<span class="small">{html.escape(line)}</span>' for line in rest)
        cells.append(f'<td data-label="{html.escape(label)}">{html.escape(first)}{below}</td>')
    return f"<tr>{''.join(cells)}</tr>"
