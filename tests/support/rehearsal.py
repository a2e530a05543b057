"""Rehearsals as an operator does them: `hedged sandbox` and `hedged run` as processes, on a market with tides."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STARTUP_S = 90
PORTS = [f"--{name}-port=0" for name in ("chain", "indexer", "stream", "http")]


@dataclass
class Running:
    """A command, and the lines that it has printed; a thread reads them, so that its pipe never fills."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, pattern: str, within_s: float, since: int = 0) -> str:
        """Return the first line, of those from `since` on, that matches."""
        deadline_s = time.monotonic() + within_s
        while True:
            ended = self.process.poll() is not None
            if ended:
                self._reader.join(5)
            found = next((line for line in list(self.lines)[since:] if re.search(pattern, line)), None)
            if found is not None:
                return found
            assert not ended, f"ended without {pattern!r}: {self.lines[-5:]}"
            assert time.monotonic() < deadline_s, f"no {pattern!r} within {within_s} s: {self.lines[-5:]}"
            time.sleep(0.05)

    def events(self) -> list[dict[str, Any]]:
        """Return the log of a daemon."""
        return [json.loads(line) for line in list(self.lines)]

    def end(self, with_signal: signal.Signals = signal.SIGTERM, within_s: float = STARTUP_S) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(with_signal)
        code = self.process.wait(timeout=within_s)
        self._reader.join(5)
        return code


@contextmanager
def running(*arguments: str, **environ: str) -> Iterator[Running]:
    """Run python with these arguments and variables."""
    process = subprocess.Popen(
        [sys.executable, "-u", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200", "HEDGED_LISTEN": "127.0.0.1:0"} | environ,
    )
    try:
        command = Running(process)
        yield command
    finally:
        process.kill()
        process.wait()
        command._reader.join(5)
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def sandbox(out: Path, tide_h: int, speed: float) -> Iterator[Running]:
    """Run `hedged sandbox` as its manual says, with 80 000 USD of INJ held long by its operator."""
    options = f"--trade --symbol INJ --tides {tide_h} --speed {speed:g} --block-time 0.2".split()
    with running("-m", "hedged", "sandbox", *options, *PORTS, "--out", str(out)) as process:
        process.wait_for("Then, in another terminal", STARTUP_S)
        yield process
