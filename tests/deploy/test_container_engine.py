"""The image and its stack on a real engine, as an operator runs them. Takes minutes: asked for by name alone.

    make image-test                                        # builds the image first; all four services
    make image-test SERVICES='hedged prometheus'           # where the others' images cannot be had

What it starts has a project name of its own, and volumes that go with it; ports 9464, 9090, 9093 and 3000 must be free.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOW = "starts a whole stack on a container engine: make image-test"
pytestmark = [
    pytest.mark.skipif(not os.environ.get("HEDGED_IMAGE_TEST"), reason=HOW),
    pytest.mark.timeout(600),
]
SERVICES = (os.environ.get("HEDGED_IMAGE_SERVICES") or "hedged prometheus alertmanager grafana").split()
UID, NOBODY = 10_001, 65_534
TOKEN = "a-token-of-many-characters"
PAGE = "http://127.0.0.1:9464"
UP_S = 180
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Stack:
    """A stack of its own: where its configuration lies, and how it is spoken to."""

    folder: Path
    compose: tuple[str, ...]
    environ: Mapping[str, str]

    def __call__(self, *arguments: str) -> Done:
        command = [*self.compose, *arguments]
        return subprocess.run(
            command, check=False, cwd=ROOT, env=self.environ, capture_output=True, text=True
        )

    def done(self, *arguments: str) -> str:
        finished = self(*arguments)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout

    def inside(self, *command: str) -> Done:
        return self("exec", "-T", "hedged", *command)

    def state(self) -> dict[str, Any]:
        """The engine's own word on the daemon's container."""
        (container,) = self.done("ps", "-q", "hedged").split()
        told = subprocess.run(["docker", "inspect", container], check=True, capture_output=True, text=True)
        return dict(json.loads(told.stdout)[0]["State"])

    def up(self) -> None:
        self.done("up", "-d", *SERVICES)
        until(lambda: self.state()["Health"]["Status"] == "healthy" and ready())


def until(true: Callable[[], bool], within_s: float = UP_S) -> None:
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s, f"not within {within_s} s"
        time.sleep(0.5)


def asked(url: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    """Ask over HTTP; no answer is 0, an error status is an answer too."""
    request = urllib.request.Request(
        url, json.dumps(body).encode() if body else None, {"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None
    except OSError:
        return 0, None


def ready() -> bool:
    return asked(f"{PAGE}/readyz")[0] == 200


def mine(path: Path, text: str, owner: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    for each, mode in ((path.parent, 0o700), (path, 0o600)):
        each.chmod(mode)
        os.chown(each, owner, owner)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    assert shutil.which("docker"), "no docker command"
    v2 = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode == 0
    compose = ("docker", "compose") if v2 else ("docker-compose",)
    assert v2 or shutil.which("docker-compose"), "neither docker compose nor docker-compose"
    if os.geteuid():
        pytest.fail("run it as root: the secrets must belong to the user of the container")
    folder = tmp_path_factory.mktemp("stack")
    (folder / "config").mkdir()
    settings = (ROOT / "config.example.yaml").read_text()
    settings = settings.replace(
        "  # token_file: /etc/hedged/control.token", "  token_file: /run/secrets/token", 1
    )
    assert "  token_file: /run/secrets/token" in settings
    (folder / "config" / "config.yaml").write_text(settings)
    for each in (folder.parent, folder, folder / "config"):
        each.chmod(0o755)
    mine(folder / "secrets" / "hedged" / "token", TOKEN, UID)
    mine(folder / "secrets" / "alertmanager" / "webhook_url", "http://127.0.0.1:1/", NOBODY)
    made = Stack(
        folder, compose,
        os.environ
        | {
            "COMPOSE_PROJECT_NAME": f"hedged-test-{os.getpid()}",
            "HEDGED_CONFIG": str(folder / "config"),
            "HEDGED_SECRETS": str(folder / "secrets"),
        },
    )  # fmt: skip
    try:
        made.up()
        yield made
    finally:
        made("down", "-v", "-t", "60")


def test_it_is_nobody_and_can_write_to_its_volume_alone(stack: Stack) -> None:
    """If this fails, what breaks into the daemon may change the program, or has rights on the host."""
    assert stack.inside("id", "-u").stdout.strip() == str(UID)
    for path in ("/opt/hedged/x", "/etc/hedged/x", "/usr/x", "/run/secrets/x", "/models/x"):
        assert stack.inside("touch", path).returncode != 0, path
    assert stack.inside("touch", "/var/lib/hedged/x").returncode == 0
    status = stack.inside("cat", "/proc/1/status").stdout
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status


def test_prometheus_reads_it(stack: Stack) -> None:
    """If this fails, nobody is told of anything."""
    if "prometheus" not in SERVICES:
        pytest.skip(f"prometheus is not among SERVICES; {HOW}")

    def up() -> bool:
        _, told = asked("http://127.0.0.1:9090/api/v1/targets")
        targets = told["data"]["activeTargets"] if told else []
        return any(t["labels"]["job"] == "hedged" and t["health"] == "up" for t in targets)

    until(up)


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("alertmanager", "http://127.0.0.1:9093/api/v2/status"),
        ("grafana", "http://127.0.0.1:3000/api/health"),
    ],
)
def test_what_stands_beside_it_answers(stack: Stack, service: str, url: str) -> None:
    """If this fails, alerts are delivered to nobody, or there is nothing to look at."""
    if service not in SERVICES:
        pytest.skip(f"{service} is not among SERVICES; {HOW}")
    until(lambda: asked(url)[0] == 200)


def test_it_is_stopped_and_resumed_from_inside_and_from_afar(stack: Stack) -> None:
    """If this fails, the operator of a container has no kill switch, or one that anybody may turn."""
    killed = stack.inside("hedged", "kill", "--reason", "tried from inside")
    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert "follows" in killed.stdout
    body = {"level": "pause", "reason": "tried from afar"}
    assert asked(f"{PAGE}/api/kill", body, "not-" + TOKEN)[0] == 401
    status, told = asked(f"{PAGE}/api/kill", body, TOKEN)
    assert status == 200
    assert "tried from afar" in told["latched"]


def test_a_copy_of_the_journal_can_be_taken_while_it_runs(stack: Stack) -> None:
    """If this fails, a backup of the volume is a file in the midst of a write."""
    command = [*stack.compose, "exec", "-T", "hedged", "hedged", "backup", "-"]
    copy = subprocess.run(command, check=True, cwd=ROOT, env=stack.environ, capture_output=True).stdout
    assert copy.startswith(b"SQLite format 3\0")


def test_it_ends_in_order_and_remembers_over_down_and_up(stack: Stack) -> None:
    """If this fails, an upgrade loses what is held and what was latched, or cuts orders off in the midst of them."""
    stack.done("stop", "hedged")
    assert stack.state()["ExitCode"] == 0
    assert '"event": "stopped"' in stack.done("logs", "--tail", "3", "hedged")
    stack.done("down")
    stack.up()
    resumed = stack.inside("hedged", "resume", "--yes")
    assert "pause since" in resumed.stdout
    assert "tried from afar" in resumed.stdout


def test_a_wrong_configuration_is_one_line_that_says_what_to_do(stack: Stack) -> None:
    """If this fails, an operator reads a traceback, or worse, a daemon runs on what it did not understand."""
    wrong = stack.folder / "wrong"
    wrong.mkdir()
    wrong.chmod(0o755)
    text = (stack.folder / "config" / "config.yaml").read_text()
    (wrong / "config.yaml").write_text(text.replace("  cap: 0.40", "  capp: 0.40", 1))
    told = subprocess.run(
        [*stack.compose, "run", "--rm", "--no-deps", "-T", "hedged", "run"],
        check=False, cwd=ROOT, env={**stack.environ, "HEDGED_CONFIG": str(wrong)}, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 2
    (line,) = [line for line in told.stderr.splitlines() if "error" in line]
    assert "hedge.capp: unknown key; did you mean 'cap'?" in line
