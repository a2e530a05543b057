"""What systemd hears, on a real socket of its kind."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedged.control.notify import LONGEST, Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        yield manager


def heard(manager: socket.socket) -> list[str]:
    """Everything that was sent and not read yet, by datagram."""
    told = []
    while True:
        try:
            told.append(manager.recv(4096).decode())
        except BlockingIOError:
            return told


def test_start_life_and_end_are_told(manager: socket.socket) -> None:
    """If this fails, systemd takes a daemon that runs for one that never started, or that hangs, and kills it."""
    now_s = [100.0]
    environ = {
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "20000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    notifier = Notifier(environ, now_s=lambda: now_s[0])
    notifier.ready()
    for _ in range(20):  # half a second apart
        notifier.alive(lambda: "running")
        now_s[0] += 0.5
    notifier.stopping()
    notifier.stopping()
    assert heard(manager) == ["READY=1", *["WATCHDOG=1\nSTATUS=running"] * 2, "STOPPING=1"]


def test_without_a_watchdog_only_the_state_is_told(manager: socket.socket) -> None:
    """If this fails, a watchdog that was meant for another process is fed by this one."""
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}
    Notifier(environ).alive(lambda: "backfilling\n40%" + "x" * LONGEST)
    (told,) = heard(manager)
    assert told.startswith("STATUS=backfilling 40%xx")
    assert "WATCHDOG" not in told
    assert len(told) == len("STATUS=") + LONGEST


def test_an_abstract_name_is_reached() -> None:
    """If this fails, nothing is heard by a manager whose socket has no place in the file system."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0hedged-test-{os.getpid()}")
        manager.setblocking(False)
        Notifier({"NOTIFY_SOCKET": f"@hedged-test-{os.getpid()}"}).ready()
        assert heard(manager) == ["READY=1"]


def test_nobody_listening_is_no_fault(tmp_path: Path) -> None:
    """If this fails, a daemon in a terminal or a container, or one whose manager is gone, dies of it."""
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}):
        asked: list[str] = []

        def status(asked: list[str] = asked) -> str:
            asked.append("asked")
            return "running"

        notifier = Notifier(environ)
        notifier.ready()
        notifier.alive(status)
        notifier.stopping()
        assert len(asked) == len(environ)


def test_what_was_not_heard_is_said_again(tmp_path: Path) -> None:
    """If this fails, one datagram that found its reader busy costs a sign of life, and in the end the daemon's own."""
    now_s = [100.0]
    path = tmp_path / "notify"
    environ = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "20000000"}
    notifier = Notifier(environ, now_s=lambda: now_s[0])
    notifier.alive(lambda: "running")  # nobody there yet
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)
        now_s[0] += 0.5
        notifier.alive(lambda: "running")
        assert heard(manager) == ["WATCHDOG=1\nSTATUS=running"]
