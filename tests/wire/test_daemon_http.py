"""The daemon as a process of its own: what a scraper, a container engine and an operator get from it."""

import json
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from listening import Listener, listening
from rehearsal import STARTUP_S, Running, running

STOP_S = 60
"""What docker-compose.yml and the systemd unit wait after SIGTERM before they kill."""
PLANTED = "s3cr3tpl4nt3d"
Daemon = tuple[str, Running, list[str]]


def get(url: str) -> tuple[int, str]:
    """Ask; an error status is an answer too."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until(true: Callable[[], bool]) -> None:
    """Ask until it holds."""
    deadline_s = time.monotonic() + STARTUP_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {STARTUP_S} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def told() -> Iterator[Listener]:
    """Where the daemon's alerts and heartbeats go."""
    with listening() as service:
        yield service


def kept(path: Path, text: str) -> Path:
    """Write a secret as an operator does."""
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, told: Listener) -> Iterator[Daemon]:
    """`hedged run` in paper mode on the simulator; yields its address, process and the states seen on the way."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "config.yaml").write_text(
        f"state_dir: {folder}/state\nbook: {{positions: {{INJ: {{usd: 80000}}, ETH: {{usd: -60000}}}}}}\n"
        "cycle: {history_days: 20, interval_s: 30, guard_interval_s: 1}\ntelemetry: {log_level: debug}\n"
        f"alerts: {{targets: {{phone: {{level: info, url_file: {kept(folder / 'a.url', told.url(PLANTED))}}}}},\n"
        f"  heartbeat: {{every_s: 5, url_file: {kept(folder / 'b.url', told.url(PLANTED, 'http'))}}}}}\n"
    )
    seen: list[str] = []
    with running("-m", "hedged", "run", "--config", str(folder / "config.yaml")) as command:
        url = json.loads(command.wait_for("http_listening", STARTUP_S))["url"].rstrip("/")

        def ready() -> bool:
            status, body = get(f"{url}/readyz")
            if status != 200:
                seen.extend(json.loads(body)["reasons"])
            return status == 200

        wait_until(ready)
        wait_until(lambda: any("Started" in one["message"] for one in told.messages()))
        yield url, command, seen


def test_it_says_why_it_is_not_ready_yet(daemon: Daemon) -> None:
    """If this fails, an operator watching a start sees nothing but silence."""
    assert daemon[2], "readiness must not be claimed from the first moment"
    assert all(re.match("starting|backfilling|waiting", reason) for reason in daemon[2])


def test_metrics_are_in_prometheus_format(daemon: Daemon) -> None:
    """If this fails, Prometheus cannot scrape the daemon or the alerts read nothing."""
    status, text = get(f"{daemon[0]}/metrics")
    assert status == 200
    line = re.compile(r'^[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? [-+0-9.eEinfNa]+$')
    assert all(line.match(row) for row in text.splitlines() if not row.startswith("#"))
    for wanted in (
        "hedged_ready 1.0", "hedged_cycles_total", "hedged_kill_latch 0.0", 'hedged_series_age_seconds{symbol="INJ"',
        'hedged_forecast_rate_per_hour{band="p90",symbol="INJ",venue="injective"}',
        'hedged_own_position_usd{symbol=',
    ):  # fmt: skip
        assert wanted in text


def test_health_and_book(daemon: Daemon) -> None:
    """If this fails, the container engine restarts a sound daemon, or the operator cannot see the book."""
    assert get(f"{daemon[0]}/healthz") == (200, '{"ok": true, "reasons": []}')
    status = json.loads(get(f"{daemon[0]}/api/status")[1])
    assert {row["symbol"] for row in status["book"]} == {"INJ", "ETH"}
    assert all(row["reason"] for row in status["book"])
    assert status["about"]["paper_days"] == 1
    page = get(f"{daemon[0]}/")[1]
    assert "The book" in page
    assert "ETH: " in page


def test_the_kill_switch_reaches_a_running_daemon(daemon: Daemon) -> None:
    """If this fails, SIGUSR1 does not stop new hedges."""
    url, command, _ = daemon
    command.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: "hedged_kill_latch 1.0" in get(f"{url}/metrics")[1])
    assert json.loads(get(f"{url}/api/status")[1])["health"]["latch"]["level"] == "reduce-only"


def test_the_kill_is_told_and_the_heart_beats(daemon: Daemon, told: Listener) -> None:
    """If this fails, an operator learns of a kill in the morning, or of a daemon that died never."""
    wait_until(lambda: any("Kill latch" in one["message"] for one in told.messages()))
    wait_until(lambda: (f"/{PLANTED}", "") in told.taken)
    assert not any(
        PLANTED in get(f"{daemon[0]}/{page}")[1] for page in ("metrics", "api/status", "status.json")
    )


def test_sigterm_ends_it_cleanly_and_its_log_is_json(daemon: Daemon) -> None:
    """If this fails, a container stop becomes a SIGKILL, or the log cannot be read by machines."""
    _, command, _ = daemon
    assert command.end(within_s=STOP_S) == 0
    events = command.events()
    assert [e["event"] for e in events[:2]] == ["http_listening", "prepared"]
    assert events[-1]["event"] == "stopped"
    assert all(list(e)[:3] == ["ts", "level", "event"] for e in events)


def test_its_operator_was_told_in_order_and_no_secret_was_shown(daemon: Daemon, told: Listener) -> None:
    """If this fails, a kill at night is not told, or the token of a chat can be read in a log or a file."""
    messages = [one for one in told.messages() if not one["message"].startswith("Hedge of")]
    begins = [
        "Started, the first decision",
        "Kill latch reduce-only, set by a signal",
        "Stopped: it was asked to",
    ]
    assert [one["message"][: len(begin)] for one, begin in zip(messages, begins, strict=True)] == begins
    assert all("hedged" in one["title"] and "(simulated)" in one["title"] for one in messages)
    folder = Path(next(word for word in daemon[1].process.args if str(word).endswith("yaml"))).parent  # type: ignore[union-attr]
    files = [path for path in (folder / "state").rglob("*") if path.is_file()]
    assert any(path.name == "alerts.json" for path in files)
    assert not any(PLANTED.encode() in path.read_bytes() for path in files)
    assert PLANTED not in "".join(daemon[1].lines)


def test_sigterm_ends_a_start_that_waits_for_a_node_at_once(tmp_path: Path) -> None:
    """If this fails, a daemon whose node is down cannot be stopped before it has given up by itself."""
    nowhere = '{chain_grpc: "127.0.0.1:9", indexer_grpc: "127.0.0.1:9", chain_stream: "127.0.0.1:9"}'
    (tmp_path / "c.yaml").write_text(
        f"state_dir: {tmp_path}/state\ndata: {{source: venues}}\nhedge: {{venues: [], forecaster: ewma}}\n"
        "book: {source: injective, address: inj14au322k9munkmx5wrchz9q30juf5wjgz2cfqku}\n"
        f"injective: {{network: custom, chain_id: injective-1, nodes: [{nowhere}]}}\n"
    )
    with running("-m", "hedged", "run", "--config", str(tmp_path / "c.yaml")) as command:
        command.wait_for("start_retried", STARTUP_S)
        assert command.end(within_s=20) == 0
        told = [event["event"] for event in command.events()]
    assert told[-1] == "stopped"
    assert "start_given_up" not in told


def test_sigterm_during_the_start_is_a_clean_end_too(tmp_path: Path) -> None:
    """If this fails, a container stopped while it starts is killed instead, or reported as crashed."""
    (tmp_path / "c.yaml").write_text(
        f"state_dir: {tmp_path}/state\nbook: {{positions: {{INJ: {{usd: 80000}}}}}}\n"
    )
    with running("-m", "hedged", "run", "--config", str(tmp_path / "c.yaml")) as command:
        command.wait_for("http_listening", STARTUP_S)
        assert command.end(within_s=STOP_S) == 0
        assert command.events()[-1]["event"] == "stopped"
