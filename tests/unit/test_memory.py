"""What a start must not drag in, and an allocator that is told to be frugal only where it can be."""

import subprocess
import sys

import pytest

from hedged import memory

HEAVY = ("lightgbm", "matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "torch")
SCRIPT = """
import sys
import hedged.cli, hedged.commands.run, hedged.daemon, hedged.wiring.live_account
from hedged.forecast.registry import make_forecaster
make_forecaster("ensemble", None, None, 0.95)
print(" ".join(sys.modules))
"""


def test_a_daemon_imports_nothing_that_it_does_not_serve_with() -> None:
    """If this fails, a container of 1 GB starts with 50 to 100 MB less room for markets and their past."""
    run = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    loaded = set(run.stdout.split())
    assert "onnxruntime" in loaded
    assert loaded.isdisjoint({*HEAVY, "hedged.backtest.recorded"})


def test_the_allocator_is_told_unless_the_environment_told_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an operator's own tuning is overruled, or what a start needed for a moment is kept for good."""
    told: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, option: int, value: int) -> None:
            told.append((option, value))

    monkeypatch.setattr(memory, "_glibc", Library)
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
    memory.frugal()
    assert told == [(-8, memory.ARENAS)]
    monkeypatch.setattr(memory, "_glibc", lambda: None)  # another C library
    memory.frugal()
    memory.give_back()
    assert len(told) == 1
