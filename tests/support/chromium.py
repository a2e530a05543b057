"""A headless Chromium that a test drives over its debugging socket: one process, as many pages as are wanted."""

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-extensions", "--remote-debugging-port=0", "about:blank"),
)
PATIENCE_S = 60.0


class Page:
    """One tab. `problems`: errors in console or scripts; `requests`: every address that was asked for."""

    def __init__(self, socket: Connection, session: str, ids: Iterator[int]) -> None:
        self._socket, self._session, self._ids = socket, session, ids
        self.problems: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the tab for something and wait for the answer; what happens meanwhile is noted."""
        asked = self._ask(method, params)
        while True:
            told = json.loads(self._socket.recv(PATIENCE_S))
            if told.get("id") == asked:
                assert "error" not in told, told
                return dict(told["result"])
            self._note(told)

    def _ask(self, method: str, params: dict[str, Any]) -> int:
        asked = next(self._ids)
        message = {"id": asked, "method": method, "params": params, "sessionId": self._session}
        self._socket.send(json.dumps(message))
        return asked

    def wait_for(self, method: str) -> None:
        """Wait for an event."""
        while (told := json.loads(self._socket.recv(PATIENCE_S))).get("method") != method:
            self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        method, params = told.get("method"), told.get("params") or {}
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(str(params["entry"]))

    def look(self, width: int, theme: str, height: int = 900) -> None:
        """Have a screen of a width in CSS pixels, and a colour scheme; a narrow one is touched."""
        phone = width < 720
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def open(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        self.send("Page.navigate", url=address)
        self.wait_for("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Run an expression, awaited if it is a promise, and return its value."""
        told = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true: what an input sets off comes with one of the next frames."""
        self.run(
            "new Promise((done, fail) => { const end = Date.now() + 40000; const look = () => "
            f"({condition}) ? done() : Date.now() > end ? fail(new Error('never')) : setTimeout(look, 20); look(); }})"
        )

    def click(self, x: float, y: float) -> None:
        """Click with the mouse, in CSS pixels of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, x: float, y: float) -> None:
        """Move the mouse there."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str, text: str) -> None:
        """Press a key; `text` is what it types, if anything."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text)

    def tap(self, x: float, y: float) -> None:
        """Tap with a finger, off again at once: what rests for long is no tap."""
        self._ask("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def picture(self, target: Path) -> None:
        """Save the whole page as a PNG."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        target.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(directory: Path) -> Iterator[Page]:
    """Start a browser with its profile in `directory`, give its tab, and end it. Skips where there is none."""
    binary = next((found for name in NAMES if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip("needs chromium")
    process = subprocess.Popen(
        [binary, *FLAGS, f"--user-data-dir={directory}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with connect(_address(directory / "DevToolsActivePort", process), max_size=None) as socket:
            yield _tab(socket)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _address(told: Path, process: "subprocess.Popen[bytes]") -> str:
    """Return the debugging socket's address once the browser has told it."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, "chromium ended at once"
        lines = told.read_text().split() if told.is_file() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise TimeoutError("chromium did not tell its debugging port")


def _tab(socket: Connection) -> Page:
    ids = itertools.count(1)

    def ask(method: str, **params: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": (asked := next(ids)), "method": method, "params": params}))
        while (told := json.loads(socket.recv(PATIENCE_S))).get("id") != asked:
            pass
        return dict(told["result"])

    target = ask("Target.createTarget", url="about:blank")["targetId"]
    session = ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    return Page(socket, session, ids)
