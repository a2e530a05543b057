"""Serves the status: the document as JSON, the page, and the files that the page is made of."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

from aiohttp import web

from hedged.status.board import Board
from hedged.status.document import Status
from hedged.status.view import whole

SHARED, OWN = "hedged.page", "hedged.status"
ASSETS = {
    "page.css": SHARED, "theme.js": SHARED, "charts.js": SHARED, "reading.js": SHARED, "echarts.min.js": SHARED,
    "status.css": OWN, "live.js": OWN, "switch.js": OWN, "fans.js": OWN, "icon.svg": OWN,
}  # fmt: skip
"""What the page is made of, by the package that it lies in; nothing else is ever served."""
KEPT = "public, max-age=31536000, immutable"
"""Caching of these files: their address changes when they do."""
LEAST_PACKED, LONG = 1_024, 64 * 1_024
"""Bytes from which an answer is compressed, and from which that is no work for the event loop."""
QUICK = 1
"""Level of compression: the page is asked for every two seconds."""


@dataclass(slots=True)
class Pages:
    """Handlers. What was made of a document serves everybody who asks for the same one."""

    board: Board
    build: str = ""
    _paths: Mapping[str, Path] = field(default_factory=dict)
    _made_of: Status | None = None
    _edition: str = ""
    _slow: Mapping[str, str] = field(default_factory=dict)
    _slow_of: tuple[object, ...] = ()

    def __post_init__(self) -> None:
        self._paths = {name: _path(name, package) for name, package in ASSETS.items()}
        files_of = [whole.frame().template.encode(), *(path.read_bytes() for path in self._paths.values())]
        self.build = hashlib.blake2b(b"".join(files_of), digest_size=6).hexdigest()

    def routes(self) -> list[web.RouteDef]:
        """Return what to serve."""
        return [
            web.get("/", self._page),
            web.get("/page.json", self._update),
            web.get("/assets/{name}", self._asset),
            web.get("/api/status", self._document),
        ]

    async def _document(self, request: web.Request) -> web.Response:
        status = await self.board.status()
        return await _packed(request, status.model_dump_json(), "application/json")

    async def _page(self, request: web.Request) -> web.Response:
        status = await self.board.status()
        edition, slow = await self._slowly(status)
        return await _packed(request, whole.page(status, edition, slow, self.build), "text/html")

    async def _update(self, request: web.Request) -> web.Response:
        status = await self.board.status()
        edition, slow = await self._slowly(status)
        has = request.query.get("edition") == edition
        told = whole.update(status, edition, None if has else slow) | {"build": self.build}
        return await _packed(request, json.dumps(told, allow_nan=False), "application/json")

    async def _slowly(self, status: Status) -> tuple[str, Mapping[str, str]]:
        """Return the parts that change seldom; they are made anew, in a thread, when what they show is another."""
        of = (
            status.book, status.ahead, status.saved, status.decisions, status.earlier, status.forecasts,
            status.about.mode, status.about.config_hash, status.about.announced, status.about.model_hash,
            status.about.training,
        )  # fmt: skip
        if of != self._slow_of:
            made = await asyncio.get_running_loop().run_in_executor(None, whole.slow_parts, status)
            self._slow_of, (self._edition, self._slow) = of, made
        return self._edition, self._slow

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        path = self._paths.get(request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Cache-Control": KEPT})


def _path(name: str, package: str) -> Path:
    with as_file(files(package) / "assets" / name) as path:
        return path


async def _packed(request: web.Request, text: str, kind: str) -> web.Response:
    """Answer with a text, compressed for whoever takes it so: in a thread where it is long."""
    body, headers = text.encode(), {"Vary": "Accept-Encoding"}
    if len(body) >= LEAST_PACKED and "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        if len(body) < LONG:
            body = gzip.compress(body, QUICK)
        else:
            body = await asyncio.get_running_loop().run_in_executor(None, gzip.compress, body, QUICK)
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
