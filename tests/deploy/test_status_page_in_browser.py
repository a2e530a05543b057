"""The status page of a real daemon in a real browser: it starts, lives, halts and resumes before one's eyes."""

import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Page, chromium
from rehearsal import STARTUP_S, Running, running
from score_sheets import drawn

from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import STAND_IN
from hedged.execution.journal.score_table import save_sheets
from hedged.execution.journal.store import JournalStore
from hedged.forecast.record.book import EVERY_MS
from hedged.forecast.record.stored import stored
from hedged.forecast.registry import make_forecaster

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOKEN = "a-token-of-many-characters"
SETTINGS = """\
account: drill
state_dir: {folder}/state
book: {{positions: {{INJ: {{usd: 80000}}, ETH: {{usd: -60000}}}}}}
cycle: {{history_days: 20, interval_s: 30}}
hedge: {{forecaster: persistence}}
telemetry: {{token_file: {folder}/token}}
"""
HEADLINE = "document.querySelector('[data-part=state] h1').textContent"
TOLD = "document.querySelector('dialog[open] .told').textContent"
BENIGN = ("/api/kill", "/api/resume")
"""What a browser writes to its console of answers that refuse: a wrong token, a summary first."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


@dataclass
class Daemon:
    """A daemon in paper mode, from its first moment."""

    command: Running
    url: str

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}api/status", timeout=30) as answer:
            return dict(json.loads(answer.read()))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser for all tests of this file."""
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as page:
        yield page


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, tab: Page) -> Iterator[Daemon]:
    """A daemon whose page is opened as soon as it answers, and never again: what comes must come by itself."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "config.yaml").write_text(SETTINGS.format(folder=folder))
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    scored_before(folder / "state")
    with running("-m", "hedged", "run", "--config", str(folder / "config.yaml")) as command:
        url = json.loads(command.wait_for("http_listening", STARTUP_S))["url"]
        tab.look(1440, "light")
        tab.open(url)
        tab.run("window.first = true")
        yield Daemon(command, url)


def scored_before(state: Path) -> None:
    """Leave the scores of three weeks, as an earlier life of the daemon would have."""
    state.mkdir(mode=0o700)
    names = (make_forecaster("persistence").model_hash, STAND_IN, "0123456789abcdef")
    start_ms = round(time.time() * 1_000) // EVERY_MS * EVERY_MS - 20 * DAY_MS
    sheets = drawn(59, np.random.default_rng(0), names, start_ms=start_ms)
    journal = JournalStore(str(state / "journal.sqlite"), durable=False)
    save_sheets(journal, map(stored, sheets), 0)
    journal.close()


def well(tab: Page) -> None:
    """See that no script failed, nothing was blocked, nothing was asked of another host, nobody was sent a refusal."""
    assert tab.run("document.documentElement.dataset.errors ?? ''") == ""
    assert [one for one in tab.problems if not any(path in one for path in BENIGN)] == []
    hosts = {asked.split("/")[2] for asked in tab.requests if asked.startswith("http")}
    assert len(hosts) == 1, hosts


def text(tab: Page, css: str) -> str:
    return str(tab.run(f"document.querySelector({json.dumps(css)}).textContent"))


def press(tab: Page, css: str) -> None:
    """Press a button with the keyboard."""
    tab.run(f"document.querySelector({json.dumps(css)}).focus()")
    assert tab.run(f"document.activeElement === document.querySelector({json.dumps(css)})")
    tab.press("Enter", "\r")


def fill(tab: Page, dialog: str, name: str, value: str) -> None:
    """Type into a field, over what stands there."""
    tab.run(f"document.querySelector('#{dialog} [name={name}]').select()")
    tab.run(f"document.querySelector('#{dialog} [name={name}]').focus()")
    tab.send("Input.insertText", text=value)


def violations(tab: Page, within: str = "html") -> list[str]:
    """What axe-core finds there against WCAG 2.1 AA and good practice."""
    tab.run((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8") + "; 0")
    options = json.dumps({"resultTypes": ["violations"], "runOnly": RULES})
    found = tab.run(
        f"axe.run({json.dumps(within)}, {options}).then((told) => told.violations.map("
        "(one) => one.id + ': ' + one.nodes.map((node) => node.target).join(', ')))"
    )
    return [str(one) for one in found]


def test_a_start_is_watched_without_loading_the_page_anew(daemon: Daemon, tab: Page) -> None:
    """If this fails, who waits for a start sees an old state until he thinks of loading the page again."""
    daemon.command.wait_for('"event": "decision"', STARTUP_S)
    tab.until(f"{HEADLINE}.includes('Running')")
    tab.until("document.querySelectorAll('[data-part=book] tbody tr').length === 2")
    assert tab.run("window.first"), "never loaded again"
    tab.until("document.querySelectorAll('#fans svg path').length > 3")
    tab.until("document.querySelectorAll('[data-part=scores] tbody tr').length === 4")
    assert "the weighted average" in text(tab, "[data-part=scores] .say")
    assert text(tab, "#heard") == "live"
    assert tab.run("document.title").endswith("– hedged")
    well(tab)


def test_it_follows_the_next_decision_and_keeps_what_is_open(daemon: Daemon, tab: Page) -> None:
    """If this fails, the page stands still while the daemon trades, or takes what one reads away with every cycle."""
    tab.run("document.getElementById('decision-INJ').open = true")
    tab.run("document.querySelector('#decision-INJ summary').focus()")
    last_ms = daemon.status()["cycle"]["last_ms"]
    tab.until(
        f"Number(document.querySelector('[data-part=state] time[data-since]').dataset.since) > {last_ms}"
    )
    decided = "document.querySelector('#decision-INJ dd time').getAttribute('datetime')"
    tab.until(f"Date.parse({decided}) > {last_ms}")
    assert tab.run("document.getElementById('decision-INJ').open")
    assert tab.run("document.activeElement === document.querySelector('#decision-INJ summary')")
    assert tab.run("window.first"), "never loaded again"
    well(tab)


@pytest.mark.parametrize(
    ("width", "theme", "judged"),
    [(1440, "dark", False), (390, "light", False), (390, "dark", True), (1440, "light", True)],
)
def test_it_fits_and_everybody_can_use_it(
    daemon: Daemon, tab: Page, width: int, theme: str, judged: bool
) -> None:
    """If this fails, a phone has to scroll sideways, or who sees little, or nothing, cannot read what is held."""
    tab.look(width, theme)
    tab.until(f"document.documentElement.dataset.theme === '{theme}'")
    tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert tab.run("document.documentElement.scrollWidth") == width
    if judged:
        assert violations(tab) == []
    for dialog in ("kill", "resume"):
        tab.run(f"document.getElementById('{dialog}').showModal()")
        assert tab.run(f"document.getElementById('{dialog}').scrollWidth") <= width
        if judged:
            assert violations(tab, f"#{dialog}") == []
        tab.run(f"document.getElementById('{dialog}').close()")
    well(tab)


def test_a_kill_is_confirmed_and_wants_the_token(daemon: Daemon, tab: Page) -> None:
    """If this fails, a slip of the finger flattens the book, or the one who must stop it cannot."""
    tab.look(390, "light")
    press(tab, "[data-open=kill]")
    press(tab, "#kill .go")
    assert "Give a reason" in tab.run(TOLD)
    fill(tab, "kill", "reason", "the <b>exchange</b> looks odd")
    press(tab, "#kill .go")
    assert "Give the token" in tab.run(TOLD)
    tab.run("document.querySelector('#kill [value=flatten]').click()")
    fill(tab, "kill", "token", "a-wrong-token-of-many-letters")
    press(tab, "#kill .go")
    assert "every hedge leg is closed" in text(tab, "#kill .does")
    assert "Hedge legs held now:" in text(tab, "#kill [data-part=held]")
    assert daemon.status()["health"]["latch"] is None, "nothing has happened yet"
    press(tab, "#kill .go")
    tab.until(f"{TOLD}.includes('token is not the configured one')")
    assert tab.run("document.activeElement.name") == "token"
    assert daemon.status()["health"]["latch"] is None
    fill(tab, "kill", "token", TOKEN)
    press(tab, "#kill .go")
    press(tab, "#kill .go")
    tab.until(f"{TOLD}.startsWith('Latched: flatten since')")
    latch = daemon.status()["health"]["latch"]
    assert (latch["level"], latch["by"], latch["reason"]) == (
        "flatten",
        "http",
        "the <b>exchange</b> looks odd",
    )
    assert tab.run("document.activeElement.textContent") == "Close"
    tab.press("Enter", "\r")
    assert tab.run("document.activeElement === document.querySelector('[data-open=kill]')")
    tab.until(f"{HEADLINE}.includes('Halted by http: flatten')")
    tab.until("document.querySelector('[data-part=state]').textContent.includes('; done')")
    assert "<b>exchange</b>" in text(tab, "[data-part=state]")
    assert tab.run("document.documentElement.scrollWidth") == 390
    tab.until("!document.querySelector('[data-part=held]').textContent.includes(' at ')")
    well(tab)


def test_the_token_is_kept_nowhere(daemon: Daemon, tab: Page) -> None:
    """If this fails, who borrows the phone finds the key to the kill switch in it."""
    stores = "document.cookie, location.href, JSON.stringify(localStorage), JSON.stringify(sessionStorage)"
    typed = "...[...document.querySelectorAll('input')].map((one) => one.value)"
    assert TOKEN not in tab.run(f"[document.documentElement.outerHTML, {stores}, {typed}].join()")
    assert not any(TOKEN in asked for asked in tab.requests)
    assert TOKEN not in urllib.request.urlopen(daemon.url, timeout=30).read().decode()


def test_a_resume_says_first_what_it_does(daemon: Daemon, tab: Page) -> None:
    """If this fails, somebody resumes without having read what is still held, or cannot resume at all."""
    tab.look(1440, "dark")
    press(tab, "[data-open=resume]")
    fill(tab, "resume", "token", TOKEN)
    press(tab, "#resume .go")
    tab.until("document.querySelectorAll('#resume .summary li').length > 3")
    assert "latched: flatten since" in text(tab, "#resume .summary")
    assert daemon.status()["health"]["latch"]["level"] == "flatten", "nothing was changed"
    press(tab, "#resume .go")
    tab.until(f"{TOLD}.startsWith('Resumed.')")
    press(tab, "#resume [data-do=close]")
    tab.until(f"{HEADLINE}.includes('Running')")
    assert daemon.status()["health"]["latch"] is None
    assert tab.run("document.querySelector('[data-open=resume]').hidden")
    well(tab)


def test_it_says_when_the_daemon_does_not_answer(daemon: Daemon, tab: Page) -> None:
    """If this fails, an hour-old page looks as if all were well."""
    daemon.command.process.send_signal(signal.SIGSTOP)
    try:
        tab.until("!document.getElementById('lost').hidden")
        assert "Connection lost" in text(tab, "#lost")
        assert "last heard" in text(tab, "#heard")
        assert "connection lost" in tab.run("document.title")
        assert violations(tab, "header") == []
    finally:
        daemon.command.process.send_signal(signal.SIGCONT)
    tab.until("document.getElementById('lost').hidden")
    assert "hedged" in tab.run("document.title")
    well(tab)


def test_without_scripts_state_and_book_are_there(daemon: Daemon, tab: Page) -> None:
    """If this fails, a browser that runs no scripts shows nothing of what is held."""
    tab.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(daemon.url)
        assert "Running" in tab.run(HEADLINE)
        assert tab.run("document.querySelectorAll('[data-part=book] tbody tr').length") == 2
        assert "hedged kill" in text(tab, ".acts")
    finally:
        tab.send("Emulation.setScriptExecutionDisabled", value=False)


def test_it_ends_at_once_though_a_page_is_open(daemon: Daemon, tab: Page, tmp_path: Path) -> None:
    """If this fails, a page that somebody has left open keeps a daemon from stopping in time."""
    tab.open(daemon.url)
    assert daemon.command.end(within_s=60) == 0
    assert daemon.command.events()[-1]["event"] == "stopped"
