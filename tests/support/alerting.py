"""A real daemon, Prometheus and Alertmanager on loopback, from the shipped files; a webhook that hears.

What differs from the shipped files is made here, and nowhere else: addresses, shorter intervals, `for:` a sixtieth as
long, the commented receivers switched on.
"""

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from promql import DEPLOY, RULES
from rehearsal import STARTUP_S, Running, running

DAEMON = """
state_dir: {folder}/state
book: {{positions: {{INJ: {{usd: 80000}}, ETH: {{usd: -60000}}}}}}
cycle: {{history_days: 20, interval_s: 30, guard_interval_s: 1}}
hedge: {{forecaster: ewma}}
execution: {{rest_s: 0}}
costs:
  injective: {{maker_bp: 0, taker_bp: 0, half_spread_bp: 0.01}}
  cex: {{maker_bp: 0, taker_bp: 0, half_spread_bp: 0.01}}
"""
"""Paper, simulated, so cheap that a hedge is opened in the first cycle; the statistical forecaster, which is quick."""


def binaries() -> tuple[str, str]:
    """Return Prometheus and Alertmanager; skip where one lacks."""
    prometheus = shutil.which("prometheus")
    alertmanager = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if not prometheus or not alertmanager:
        pytest.skip(
            "needs prometheus and alertmanager (Debian's packages prometheus and prometheus-alertmanager)"
        )
    debians = alertmanager.endswith("prometheus-alertmanager")
    if debians and not Path("/usr/share/prometheus/alertmanager/default.tmpl").exists():
        pytest.skip(
            "needs the templates of Debian's prometheus-alertmanager in /usr/share/prometheus/alertmanager"
        )
    return prometheus, alertmanager


@dataclass
class Ear:
    """A webhook on loopback: what was posted to which path, oldest first."""

    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    port: int = 0

    def alerts(self, path: str = "/webhook_url") -> list[dict[str, Any]]:
        """Return every alert that was delivered there."""
        return [alert for to, body in list(self.heard) if to == path for alert in body["alerts"]]


@contextmanager
def ear() -> Iterator[Ear]:
    """Listen."""
    made = Ear()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is the library's
            made.heard.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Stack:
    """What runs: addresses, the daemon's process, and who hears the alerts."""

    daemon: Running
    url: str
    prometheus: str
    alertmanager: str
    ear: Ear

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Ask Prometheus for the present."""
        words = urllib.parse.urlencode({"query": query})
        return list(fetch(f"{self.prometheus}/api/v1/query?{words}")["data"]["result"])

    def raise_alert(self, **labels: str) -> None:
        """Raise an alert at Alertmanager as Prometheus would."""
        body = json.dumps([{"labels": labels}]).encode()
        asked = urllib.request.Request(
            f"{self.alertmanager}/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=20):
            pass

    def held_back(self) -> dict[str, bool]:
        """Return of each alert that stands whether Alertmanager holds it back, as another explains it."""
        told = fetch(f"{self.alertmanager}/api/v2/alerts")
        return {alert["labels"]["alertname"]: bool(alert["status"]["inhibitedBy"]) for alert in told}


def fetch(url: str) -> Any:
    """Get JSON."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.loads(answer.read())


def ready(url: str) -> bool:
    """Tell whether Prometheus or Alertmanager answers questions."""
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=20):
            return True
    except urllib.error.HTTPError:
        return False


def wait_until(true: Callable[[], Any], what: str) -> Any:
    """Ask until it is true, and return it."""
    deadline_s = time.monotonic() + STARTUP_S
    while not (found := true()):
        assert time.monotonic() < deadline_s, f"not within {STARTUP_S} s: {what}"
        time.sleep(0.1)
    return found


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Start all of it, and end it."""
    prometheus, alertmanager = binaries()
    (folder / "config.yaml").write_text(DAEMON.format(folder=folder))
    with ExitStack() as ends:
        heard = ends.enter_context(ear())
        daemon = ends.enter_context(running("-m", "hedged", "run", "--config", str(folder / "config.yaml")))
        (folder / "alertmanager.yml").write_text(alertmanager_config(heard.port))
        of_alerts = ends.enter_context(
            _serving(
                alertmanager, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager",
                "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=",
            )
        )  # fmt: skip
        url = json.loads(daemon.wait_for("http_listening", STARTUP_S))["url"].rstrip("/")
        (folder / "rules.yml").write_text(sooner(RULES.read_text(encoding="utf-8")))
        (folder / "prometheus.yml").write_text(prometheus_config(url, of_alerts))
        of_metrics = ends.enter_context(
            _serving(
                prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus",
                "--web.listen-address=127.0.0.1:0", "--rules.alert.resend-delay=1s",
            )
        )  # fmt: skip
        wait_until(lambda: ready(of_metrics), "Prometheus is ready")
        yield Stack(daemon, url, of_metrics, of_alerts, heard)


@contextmanager
def _serving(*command: str) -> Iterator[str]:
    """Run a server of Prometheus' family; yield its address."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    server = Running(process)
    try:
        line = server.wait_for("Listening on", STARTUP_S)
        yield f"http://{line.rpartition('address=')[2].strip()}"
    finally:
        process.terminate()
        process.wait()
        server._reader.join(5)
        assert process.stdout is not None
        process.stdout.close()


def prometheus_config(daemon: str, alertmanager: str) -> str:
    """Return the shipped configuration with these addresses, every second; it does not scrape itself."""
    shipped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    shipped["global"] = dict.fromkeys(shipped["global"], "1s")
    shipped["scrape_configs"] = [job for job in shipped["scrape_configs"] if job["job_name"] != "prometheus"]
    text = yaml.safe_dump(shipped)
    for name, url in (("hedged:9464", daemon), ("alertmanager:9093", alertmanager)):
        assert name in text
        text = text.replace(name, url.removeprefix("http://"))
    return text


def sooner(rules: str) -> str:
    """Return the shipped rules with every `for:` a sixtieth as long; what they ask for stays as it is."""
    seconds = {"s": 1, "m": 60, "h": 3600}
    return re.sub(
        r"^( +for: )(\d+)([smh])$",
        lambda m: f"{m[1]}{max(1, int(m[2]) * seconds[m[3]] // 60)}s", rules, flags=re.MULTILINE,
    )  # fmt: skip


def alertmanager_config(port: int) -> str:
    """Return the shipped configuration with its receivers switched on as its comments say, and hardly any waiting.

    `url_file` is newer than Debian's Alertmanager: the address stands in the file here.
    """
    text = (DEPLOY / "alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    head, receivers = text.split("\nreceivers:\n")
    receivers = receivers.replace("    # ", "    ")
    receivers, n = re.subn(r"url_file: /run/secrets/(\w+)", rf"url: http://127.0.0.1:{port}/\1", receivers)
    assert n == 2
    head = re.sub(r"(group_wait|group_interval): \S+", r"\1: 1s", head)
    return f"{head}\nreceivers:\n{receivers}"
