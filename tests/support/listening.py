"""A service on loopback that takes whatever is posted to it, from a thread of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Listener:
    """`taken`: path and body of every request, in order; `status`: what it answers; `gate`: it waits for this first."""

    port: int = 0
    status: int = 200
    taken: list[tuple[str, str]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def messages(self) -> list[dict[str, Any]]:
        """What was posted as JSON, by apprise's webhook."""
        return [json.loads(body) for _, body in self.taken if body]

    def url(self, path: str, scheme: str = "json") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/{path}"


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen until the block ends."""
    found = Listener()
    found.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            found.taken.append((self.path, body))
            found.gate.wait(60)
            self.send_response(found.status)
            if found.status == 307:
                self.send_header("Location", found.url("elsewhere", "http"))
            self.end_headers()
            self.wfile.write(b"ok" if self.path.startswith("/slack") else b'{"ok": true}')

        do_GET = do_POST = _take  # noqa: N815 - the names are the interface

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
