"""The daemon on a disk that fills up while it runs, and on one that is full when it starts: as a real process."""

import asyncio
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

from exchange_stage import LIVE, living, stage
from rehearsal import STARTUP_S, Running, running

from hedged.domain.clock import SystemClock
from hedged.domain.market import SeriesKey
from hedged.execution.journal.thread import Journal

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


STARTER = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({FULL}, resource.RLIM_INFINITY))
from hedged.cli import main
main()
"""


def test_a_full_disk_stops_orders_not_the_daemon(tmp_path: Path) -> None:
    """If this fails, a full disk means a daemon that restarts for ever, or a kill that is forgotten with the outage."""
    starter = tmp_path / "starter.py"
    starter.write_text(STARTER)
    with running(str(starter), "run", "--config", configured(tmp_path)) as daemon:
        url = json.loads(daemon.wait_for("http_listening", STARTUP_S))["url"]
        daemon.wait_for("journal_failing", STARTUP_S)
        until(lambda: "until then nothing is sent" in ask(url, "readyz")[1])
        limit(daemon, resource.RLIM_INFINITY)
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
        assert level(tmp_path) == [(1, "signal SIGUSR1")]
        assert "reduce-only" in ask(url, "api/status")[1]
        assert daemon.end() == 0
    events = [event["event"] for event in daemon.events()]
    assert events.count("journal_failing") == 2  # once at the start, once while it ran
    assert events.count("journal_works_again") == 1


def test_an_order_in_flight_when_the_journal_fails_is_found_again_and_not_repeated(tmp_path: Path) -> None:
    """If this fails, a disk that fills up between an order and its answer doubles the hedge, or loses half of it."""
    venue = "bybit"

    async def main() -> None:
        async with asyncio.timeout(60), stage(tmp_path, (venue,)) as on:
            clock, exchange = SystemClock(), on.hall.protocols[venue].exchange
            journal = Journal.open(tmp_path / "journal.sqlite")
            async with living(on.config(**LIVE, execution={"rest_s": 0}), clock, journal) as (app, _):
                exchange.on_order = lambda _: journal._store._db.execute("PRAGMA query_only = ON")
                await app.attempt(clock.now_ms())
                exchange.on_order = lambda _: None
                held, before = on.held(venue), app.cycle.desk
                assert held < 0
                assert "until then nothing is sent" in app.not_ready()[0]
                assert app.not_alive() == []
                assert app.progress.last is None  # it was no cycle
                await app.attempt(clock.now_ms())
                assert not journal.trouble
                assert app.cycle.desk is not before
                assert app.progress.last is not None
                assert app.progress.last.account.attributed == {SeriesKey(venue, "INJ"): held}
                assert on.held(venue) == held
                assert len(exchange.account.orders) == 1
                assert app.not_ready() == []

    asyncio.run(main())
