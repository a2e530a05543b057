"""The daemon on a disk that fills up while it runs, and on one that is full when it starts: as a real process."""

import json
import resource
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rehearsal import STARTUP_S, Running, running

FULL = 4_096
"""Bytes that a file of the process may have: less than any journal."""


def configured(tmp_path: Path) -> str:
    file = tmp_path / "c.yaml"
    file.write_text(
        f"state_dir: {tmp_path}/state\nbook: {{positions: {{INJ: {{usd: 80000}}}}}}\n"
        "hedge: {forecaster: ewma}\ncycle: {interval_s: 30, bar_s: 900, history_days: 7, guard_interval_s: 0.5}\n"
    )
    return str(file)


def limit(daemon: Running, size: int) -> None:
    _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def ask(url: str, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url + path, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + STARTUP_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def level(tmp_path: Path) -> list[Any]:
    db = sqlite3.connect(tmp_path / "state" / "journal.sqlite")
    rows = db.execute("SELECT level, reason FROM kill_latch").fetchall()
    db.close()
    return rows


def test_a_disk_that_fills_up_stops_orders_not_the_daemon(tmp_path: Path) -> None:
    """If this fails, a full disk means a daemon that restarts for ever, or a kill that is forgotten with the outage."""
    with running("-m", "hedged", "run", "--config", configured(tmp_path)) as daemon:
        url = json.loads(daemon.wait_for("http_listening", STARTUP_S))["url"]
        daemon.wait_for("prepared", STARTUP_S)
        until(lambda: ask(url, "readyz")[0] == 200)
        limit(daemon, FULL)
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.wait_for("kill_not_journalled_yet", STARTUP_S)
        status, said = ask(url, "readyz")
        assert status == 503
        assert "until then nothing is sent" in said
        assert ask(url, "healthz")[0] == 200
        assert "hedged_journal_failing 1.0" in ask(url, "metrics")[1]
        assert "until then nothing is sent" in ask(url, "")[1]
        time.sleep(1.5)  # some tries
        assert level(tmp_path) == []
        limit(daemon, resource.RLIM_INFINITY)
        daemon.wait_for("journal_works_again", STARTUP_S)
        until(lambda: ask(url, "readyz")[0] == 200)
        assert "hedged_journal_failing 0.0" in ask(url, "metrics")[1]
        assert level(tmp_path) == [(1, "SIGUSR1")]
        assert "reduce-only" in ask(url, "status.json")[1]
        assert daemon.end() == 0
    events = [event["event"] for event in daemon.events()]
    assert events.count("journal_failing") == events.count("journal_works_again") == 1


STARTER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
sys.argv = ["hedged", *sys.argv[1:]]
from hedged.cli import main
main()
"""


def test_a_start_on_a_full_disk_waits_for_room(tmp_path: Path) -> None:
    """If this fails, a daemon on a full disk is restarted over and over, and its page never says why."""
    starter = tmp_path / "starter.py"
    starter.write_text(STARTER)
    with running(str(starter), "run", "--config", configured(tmp_path)) as daemon:
        url = json.loads(daemon.wait_for("http_listening", STARTUP_S))["url"]
        daemon.wait_for("journal_failing", STARTUP_S)
        assert "until then nothing is sent" in ask(url, "readyz")[1]
        limit(daemon, resource.RLIM_INFINITY)
        daemon.wait_for("prepared", STARTUP_S)
        assert daemon.end() == 0
