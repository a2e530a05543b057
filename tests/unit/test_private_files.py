"""What the daemon writes is its owner's alone, under any umask; links, pipes and other people's places are refused."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hedged.adapters.cex.keys import load_api_key
from hedged.adapters.injective.keys import load_key
from hedged.buffer.directory import write_part
from hedged.buffer.keeper import SNAPSHOT_FILE
from hedged.buffer.ring import BarWindow
from hedged.buffer.snapshot import write_snapshot
from hedged.config import CexVenueConfig, parse_config
from hedged.control.api import read_token
from hedged.control.kill_file import FILE, read_kill_file
from hedged.control.lease import LOCK_FILE, Lease
from hedged.directories import make_private_directory
from hedged.domain.bars import N_FIELDS
from hedged.domain.errors import ConfigError
from hedged.domain.market import SeriesKey
from hedged.domain.orders import tag
from hedged.execution.journal.backups import back_up_daily
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.store import JournalStore
from hedged.risk.kill import KillLevel
from hedged.secret import read_secret

LIVE = {"mode": "live", "live_acknowledgement": "I understand that this trades real money"}


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_whatever_lies_in_the_state_directory_is_the_owners_alone(tmp_path: Path) -> None:
    """If this fails, other users of the host read the journal (positions, orders, P&L), or write it."""
    state = tmp_path / "state"
    lease = Lease.take(
        parse_config({"state_dir": str(state), **LIVE}), environ={"XDG_RUNTIME_DIR": str(tmp_path)}
    )
    lease.beat(1)
    store = JournalStore(str(state / JOURNAL_FILE), durable=True)
    store.set_kill(1, 0, "first")
    back_up_daily(state / JOURNAL_FILE, 1)
    empty = np.full((1, 2, N_FIELDS), np.nan, np.float32)
    window = BarWindow((SeriesKey("binance", "ETH"),), 1_000, np.array([0, 1_000]), empty, empty)
    write_snapshot(state / SNAPSHOT_FILE, window, "test")
    write_part(state / "recorded/funding/2025-01.parquet", pl.DataFrame({"a": [1]}), hidden=True)
    found = {
        path: mode(path)
        for path in [state, tmp_path / "hedged", *state.rglob("*"), *(tmp_path / "hedged").iterdir()]
    }
    store.close()
    lease.release()
    names = {path.name for path in found}
    assert {
        JOURNAL_FILE,
        f"{JOURNAL_FILE}-wal",
        f"{JOURNAL_FILE}-shm",
        "lock",
        "lease.json",
        SNAPSHOT_FILE,
    } <= names
    assert {f"{tag('paper')}.lease", "journal-1970-01-01.sqlite", "2025-01.parquet"} <= names
    assert {p.name: oct(m) for p, m in found.items() if m & 0o077} == {}


def test_a_place_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    """If this fails, another user puts a journal, a lock or a KILL of his own into the state directory."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match="chmod 700"):
        make_private_directory(shared)
    assert mode(make_private_directory(shared / "state")) == 0o700


def test_a_lease_is_not_kept_where_another_user_made_the_place(tmp_path: Path) -> None:
    """If this fails, whoever makes /tmp/hedged-UID first keeps the lease, or has one of our files emptied."""
    config = parse_config({"state_dir": str(tmp_path / "state"), **LIVE})
    place = tmp_path / "hedged"
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(ConfigError, match="not this user's alone"):
        Lease.take(config, environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    place.chmod(0o700)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (place / f"{tag('paper')}.lease").symlink_to(victim)
    with pytest.raises(ConfigError, match="cannot be used"):
        Lease.take(config, environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert victim.read_text() == "precious"


def test_a_link_in_place_of_the_lock_or_the_sign_of_life_is_not_followed(tmp_path: Path) -> None:
    """If this fails, a planted link has the daemon overwrite another of its user's files, every second."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    state = make_private_directory(tmp_path / "state")
    config = parse_config({"state_dir": str(state)})
    (state / LOCK_FILE).symlink_to(victim)
    with pytest.raises(ConfigError, match="remove it"):
        Lease.take(config)
    (state / LOCK_FILE).unlink()
    (state / "lease.json.new").symlink_to(victim)
    lease = Lease.take(config)
    with pytest.raises(OSError, match="symbolic links"):
        lease.beat(1)
    lease.release()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("made", ["link", "pipe", "directory", "device"])
def test_a_kill_file_of_any_kind_latches_and_only_a_plain_one_is_read(tmp_path: Path, made: str) -> None:
    """If this fails, a KILL of an odd kind is ignored, hangs the switch, or shows on the page what a link points to."""
    secret = tmp_path / "token"
    secret.write_text("flatten abcdefghijklmnopqrstuvwxyz")
    path = tmp_path / FILE
    match made:
        case "link":
            path.symlink_to(secret)
        case "pipe":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
    asked = read_kill_file(tmp_path)
    assert asked is not None
    assert asked.level is KillLevel.REDUCE_ONLY
    assert "abcdef" not in asked.reason


def test_a_kill_file_steers_no_terminal(tmp_path: Path) -> None:
    """If this fails, the reason in a KILL file carries escape sequences into the operator's terminal and the log."""
    (tmp_path / FILE).write_bytes(b"cancel \x1b]0;owned\x07 stop\x00 \xff")
    asked = read_kill_file(tmp_path)
    assert asked is not None
    assert asked.level is KillLevel.CANCEL
    assert asked.reason.isprintable()


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o622])
def test_a_key_or_token_that_others_may_read_is_refused(tmp_path: Path, bits: int) -> None:
    """If this fails, a key that the whole host can read or change trades."""
    file = tmp_path / "secret"
    file.write_text("x" * 30)
    file.chmod(bits)
    config = parse_config({"telemetry": {"token_file": str(file)}})
    readers = [
        lambda: read_token(config, {}),
        lambda: read_secret("webhook.secret", file, None, {}),
        lambda: load_key(file, None, {}),
        lambda: load_api_key("binance", CexVenueConfig(key_file=file), {}),
    ]
    for read in readers:
        with pytest.raises(ConfigError, match="chmod 600"):
            read()


def test_a_pipe_in_place_of_a_key_is_refused_at_once(tmp_path: Path) -> None:
    """If this fails, the start waits for ever for somebody to write a key into a pipe."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(ConfigError, match="is no key"):
        load_key(pipe, None, {})
