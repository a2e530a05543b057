"""Secrets of every kind, planted in a live daemon whose SDK fails with them in hand: nothing of them is found."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import hedged
from kill_stage import VENUE, Scene, scene
from rehearsal import STARTUP_S, Running, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TOKEN, HOOK, GLASS = "planted-token-4a1f9c0e7b52", "planted-hook-8d2e6f1a3c47", "planted-glass-5b7c9d1e2f38"
BOT = "planted-bot-0c4e8a2f6d1b"
FAILING = """
import signal, sys
import ccxt
from ccxt.async_support.base.exchange import Exchange
from hedged.cli import main
kinds = []
signal.signal(signal.SIGALRM, lambda *_: kinds.append(ccxt.ExchangeError if not kinds else RuntimeError))
fetch = Exchange.fetch
async def failing(self, url, method="GET", headers=None, body=None):
    if kinds and "signature=" in url + str(body):
        raise kinds[-1](f"PLANTED {method} {url} {headers} {body} {self.secret} {self.apiKey}")
    return await fetch(self, url, method, headers, body)
Exchange.fetch = failing
sys.argv = ["hedged", *sys.argv[1:]]
main()
"""
"""`hedged`, whose SDK fails with all that it knows: first as it would, then in a way that nobody expects."""


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found


def planted(on: Scene) -> tuple[Path, dict[str, str], set[str]]:
    """Write a configuration with a secret in every place there is; return it, the environment and what to look for."""
    token = on.folder / "token"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    config = on.config(
        "planted",
        telemetry={"token_env": "HEDGED_TOKEN", "log_level": "debug"},
        webhook={"secret_env": "HEDGED_HOOK", "port": 0},
        alerts={"targets": {"me": {"url_env": "HEDGED_BOT", "level": "info"}}},
        outside={"coinglass": {"key_env": "HEDGED_GLASS", "url": f"http://127.0.0.1:9/v4?token={GLASS}"}},
    )
    tree = yaml.safe_load(config.read_text())
    tree["cycle"] |= {"interval_s": 30, "guard_accounts_s": 5}
    config.write_text(yaml.safe_dump(tree))
    keys = {
        word
        for file in (tree["injective"]["key_file"], tree["cex"][VENUE]["key_file"])
        for word in re.findall(r"[0-9A-Za-z-]{8,}", Path(file).read_text())
    }
    environ = {"HEDGED_TOKEN_FILE": str(token), "HEDGED_HOOK": HOOK, "HEDGED_GLASS": GLASS}
    environ["HEDGED_BOT"] = f"json://127.0.0.1:9/{BOT}"
    assert any(len(key) == 64 for key in keys)
    assert "sandbox-secret" in keys
    return config, environ, {TOKEN, HOOK, GLASS, BOT, *keys}


def got(url: str, path: str, **headers: str) -> str:
    """Ask; an error status is an answer too."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url + path, headers=headers), timeout=20
        ) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())


def shown_while_it_runs(daemon: Running, config: Path) -> dict[str, str]:
    """Everything that a daemon and the commands beside it show."""
    url = json.loads(daemon.wait_for("http_listening", 1))["url"].rstrip("/")
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    found = {
        path: got(url, path) for path in ("/", "/metrics", "/api/status", "/api/openapi.json", "/readyz")
    }
    found["/api/config"] = got(url, "/api/config", **bearer)
    here = ("--config", str(config))
    for name, command in {
        "check": ("check", *here), "status": ("status", *here), "json": ("status", "--json", *here),
        "show": ("config", "show", *here), "running": ("config", "show", "running", *here),
        "diff": ("config", "diff", str(config), *here), "defaults": ("config", "diff", str(config), "defaults"),
        "reload": ("reload", *here), "resume": ("resume", "--yes", *here),
    }.items():  # fmt: skip
        done = hedged(*command)
        assert "Traceback" not in done.stderr, done.stderr
        found[name] = done.stdout + done.stderr
    return found


def test_no_secret_is_shown_anywhere(on: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a log, a page, a report or a traceback that somebody sends around gives a key away."""
    config, environ, secrets = planted(on)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with running("-c", FAILING, "run", "--config", str(config)) as daemon:
        daemon.wait_for('"event": "decision"', STARTUP_S)
        daemon.process.send_signal(signal.SIGALRM)
        daemon.wait_for("not_reconciled", STARTUP_S)
        found = shown_while_it_runs(daemon, config)
        expected = len(daemon.lines)
        daemon.process.send_signal(signal.SIGALRM)
        daemon.wait_for("RuntimeError", STARTUP_S, since=expected)
        daemon.end()
        found["log"] = "\n".join(daemon.lines)
    state = Path(yaml.safe_load(config.read_text())["state_dir"])
    for file in state.rglob("*"):
        if file.is_file():
            found[str(file)] = file.read_bytes().decode("latin-1")
    assert any(name.endswith("journal.sqlite") for name in found)
    assert_hidden(found, secrets)
    # what was compared is there: the commands worked, and the same secret is told from another one
    assert "key may trade futures" in found["check"]
    assert "no difference" in found["diff"]
    assert "<hidden" in found["running"]
    assert "PLANTED GET" in found["log"]
    assert "<hidden>" in found["log"]


def assert_hidden(found: dict[str, str], secrets: set[str]) -> None:
    """No text holds a secret, nor a signature, whole or in part."""
    for where, text in found.items():
        for secret in secrets:
            assert secret not in text, f"{where} shows {secret[:4]}…"
        assert not re.search(r"signature=(?!<hidden>|abc)\w", text), where


BROKEN = """
import sys
from hedged import cli
from hedged.secret import Secret
key = Secret("planted-key-of-the-operator")
@cli.app.command()
def boom() -> None:
    raise RuntimeError(f"https://x.test/a?apiKey={key.reveal()}&signature=0fe1 and {key.reveal()}")
sys.argv = ["hedged", "boom"]
cli.main()
"""


def test_a_traceback_of_a_command_hides_what_was_read() -> None:
    """If this fails, the traceback in a bug report holds the key that the SDK had in hand."""
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "RuntimeError: https://x.test/a?apiKey=<hidden>&signature=<hidden> and <hidden>" in done.stderr
    assert "planted" not in done.stderr.replace('Secret("planted-key-of-the-operator")', "")


@pytest.mark.parametrize(
    "text",
    [
        "cex: {okx: {options: {apiKey: SECRET, secret: [}}}",
        "telemetry: {token: SECRET}",
        "telemetry: {token_file: SECRET}",
        "telemetry: {token_env: SECRET}",
        "cex: {okx: {key_env: SECRET, secret_env: SECRET}}\nhedge: {venues: [okx]}",
        "injective: {key_file: SECRET}",
        "mode: SECRET",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(text: str, tmp_path: Path) -> None:
    """If this fails, an operator who pastes a key where its file's name belongs finds it on the screen, or in a log."""
    secret = "Planted9f8e7d6c5b4a39281706f5e4d3c2b1a0"
    file = tmp_path / "c.yaml"
    file.write_text(f"state_dir: {tmp_path}/state\n{text.replace('SECRET', secret)}\n")
    found: dict[str, Any] = {}
    for command in (("check",), ("config", "show"), ("status",), ("reload",), ("run",)):
        done = hedged(*command, "--config", str(file)) if command != ("run",) or "mode" in text else None
        if done is not None:
            found[" ".join(command)] = done.stdout + done.stderr
    done = hedged("config", "validate", str(file))
    found["validate"] = done.stdout + done.stderr
    assert not [name for name, shown in found.items() if secret in shown], found
