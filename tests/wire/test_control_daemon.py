"""A paper daemon as a process: the kill switch by every way there is, reload, and how it ends."""

import json
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from commands import hedged, in_a_process
from fakes import approve, intent
from rehearsal import STARTUP_S, Running, running

from hedged.domain.clock import SystemClock
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Execution, Side
from hedged.execution.journal.store import JournalStore

CUT, LEG = SeriesKey(INJECTIVE, "INJ"), SeriesKey("binance", "INJ")
TOKEN = "a-token-of-many-characters"
SETTINGS = """\
account: drill
state_dir: {folder}/state
book: {{positions: {{INJ: {{usd: 80000}}, ETH: {{usd: -60000}}}}}}
cycle: {{history_days: 20, interval_s: 30}}
hedge: {{forecaster: persistence, cap: {cap}}}
telemetry: {{token_file: {folder}/token}}
control: {{on_stop: {on_stop}, stop_within_s: 20}}
"""


@dataclass
class Paper:
    """A folder with a configuration, and what runs on it."""

    folder: Path
    command: Running | None = None
    url: str = ""

    @property
    def config(self) -> str:
        return str(self.folder / "config.yaml")

    def write(self, *, cap: str = "0.4", on_stop: str = "keep", more: str = "") -> None:
        (self.folder / "config.yaml").write_text(
            SETTINGS.format(folder=self.folder, cap=cap, on_stop=on_stop) + more
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.folder}/state/journal.sqlite?mode=ro", uri=True) as journal:
            found = journal.execute(query).fetchall()
        journal.close()
        return found

    def held(self) -> dict[tuple[str, str], float]:
        """Signed coins by market, without zeros, as the journal attributes them."""
        rows = self.rows(
            "SELECT e.venue, e.symbol, e.side, e.quantity FROM executions e JOIN intents i USING (client_id)"
        )
        held: dict[tuple[str, str], float] = {}
        for venue, symbol, side, quantity in rows:
            change = float(quantity) * (1 if side == "buy" else -1)
            held[venue, symbol] = held.get((venue, symbol), 0.0) + change
        return {key: q for key, q in held.items() if abs(q) > 1e-9}

    def hedges(self) -> dict[tuple[str, str], float]:
        return {key: q for key, q in self.held().items() if key[0] != "injective"}

    def latch(self) -> tuple[Any, ...]:
        rows = self.rows("SELECT level, reason, account, source FROM kill_latch ORDER BY rowid DESC LIMIT 1")
        return rows[0] if rows else ()

    def post(self, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, Any]:
        """Ask; an error status is an answer too."""
        request = urllib.request.Request(
            f"{self.url}{path}", json.dumps(body or {}).encode(), {"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    def resumed(self) -> None:
        done = hedged("resume", "--yes", "--config", self.config)
        assert done.returncode == 0, done.stderr

    def started(self) -> Iterator["Paper"]:
        with running("-m", "hedged", "run", "--config", self.config) as command:
            self.command = command
            told = command.wait_for("http_listening", STARTUP_S)
            self.url = json.loads(told)["url"].rstrip("/")
            command.wait_for('"event": "decision"', STARTUP_S)
            yield self


def wait_until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + STARTUP_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {STARTUP_S} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paper]:
    made = Paper(tmp_path_factory.mktemp("paper"))
    (made.folder / "token").write_text(TOKEN)
    (made.folder / "token").chmod(0o600)
    made.write()
    yield from made.started()


def test_the_journal_of_a_running_daemon_says_who_turned_the_switch(paper: Paper) -> None:
    """If this fails, nobody can tell afterwards who stopped the daemon, and why."""
    assert paper.command is not None
    paper.command.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: paper.latch() == (1, "signal SIGUSR1", "drill", "signal"))
    wait_until(lambda: "reduce-only since" in paper.get("/"))
    latch = json.loads(paper.get("/api/status"))["health"]["latch"]
    assert (latch["level"], latch["by"]) == ("reduce-only", "signal")
    assert "by signal: signal SIGUSR1 (account drill)" in latch["text"]
    paper.resumed()
    wait_until(lambda: "hedged_kill_latch 0.0" in paper.get("/metrics"))


def test_a_file_latches_and_a_resume_is_refused_while_it_is_there(paper: Paper) -> None:
    """If this fails, the switch that needs no program at all does not work, or is undone behind the operator's back."""
    file = paper.folder / "state" / "KILL"
    file.write_text("pause the exchange looks odd\n")
    wait_until(lambda: paper.latch() == (2, "the exchange looks odd", "drill", "file"))
    done = hedged("resume", "--yes", "--config", paper.config)
    assert done.returncode == 2
    assert "still exists" in done.stderr
    assert paper.post("/api/resume", {"confirm": True})[0] == 409
    assert paper.latch()[0] == 2
    file.unlink()
    paper.resumed()
    assert paper.latch() == (0, "resumed by the operator", "drill", "cli")


def test_http_needs_the_token_and_turns_the_switch(paper: Paper) -> None:
    """If this fails, anybody who reaches the port can stop the hedging, or the operator cannot."""
    order = {"level": "pause", "reason": "from afar"}
    before = paper.latch()
    assert paper.post("/api/kill", order, "another-token-of-many-ch")[0] == 401
    assert paper.post("/api/kill", order, "")[0] == 401
    assert paper.post("/api/kill", {"level": "hard", "reason": "x"})[0] == 400
    assert paper.post("/api/kill", {"level": "pause"})[0] == 400
    assert paper.latch() == before
    status, said = paper.post("/api/kill", order)
    assert (status, paper.latch()) == (200, (2, "from afar", "drill", "http"))
    assert said["latched"].startswith("pause since")
    status, said = paper.post("/api/resume")
    assert status == 409
    assert any("resuming sends no order" in line for line in said["summary"])
    assert paper.latch()[0] == 2
    assert paper.post("/api/resume", {"confirm": True})[0] == 200
    assert paper.latch() == (0, "resumed by the operator", "drill", "http")


def test_a_changed_configuration_is_taken_over_whole_or_not_at_all(paper: Paper) -> None:
    """If this fails, an edit of the file does nothing, or half of it."""
    (first,) = set(paper.rows("SELECT json_extract(body, '$.config_hash') FROM decisions"))
    paper.write(cap="0.3")
    done = hedged("reload", "--config", paper.config)
    assert done.returncode == 0, done.stderr
    assert "hedge.cap: 0.4 → 0.3" in done.stdout
    wait_until(lambda: len(set(paper.rows("SELECT json_extract(body, '$.config_hash') FROM decisions"))) == 2)
    (config_hash,) = {
        row for row in paper.rows("SELECT json_extract(body, '$.config_hash') FROM decisions") if row != first
    }
    assert f'config="{config_hash[0]}"' in paper.get("/metrics")
    paper.write(cap="0.2", more="data: {seed: 8}\n")
    done = hedged("reload", "--config", paper.config)
    assert done.returncode == 1
    assert "data.seed cannot change while the daemon runs" in done.stdout
    paper.write(cap="7")
    assert hedged("reload", "--config", paper.config).returncode == 2, "the command reads it first"
    assert paper.command is not None
    paper.command.process.send_signal(signal.SIGHUP)
    paper.command.wait_for("less than or equal to 1", STARTUP_S)
    assert f'config="{config_hash[0]}"' in paper.get("/metrics")
    paper.write(cap="0.3")


def test_status_says_how_it_does_in_words_and_as_a_code(paper: Paper) -> None:
    """If this fails, a script that watches the daemon is told that all is well while it is halted, or not at all."""
    asked = ("status", "--config", paper.config)
    wait_until(lambda: hedged(*asked).returncode == 0)
    done = hedged(*asked)
    assert done.stdout.startswith("healthy (paper, drill; ")
    assert "INJ: " in done.stdout
    paper.post("/api/kill", {"level": "pause", "reason": "for a look"})
    wait_until(lambda: hedged(*asked).returncode == 3)
    done = hedged(*asked, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["code"], told["state"]) == (3, 3, "halted")
    assert told["reasons"][0].startswith("latched: pause since")
    assert {row["symbol"] for row in told["document"]["book"]} == {"INJ", "ETH"}
    paper.resumed()
    other = paper.folder / "other.yaml"
    other.write_text((paper.folder / "config.yaml").read_text().replace("account: drill", "account: other"))
    done = hedged("status", "--config", str(other))
    assert "is another one, paper, account drill" in done.stdout


def test_what_a_file_would_change_is_told_before_it_does(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, an operator finds out by a restart what an edit does, or a dry run is none."""
    monkeypatch.setenv("HEDGED_LISTEN", "127.0.0.1:0")  # as the daemon has it
    paper.write(cap="0.25", more="data: {seed: 9}\n")
    done = hedged("config", "diff", paper.config, "--config", paper.config)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "- data.seed: 7 → 9 (needs a restart)", "- hedge.cap: 0.3 → 0.25",
        "`hedged reload` refuses this whole: restart for it",
    ]  # fmt: skip
    status, said = paper.post("/api/reload")
    assert (status, said["outcome"], said["restart"]) == (409, "refused", ["data.seed"])
    paper.write(cap="0.25")
    before = paper.get("/metrics")
    status, said = paper.post("/api/reload", {"dry_run": True})
    assert (status, said["outcome"], said["changes"]) == (200, "would apply", ["hedge.cap: 0.3 → 0.25"])
    assert f'config="{said["config"]}"' in paper.get("/metrics")
    assert "hedged_reloads_total" in before
    assert paper.post("/api/reload")[1]["outcome"] == "applied"
    done = hedged("config", "diff", paper.config, "--config", paper.config)
    assert (done.returncode, done.stdout) == (0, f"running and {paper.config}: no difference\n")
    (paper.folder / "config.yaml").write_text("account: drill\nhedge:\n  cap: 7\n  capp: 1\n")
    status, said = paper.post("/api/reload")
    assert status == 409
    assert "line 3: hedge.cap: Input should be less than or equal to 1" in said["why"]
    assert "line 4: hedge.capp: unknown key; did you mean 'cap'?" in said["why"]
    paper.write(cap="0.2", more="alerts: {targets: {me: {url_env: NOT_SET}}}\n")
    status, said = paper.post("/api/reload")
    assert (status, "alerts.targets.me.url_env" in said["why"]) == (409, True), "half of it would be in force"
    paper.write(cap="0.3")
    assert paper.post("/api/reload")[1]["changes"] == ["hedge.cap: 0.25 → 0.3"]


def test_the_log_says_who_asked_for_what(paper: Paper) -> None:
    """If this fails, nobody can tell afterwards by whom, and from where, the daemon was stopped or changed."""
    assert paper.command is not None
    asked = [one for one in paper.command.events() if one["event"] == "control_asked"]
    assert {one["command"] for one in asked} == {"/api/kill", "/api/resume", "/api/reload"}
    assert {one["peer"] for one in asked} == {"127.0.0.1"}
    (turned,) = [one for one in asked if one.get("reason") == "from afar"]
    assert (turned["latch"], turned["outcome"], turned["level"]) == ("pause", "done", "warning")


def hedged_before(folder: Path) -> Paper:
    """A paper account whose earlier life cut INJ and went short of it at an exchange."""
    made = Paper(folder)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    made.write()
    (folder / "state").mkdir()
    store, now_ms = JournalStore(f"{folder}/state/journal.sqlite", durable=False), SystemClock().now_ms()
    for key, side in ((CUT, Side.SELL), (LEG, Side.SELL)):
        order = approve(intent(key, -100, cycle_ts_ms=now_ms - 60_000, reference_price=Decimal(20)))
        store.record_attempt(order, now_ms - 60_000)
        store.record_event(order.client_id, now_ms - 59_000, "acknowledged", "filled")
        fill = Execution(
            now_ms - 59_000,
            key,
            f"x-{key.venue}",
            order.client_id,
            side,
            Decimal(100),
            Decimal(20),
            Decimal(0),
        )
        store.record_executions([fill])
    store.close()
    assert made.held() == {CUT: -100, LEG: -100}
    return made


def test_a_flatten_by_signal_closes_the_hedges_and_gives_no_cut_back(tmp_path: Path) -> None:
    """If this fails, SIGUSR2 leaves hedges behind, trades the trader's own position, or is forgotten at a stop."""
    made = hedged_before(tmp_path)
    assert hedged("kill", "--level", "pause", "--reason", "wait", "--config", made.config).returncode == 0
    for _ in made.started():
        assert made.command is not None
        assert made.held() == {CUT: -100, LEG: -100}, "paused: not even reductions"
        made.command.process.send_signal(signal.SIGUSR2)
        made.command.wait_for("kill_done", STARTUP_S)
        assert made.held() == {CUT: -100}
        assert "flatten since" in made.get("/")
        assert "task_failed" not in "".join(made.command.lines)
        assert made.command.end() == 0
    assert made.latch() == (4, "signal SIGUSR2", "drill", "signal")
    events = made.command.events()
    assert [e["hedges"] for e in events if e["event"] == "held_at_the_end"] == [{}]
    assert events[-1]["event"] == "stopped"


def test_without_a_daemon_the_command_closes_a_paper_account_too(tmp_path: Path) -> None:
    """If this fails, a rehearsal of the switch on paper is no rehearsal."""
    made = hedged_before(tmp_path)
    asked = ("--reason", "drill", "--config", made.config)
    done = in_a_process("kill", "--level", "flatten", *asked, "--no-takeover")
    assert done.returncode == 1
    assert "no daemon runs" in done.stdout
    assert made.held() == {CUT: -100, LEG: -100}
    done = in_a_process("kill", "--level", "flatten", *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cut of your own positions, and not given back: INJ -100" in done.stdout
    assert made.held() == {CUT: -100}
    assert made.latch() == (4, "drill", "drill", "cli")


HOLDS = """
import sqlite3, sys, time
from pathlib import Path
from hedged.config import load_config
from hedged.control.lease import Lease
config = load_config(Path(sys.argv[1]))
lease = Lease.take(config)
lease.beat(0, doing="running")
journal = sqlite3.connect(config.state_dir / "journal.sqlite", isolation_level=None)
journal.execute("BEGIN IMMEDIATE")
print("holds", flush=True)
time.sleep(600)
"""


def test_a_daemon_that_hangs_in_the_middle_of_a_write_is_no_obstacle(tmp_path: Path) -> None:
    """If this fails, the switch cannot be turned while the hung process holds the journal."""
    made = hedged_before(tmp_path)
    with running("-c", HOLDS, made.config) as process:
        process.wait_for("holds", STARTUP_S)
        done = in_a_process("kill", "--level", "flatten", "--reason", "drill", "--config", made.config)
        assert done.returncode == 0, done.stdout + done.stderr
        assert process.process.wait(STARTUP_S) == -signal.SIGTERM
    assert "the journal cannot be written now" in done.stdout
    assert made.held() == {CUT: -100}
    assert made.latch() == (4, "drill", "drill", "cli")
