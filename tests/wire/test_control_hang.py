"""A live daemon that hangs with a hedge on: `hedged kill` ends it and closes in its place, on real wire protocols."""

import json
import signal
import sqlite3
from collections.abc import Iterator

import pytest
from commands import in_a_process
from kill_stage import VENUE, Scene, kill, scene
from rehearsal import STARTUP_S, running

from hedged.config import load_config
from hedged.control.lease import read_sign
from hedged.domain.orders import tag

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found


@pytest.mark.parametrize(
    ("name", "hang"), [("stopped", signal.SIGSTOP), ("spinning", signal.SIGALRM)], ids=lambda one: str(one)
)
def test_a_daemon_that_hangs_is_ended_and_its_hedge_closed(
    on: Scene, name: str, hang: signal.Signals
) -> None:
    """If this fails, the kill switch works only as long as nothing is wrong."""
    config = on.config(name)
    with on.daemon(config) as daemon:
        own = on.on.chain.markets["INJ"].positions.copy()
        daemon.process.send_signal(hang)
        done = kill(config, "flatten")
        assert done.returncode == 0, done.stdout + done.stderr
        assert on.held() == 0
        assert daemon.process.wait(5) == -signal.SIGKILL
    assert "it hangs" in done.stdout
    assert f"at {VENUE}:INJ" in done.stdout
    assert "flatten: done" in done.stdout
    assert on.on.chain.markets["INJ"].positions == own, "the trader's own position is never traded"
    with sqlite3.connect(load_config(config).state_dir / "journal.sqlite") as journal:
        (row,) = journal.execute("SELECT level, reason, account, source FROM kill_latch").fetchall()
        closing = journal.execute("SELECT client_id FROM intents WHERE model_hash = 'takeover'").fetchall()
    journal.close()
    assert row == (4, "a drill", name, "cli")
    assert closing, "no order without its record"
    assert all(client_id.startswith(tag(name)) for (client_id,) in closing)


def test_one_account_one_daemon_and_a_working_one_flattens_itself(on: Scene) -> None:
    """If this fails, two daemons hedge one account twice, or a kill ends a daemon that works."""
    first, second = on.config("first", account="both"), on.config("second", account="both")
    with on.daemon(first) as daemon:
        with running("-m", "hedged", "run", "--config", str(second)) as other:
            other.wait_for("is traded by another daemon on this machine", STARTUP_S)
            assert other.process.wait(STARTUP_S) == 2
        done = kill(first, "flatten")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "follows: flatten: done" in done.stdout
        assert on.held() == 0
        assert daemon.process.poll() is None
        sign = read_sign(load_config(first).state_dir)
        assert sign is not None
        assert (sign.settled, sign.pid) == (True, daemon.process.pid)
        asked = in_a_process("resume", "--config", str(first), "--yes")
        assert asked.returncode == 0, asked.stderr
        assert "latched: flatten since" in asked.stdout
        assert "resuming sends no order" in asked.stdout
        assert daemon.end() == 0
        ended = [json.loads(line) for line in daemon.lines if '"held_at_the_end"' in line]
    assert ended[0]["hedges"] == {}
