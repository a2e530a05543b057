"""`hedged backup`: the journal as of one instant, handed out whole."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from commands import hedged

from hedged.execution.journal.store import JournalStore
from hedged.risk.kill import KillLevel


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\n")
    return path


def latched(copy: Path) -> list[tuple[str]]:
    opened = sqlite3.connect(copy)
    try:
        return opened.execute("SELECT reason FROM kill_latch").fetchall()
    finally:
        opened.close()


def test_what_was_written_last_is_in_a_copy_that_its_owner_alone_reads(config: Path, tmp_path: Path) -> None:
    """If this fails, a backup lacks what still lies beside the file, or shows the book to everybody on the machine."""
    (tmp_path / "state").mkdir()
    store = JournalStore(str(tmp_path / "state" / "journal.sqlite"), durable=True)
    try:
        store.set_kill(1, KillLevel.PAUSE, "the last word")
        named, told = tmp_path / "named.sqlite", tmp_path / "told.sqlite"
        assert hedged("backup", str(named), "--config", str(config)).returncode == 0
        command = [sys.executable, "-m", "hedged", "backup", "-", "--config", str(config)]
        told.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    finally:
        store.close()
    assert stat.S_IMODE(named.stat().st_mode) == 0o600
    assert latched(named) == latched(told) == [("the last word",)]
    assert not list((tmp_path / "state" / "journal-backups").iterdir())


def test_no_journal_is_said(config: Path, tmp_path: Path) -> None:
    """If this fails, an empty file passes for a backup."""
    done = hedged("backup", str(tmp_path / "copy.sqlite"), "--config", str(config))
    assert done.returncode == 2
    assert "nothing has run with this configuration yet" in done.stderr
    assert not (tmp_path / "copy.sqlite").exists()
