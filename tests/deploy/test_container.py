"""Image and stack as they are written: confined, bounded, pinned, closed to the network. Needs no engine."""

import fnmatch
import http.server
import os
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import hedged
from hedged.cli import app
from hedged.config import Config

ROOT = Path(__file__).resolve().parents[2]
STACK = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = STACK["services"]
HEALTH = ROOT / "deploy" / "container" / "health"
OURS = ("hedged", "sandbox", "rehearsal", "train")


def default(text: str) -> str:
    """What stands in a setting where the environment says nothing: ${NAME:-this}."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each in one line."""
    text = "\n".join(
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")
    )
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def stages() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Each stage's parent and instructions, by name; that without one is the default's."""
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in instructions():
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            current = []
            found[name or "default"] = (parent, current)
        else:
            current.append((word, rest))
    return found


def inherited(stage: str, word: str) -> str:
    """The last value of an instruction in a stage or what it was made from."""
    parent, own = stages()[stage]
    values = [rest for name, rest in own if name == word]
    return values[-1] if values else inherited(parent, word) if parent in stages() else ""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_only_what_it_must_and_take_only_its_share(name: str) -> None:
    """If this fails, what breaks into one service writes to it, gains rights, or starves the host with the others."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert {"mem_limit", "cpus", "pids_limit", "ulimits"} <= set(service)
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])
    assert all("size=" in mount for mount in service["tmpfs"])


@pytest.mark.parametrize("name", SERVICES)
def test_no_port_is_open_to_the_network(name: str) -> None:
    """If this fails, the page, which needs no password, or its dashboards stand open to whoever reaches the host."""
    service = SERVICES[name]
    assert all(re.match(r"127\.0\.0\.1:\d+:\d+$", port) for port in service.get("ports", []))
    assert service.get("network_mode") in (None, "none", "service:sandbox")


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_named_by_its_version(name: str) -> None:
    """If this fails, two starts of the same stack run different programs, and nobody can tell which."""
    image, _, tag = default(SERVICES[name]["image"]).rpartition(":")
    assert image
    assert re.match(r"v?\d+\.\d+\.\d+$", tag)
    if name in OURS:
        assert tag == hedged.__version__
        assert SERVICES[name].get("build", {}).get("args", {}).get("VERSION", tag) == hedged.__version__


def test_the_base_image_is_one_and_pinned() -> None:
    """If this fails, `make image` and the stack build different images, or one that changes beneath us."""
    base = next(rest for word, rest in instructions() if word == "ARG")
    pinned = base.removeprefix("BASE_IMAGE=")
    assert re.match(r"python:3\.11\.\d+-slim-\w+$", pinned)
    assert default(SERVICES["hedged"]["build"]["args"]["BASE_IMAGE"]) == pinned
    assert f"BASE_IMAGE ?= {pinned}\n" in (ROOT / "Makefile").read_text()


def test_secrets_reach_only_who_needs_them_and_nothing_of_the_operators_is_writable() -> None:
    """If this fails, keys can be read where nothing is signed, or a broken daemon rewrites its own configuration."""
    seen: dict[str, list[str]] = {}
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source, target, read_only = (
                (mount["source"], mount["target"], mount.get("read_only", False))
                if isinstance(mount, dict)
                else (*default(mount).split(":")[:2], mount.endswith(":ro"))
            )
            seen.setdefault(target, []).append(name)
            if default(source).startswith("."):
                assert read_only, f"{name} may write to {source}"
    assert seen["/run/secrets"] == ["hedged", "alertmanager"]
    assert seen["/etc/hedged"] == ["hedged"]
    sources = {default(str(mount)).split(":")[0] for s in SERVICES.values() for mount in s["volumes"]}
    assert {"./secrets/hedged", "./secrets/alertmanager"} <= sources
    assert "./secrets" not in sources


@pytest.mark.parametrize("name", OURS)
def test_what_the_stack_runs_are_commands_that_there_are(name: str) -> None:
    """If this fails, a service ends at once over an option that was renamed."""
    told = SERVICES[name].get("command") or ["run"]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    words = [default(word) for word in told[1:] if word != "--help"]
    required = ["--data", ".", "--to", "2026-01-01"] if told[0] == "train" else []
    environ = {"HEDGED_CONFIG": str(ROOT / "config.example.yaml")}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "environ", os.environ | environ)
        commands[told[0]].make_context(told[0], words + required)


def test_a_stop_lasts_longer_than_the_daemon_needs_for_it() -> None:
    """If this fails, the engine kills a daemon that is about to cancel what rests."""
    for name in OURS:
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > Config().control.stop_within_s
    for stage in ("serve", "train", "default"):
        assert inherited(stage, "STOPSIGNAL") == "SIGTERM"


@pytest.mark.parametrize("stage", ["serve", "train", "default"])
def test_an_image_runs_as_nobody_in_particular_behind_an_init(stage: str) -> None:
    """If this fails, the daemon is root, or is process 1: deaf to a stop before it listens to signals."""
    uid = inherited(stage, "USER").split(":")[0]
    assert int(uid) >= 10_000
    assert inherited(stage, "ENTRYPOINT") == '["tini", "--", "hedged"]'


def test_the_daemons_image_is_the_default_and_has_no_torch() -> None:
    """If this fails, whoever builds without a target, or serves, carries a gigabyte that only training needs."""
    made = stages()
    assert list(made)[-1] == "default"
    assert made["default"] == ("serve", [])
    stage, parents = "serve", []
    while stage in made:
        parents.append(stage)
        assert "torch" not in " ".join(rest for _, rest in made[stage][1])
        stage = made[stage][0]
    assert list(made).index("serve") < list(made).index("torch")


def test_what_is_copied_is_let_in_and_nothing_else() -> None:
    """If this fails, an image cannot be built, or a key that lies in the folder goes into it."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source.removeprefix("./")
        for _, own in stages().values()
        for word, rest in own
        if word == "COPY" and not rest.startswith("--from")
        for source in shlex.split(rest)[:-1]
    }
    assert copied == let_in
    assert not any(fnmatch.fnmatch("secrets", name) or name == "." for name in let_in)
    assert not [word for word, _ in instructions() if word == "ADD"]


class _Answers(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        body = (
            b'{"ok": true}' if self.status == 200 else b'{"ok": false, "reasons": ["no cycle for an hour"]}'
        )
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(status: int) -> Iterator[int]:
    handler = type("Handler", (_Answers,), {"status": status})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        yield server.server_port
        thread.join(10)


def health(port: int) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": os.environ["PATH"], "HEDGED_LISTEN": f"0.0.0.0:{port}"}
    return subprocess.run([HEALTH], check=False, env=environ, capture_output=True, text=True, timeout=60)


def test_the_health_check_tells_a_working_daemon_from_one_that_is_not() -> None:
    """If this fails, the engine calls a dead daemon healthy, or a working one dead."""
    with answering(200) as port:
        assert health(port).returncode == 0
    with answering(503) as port:
        sick = health(port)
        assert sick.returncode == 1
        assert "no cycle for an hour" in sick.stdout


def test_the_health_check_does_not_wait_for_who_does_not_answer() -> None:
    """If this fails, checks of a daemon that hangs pile up, or it passes for healthy."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, by its backlog, and says nothing
        assert health(silent.getsockname()[1]).returncode == 1
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert health(port).returncode == 1
