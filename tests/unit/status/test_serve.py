"""The page's own answers: guarded by headers, small, and made of the package's files alone."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from status_world import Life

from hedged.status.document import Status
from hedged.status.serve import ASSETS, Pages
from hedged.telemetry.http import StatusSource, start_http

Get = Callable[..., Awaitable[tuple[int, Any, bytes]]]


@dataclass
class Board:
    """Tells the same document to everybody."""

    told: Status

    async def status(self) -> Status:
        return self.told


@pytest.fixture
def told(life: Life) -> Status:
    return life.last


def serving(told: Status, script: Callable[[Get], Awaitable[Any]]) -> Any:
    """Serve the pages of a document, and run a script that asks for them."""

    async def main() -> Any:
        source = StatusSource(CollectorRegistry(), list, list)
        pages = Pages(Board(told))  # type: ignore[arg-type]
        runner, port = await start_http(source, "127.0.0.1", 0, pages.routes())
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", auto_decompress=False) as session:

                async def get(path: str, **headers: str) -> tuple[int, Any, bytes]:
                    async with session.get(path, headers=headers) as answer:
                        return answer.status, answer.headers, await answer.read()

                return await script(get)
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def test_every_answer_is_guarded(told: Status) -> None:
    """If this fails, another site frames the kill button, or a text that slipped through runs as a script."""

    async def script(get: Get) -> None:
        for path in ("/", "/page.json", "/api/status", "/metrics", "/healthz", "/assets/live.js", "/nothing"):
            _, headers, _ = await get(path)
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy, "no host beside this one"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Server"] == "hedged"

    serving(told, script)


def test_only_the_page_s_own_files_are_served_and_they_are_kept(told: Status) -> None:
    """If this fails, a path leads out of the package, or a phone loads the chart library with every look."""

    async def script(get: Get) -> None:
        status, _, body = await get("/", **{"Accept-Encoding": "identity"})
        assert status == 200
        for name in ASSETS:
            status, headers, found = await get(f"/assets/{name}")
            assert (status, len(found) > 100) == (200, True), name
            assert "immutable" in headers["Cache-Control"]
            assert f"assets/{name}?".encode() in body, "named with what changes when it does"
        for path in ("/assets/status.html", "/assets/..%2fserve.py", "/assets/%2e%2e/board.py", "/assets/"):
            assert (await get(path))[0] == 404
        assert (await get("/"))[1]["Cache-Control"] == "no-store"

    serving(told, script)


def test_the_document_is_packed_for_who_takes_it_so(told: Status) -> None:
    """If this fails, the page drinks a phone's data, or a program without gzip cannot read the document."""

    async def script(get: Get) -> None:
        _, headers, plain = await get("/api/status", **{"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in headers
        assert Status.model_validate_json(plain) == told
        _, headers, packed = await get("/api/status", **{"Accept-Encoding": "gzip, br"})
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed) == plain
        assert len(packed) < len(plain) / 3

    serving(told, script)


def test_the_page_asks_for_what_has_changed(told: Status) -> None:
    """If this fails, the page stands still, or loads everything every two seconds."""

    async def script(get: Get) -> None:
        first = json.loads((await get("/page.json", **{"Accept-Encoding": "identity"}))[2])
        assert {"state", "book", "decisions"} <= set(first["parts"])
        assert len(first["forecasts"]) == len(told.forecasts)
        path = f"/page.json?edition={first['edition']}"
        again = json.loads((await get(path, **{"Accept-Encoding": "identity"}))[2])
        assert "state" in again["parts"]
        assert "book" not in again["parts"]
        assert (again["edition"], again["build"]) == (first["edition"], first["build"])

    serving(told, script)


def test_the_package_holds_every_file_of_the_page() -> None:
    """If this fails, the page works from a checkout and lacks a script in the container."""
    pages = Pages(Board(None))  # type: ignore[arg-type]
    assert all(isinstance(path, Path) and path.is_file() for path in pages._paths.values())
    assert len(pages.build) == 12
