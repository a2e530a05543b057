"""The lease: who may run, and whose sign of life it is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hedged.config import LIVE_ACKNOWLEDGEMENT, Config, parse_config
from hedged.control.lease import SIGN_FILE, Lease, lease_directory, read_sign, started
from hedged.domain.errors import ConfigError, Fatal

HOLDER = """
import sys
from pathlib import Path
from hedged.config import parse_config
from hedged.control.lease import Lease
lease = Lease.take(parse_config(eval(sys.argv[1])))
lease.beat(5, followed=3, doing="running")
print("held", flush=True)
sys.stdin.read()
"""


def tree(folder: Path, state: str = "state", **changes: Any) -> dict[str, Any]:
    return {"state_dir": str(folder / state), "control": {"lease_dir": str(folder / "leases")}, **changes}


def live(folder: Path, state: str, account: str) -> Config:
    return parse_config(
        tree(folder, state, account=account, mode="live", live_acknowledgement=LIVE_ACKNOWLEDGEMENT)
    )


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, repr(tree(tmp_path))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.stdin.close()
    process.stdout.close()
    process.wait(20)


def test_another_process_is_refused_and_named_until_it_is_gone(
    tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    """If this fails, two daemons share a journal, or a crash leaves a lease that nobody can take."""
    config = parse_config(tree(tmp_path))
    with pytest.raises(Fatal, match=f"another daemon \\(pid {holder.pid}, daemon\\) runs on"):
        Lease.take(config)
    sign = read_sign(config.state_dir)
    assert sign is not None
    assert (sign.alive, sign.followed, sign.doing, sign.wall_ms) == (True, 3, "running", 5)
    assert sign.silent_s < 60
    holder.kill()
    holder.wait(20)
    assert not sign.alive
    Lease.take(config).release()


def test_a_number_that_is_another_process_by_now_is_not_alive(tmp_path: Path) -> None:
    """If this fails, a kill ends an innocent process that got the daemon's number."""
    config = parse_config(tree(tmp_path))
    lease = Lease.take(config)
    lease.beat(1)
    text = (config.state_dir / SIGN_FILE).read_text()
    lease.release()
    ticks = started(os.getpid())
    assert ticks is not None
    (config.state_dir / SIGN_FILE).write_text(text.replace(f'"started": {ticks}', f'"started": {ticks - 1}'))
    sign = read_sign(config.state_dir)
    assert sign is not None
    assert (sign.pid, sign.alive) == (os.getpid(), False)
    (config.state_dir / SIGN_FILE).write_text(text.replace('"boot": "', '"boot": "earlier-'))
    sign = read_sign(config.state_dir)
    assert sign is not None
    assert (sign.alive, sign.silent_s) == (False, float("inf"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"left": 4}', "\x00"])
def test_a_sign_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """If this fails, a torn file keeps the kill switch from working."""
    (tmp_path / SIGN_FILE).write_text(text)
    assert read_sign(tmp_path) is None


def test_one_live_account_one_daemon_whatever_the_state_directory(tmp_path: Path) -> None:
    """If this fails, two daemons with a journal each hedge one account twice."""
    first = Lease.take(live(tmp_path, "a", "mine"))
    with pytest.raises(Fatal, match=r"'mine' is traded by another daemon .* \(pid \d+, state_dir .*/a\)"):
        Lease.take(live(tmp_path, "b", "mine"))
    Lease.take(live(tmp_path, "c", "other")).release()
    Lease.take(parse_config(tree(tmp_path, "d", account="mine"))).release()  # on paper it is another account
    first.release()
    Lease.take(live(tmp_path, "b", "mine")).release()


def test_where_accounts_are_leased(tmp_path: Path) -> None:
    """If this fails, two daemons look for each other in different places."""
    given = parse_config(tree(tmp_path))
    assert lease_directory(given, {"XDG_RUNTIME_DIR": "/run/user/1"}) == tmp_path / "leases"
    assert lease_directory(Config(), {"XDG_RUNTIME_DIR": "/run/user/1"}) == Path("/run/user/1/hedged")
    assert lease_directory(Config(), {}).name == f"hedged-{os.getuid()}"
    (tmp_path / "leases").write_text("a file")
    with pytest.raises(ConfigError, match=r"lease_dir .* cannot be used"):
        Lease.take(live(tmp_path, "a", "mine"))
