"""The watchdog thread: it notices a loop that stands, and nothing else."""

import subprocess
import sys
import threading

import pytest

from hedged.control.watchdog import EXIT_STALLED, Watchdog

HANGS = """
import asyncio, sys, time
from hedged.control.watchdog import Watchdog
async def main():
    with Watchdog(0.3, 0.8, every_s=0.05):
        stuck_here()
def stuck_here():
    time.sleep(60)
asyncio.run(main())
"""


def test_a_loop_that_stands_is_told_with_its_stack_and_then_the_process_ends() -> None:
    """If this fails, a daemon hangs for days looking alive, and nobody learns where."""
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == EXIT_STALLED
    assert "in stuck_here" in done.stderr
    assert "event_loop_stands_too_long" in done.stdout + done.stderr


def test_a_loop_that_runs_is_let_be(capfd: pytest.CaptureFixture[str]) -> None:
    """If this fails, the watchdog ends a daemon that works."""
    told, left, seen = [], list[int](), threading.Event()
    with Watchdog(2, 2.2, lambda: told.append(1), left.append, every_s=0.05) as dog:
        for _ in range(50):
            dog.pet()
            seen.wait(0.05)
    assert (told, left) == ([], [])
    assert capfd.readouterr().err == ""


def test_it_is_told_once_for_every_time_it_stands(capfd: pytest.CaptureFixture[str]) -> None:
    """If this fails, the log fills with stacks, or the second stall goes unseen."""
    told, waited = threading.Semaphore(0), 0
    with Watchdog(0.1, None, told.release, every_s=0.02) as dog:
        for _ in range(2):
            assert told.acquire(timeout=20)
            waited += 1
            dog.pet()
    assert waited == 2
    assert "test_it_is_told_once_for_every_time_it_stands" in capfd.readouterr().err


def test_its_end_disarms_it() -> None:
    """If this fails, a process that ended its daemon in order is killed a minute later."""
    with Watchdog(0.05, 0.1, leave=lambda _: None, every_s=0.01) as dog:
        dog.pet()
    assert not dog._thread.is_alive()
