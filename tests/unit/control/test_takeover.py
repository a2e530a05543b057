"""Ending a process that hangs: the very one, and no other."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hedged.control.hung import end_process
from hedged.control.lease import Sign, boot_id, started, uptime_s

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def deaf() -> Iterator["subprocess.Popen[str]"]:
    """A process that SIGTERM does not end."""
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait(20)
    process.stdout.close()


def sign_of(pid: int) -> Sign:
    return Sign(pid, started(pid) or 0, boot_id(), "here", "mine", "daemon", "c", 0, uptime_s())


def test_a_process_that_does_not_listen_is_killed(deaf: "subprocess.Popen[str]") -> None:
    """If this fails, a hung daemon keeps the lease, and nothing can be closed."""
    said: list[str] = []
    asyncio.run(end_process(sign_of(deaf.pid), 0.2, said.append))
    assert deaf.wait(20) == -signal.SIGKILL
    assert [text.rpartition(" ")[2] for text in said] == ["SIGTERM", "SIGKILL"]


def test_a_process_of_another_start_is_let_be(deaf: "subprocess.Popen[str]") -> None:
    """If this fails, the kill switch ends whatever process has the daemon's old number."""
    sign = sign_of(deaf.pid)
    for other in (replace(sign, started=sign.started - 1), replace(sign, boot="another")):
        asyncio.run(end_process(other, 0.2, lambda _: None))
        assert deaf.poll() is None


def test_a_process_that_is_gone_needs_no_ending() -> None:
    """If this fails, a takeover fails because there is nothing to end."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    sign = sign_of(process.pid)
    process.wait(20)
    said: list[str] = []
    asyncio.run(end_process(sign, 0.2, said.append))
    assert said == []
