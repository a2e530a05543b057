"""The webhook of a running daemon, over real HTTP: what gets in, what does not, and what a restart remembers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hedged.domain.clock import iso

SECRET = "wire-secret-0123456789abcdef"
PATH = "/webhook/tradingview"
STARTUP_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Daemon:
    """`hedged run` on the simulator with a webhook; `log`: all that it has written so far."""

    folder: Path
    page: int = field(default_factory=free_port)
    hook: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    log: str = ""

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hedged", "run", "--config", str(self.folder / "config.yaml")],
            stderr=subprocess.PIPE, text=True,
            env=os.environ | {"HEDGED_LISTEN": f"127.0.0.1:{self.page}", "HOOK": SECRET},
        )  # fmt: skip
        deadline_s = time.monotonic() + STARTUP_S
        while time.monotonic() < deadline_s:
            if self.process.poll() is not None:
                pytest.fail(self.process.communicate()[1])
            try:
                with socket.create_connection(("127.0.0.1", self.hook), timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        pytest.fail(f"no webhook within {STARTUP_S} s")

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.log += self.process.communicate(timeout=30)[1]

    def post(self, body: bytes | dict[str, Any], path: str = PATH, **headers: str) -> tuple[int, str]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.hook}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, start: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/metrics", timeout=10) as answer:
            found = [line for line in answer.read().decode().splitlines() if line.startswith(start)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    one = Daemon(tmp_path_factory.mktemp("webhook"))
    (one.folder / "config.yaml").write_text(
        f"state_dir: {one.folder}/state\nbook: {{positions: {{INJ: {{usd: 80000}}, ETH: {{usd: -60000}}}}}}\n"
        "cycle: {history_days: 7, interval_s: 30}\nhedge: {forecaster: ewma}\n"
        f"webhook: {{port: {one.hook}, secret_env: HOOK, per_minute: 8}}\n"
    )
    one.start()
    try:
        yield one
    finally:
        if one.process:
            one.process.kill()
            one.process.communicate()


def message(**changes: Any) -> dict[str, Any]:
    now = iso(time.time_ns() // 1_000_000)
    return {
        "secret": SECRET,
        "id": "w-1",
        "time": now,
        "action": "hedge_less",
        "symbol": "INJUSDT.P",
    } | changes


def test_a_sound_message_is_taken_in_once(daemon: Daemon) -> None:
    """If this fails, TradingView's alerts do not reach the daemon, or a copy of one counts twice."""
    first = message()
    assert daemon.post(first, **{"Content-Type": "text/plain"}) == (200, "accepted")
    assert daemon.post(first) == (409, "replayed")
    assert daemon.post(message(id="w-2", action="alert", symbol="*", note="look at INJ")) == (200, "accepted")
    assert daemon.metric('hedged_signals_total{verdict="accepted"}') == 2
    assert daemon.metric('hedged_signals_total{verdict="replayed"}') == 1
    last_s = daemon.metric('hedged_signal_last_received_timestamp_seconds{action="alert",symbol="*"}')
    assert abs(last_s - time.time()) < 60


def test_what_is_not_sound_is_refused_with_a_bare_word(daemon: Daemon) -> None:
    """If this fails, a stranger's request has an effect, or its answer tells a stranger how to make the next one."""
    assert daemon.post(message(id="x-1", secret="wrong-secret-0123456789abcd")) == (401, "wrong_secret")
    assert daemon.post(b"{") == (400, "malformed")
    assert daemon.post(b'{"secret": "' + b"x" * 5_000 + b'"}') == (413, "too_large")
    assert daemon.post(message(id="x-2", action="buy")) == (422, "bad_form")
    assert daemon.post(message(id="x-3", symbol="DOGEUSDT")) == (422, "unknown_symbol")
    assert daemon.post(message(id="x-4", time="2020-01-01T00:00:00Z")) == (422, "untimely")
    assert daemon.post(message(), path="/metrics")[0] == 404
    assert daemon.post(message(), path="/")[0] == 404
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.hook}{PATH}")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(request, timeout=10)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{daemon.page}{PATH}", timeout=10)


def test_a_restart_remembers(daemon: Daemon) -> None:
    """If this fails, a copied message counts again after a restart."""
    copied = message(id="r-1")
    assert daemon.post(copied) == (200, "accepted")
    daemon.stop()
    daemon.start()
    assert daemon.post(copied) == (409, "replayed")


def test_a_flood_is_refused_and_the_log_stays_small_and_clean(daemon: Daemon) -> None:
    """If this fails, a flood reaches the plan or fills the disk, or the secret stands in the log."""
    before = len(daemon.log)
    flood = [message(id=f"f-{i}") for i in range(40)] + [message(secret=f"guess-{i}") for i in range(60)]
    with ThreadPoolExecutor(8) as pool:
        answers = [status for status, _ in pool.map(daemon.post, flood)]
    assert answers.count(200) <= 8
    assert {429, 401} <= set(answers) <= {200, 401, 429}
    daemon.stop()
    lines = [json.loads(line) for line in daemon.log.splitlines()]
    assert sum(line["event"] == "signal_refused" for line in lines) < 40
    assert sum(line["event"] == "signal_received" for line in lines) <= 8 + 3
    assert before < len(daemon.log) < 200_000
    for told in (SECRET, "wrong-secret", "guess-1", "xxxxx"):
        assert told not in daemon.log
    assert any(line["event"] == "webhook_listening" for line in lines)
