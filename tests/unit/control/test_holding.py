"""What `hedged check` says of lease, latch, KILL file, token and journal."""

import os
from pathlib import Path

import pytest

from hedged.config import Config, parse_config
from hedged.control.holding import holding
from hedged.control.lease import Lease
from hedged.domain.errors import ConfigError
from hedged.execution.journal.file import JOURNAL_FILE
from hedged.execution.journal.store import JournalStore


def told(folder: Path, **changes: object) -> tuple[Config, Path]:
    state = folder / "state"
    state.mkdir(mode=0o700)
    config = parse_config(
        {"state_dir": str(state), "control": {"lease_dir": str(folder / "leases")}, **changes}
    )
    return config, state / JOURNAL_FILE


def test_before_the_first_start(tmp_path: Path) -> None:
    """If this fails, an operator who checks first is told of things that are not there."""
    config, path = told(tmp_path)
    known, heeded = holding(config, {})
    assert known == [
        f"journal: none yet, the first start makes {path}",
        f"lease: free ({config.state_dir})",
        "/api/kill is refused: no telemetry.token_file or token_env is set",
    ]
    assert heeded == []


def test_what_holds_the_daemon_is_told(tmp_path: Path) -> None:
    """If this fails, an operator starts a daemon that can do nothing, or a second one, and is not told before."""
    config, path = told(tmp_path, telemetry={"token_env": "TOKEN"})
    store = JournalStore(str(path), durable=True)
    store.set_kill(1_750_000_000_000, 4, "the [venue] looks odd", "acme", "cli")
    (config.state_dir / "KILL").write_text("pause holidays")
    lease = Lease.take(config)
    lease.beat(5)
    try:
        before = path.read_bytes()
        known, heeded = holding(config, {"TOKEN": "abcdefgh" * 3})
        assert path.read_bytes() == before
    finally:
        lease.release()
        store.close()
    assert known[0] == f"journal: {path} is whole"
    assert known[1].startswith(f"lease: held by the daemon, pid {os.getpid()}, last sign of life 0 s ago")
    assert known[2] == "/api/kill works"
    assert heeded[0].startswith("latched: flatten since 2025-06-15")
    assert "the [venue] looks odd" in heeded[0]
    assert heeded[1] == f"{config.state_dir / 'KILL'} exists and latches pause: holidays"
    with pytest.raises(ConfigError, match="too short"):
        holding(config, {"TOKEN": "x"})


@pytest.mark.parametrize("how", ["middle", "truncated", "other"])
def test_a_damaged_journal_is_told(how: str, tmp_path: Path) -> None:
    """If this fails, a check calls sound what the daemon refuses to start with."""
    config, path = told(tmp_path)
    store = JournalStore(str(path), durable=True)
    for n in range(200):
        store.set_kill(n, 0, "x" * 200)
    store.close()
    content = path.read_bytes()
    if how == "middle":
        path.write_bytes(
            b"".join(content[at : at + 4_096 - 64] + b"\xa5" * 64 for at in range(0, len(content), 4_096))
        )
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2 // 4_096 * 4_096])
    else:
        path.write_text("this is no journal\n" * 300)
    _, heeded = holding(config, {})
    assert len(heeded) == 1
    assert heeded[0].startswith("journal: ")
