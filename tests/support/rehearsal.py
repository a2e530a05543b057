"""Rehearsals as an operator does them: `hedged sandbox` and `hedged run` as processes, and a market with tides."""

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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from hedged.config import LIVE_ACKNOWLEDGEMENT

STARTUP_S = 90
HISTORY_H, PLAYED_H = 800, 720
RATE = 2e-4
"""Per hour, fraction: what longs pay at flood and receive at ebb; 0.48 % a day, far above the cost of a cut."""
PORTS = [f"--{name}-port=0" for name in ("chain", "indexer", "stream", "http")]


def write_tides(folder: Path, hours: int | None) -> Path:
    """Write a recording of INJ: longs pay for `hours` (None: for ever), then receive for as long, and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    n = HISTORY_H + PLAYED_H
    times = [datetime.fromtimestamp((470_000 + hour) * 3_600, UTC) for hour in range(n)]
    close = 10 * np.exp(np.cumsum(rng.normal(0, 3e-4, n)))
    tide = np.maximum(np.arange(n) - HISTORY_H, 0) // (hours or n) % 2
    rate = np.where(tide, -RATE, RATE) + rng.normal(0, 1e-5, n)
    base = {"ts": pl.Series(times, dtype=pl.Datetime("ms", "UTC")), "venue": "injective", "symbol": "INJ"}
    pl.DataFrame(base | {"bar": "1h", "close": close}).write_parquet(folder / "ohlcv.parquet")
    pl.DataFrame(base | {"funding_rate": rate, "interval_hours": 1.0}).write_parquet(
        folder / "funding.parquet"
    )
    return folder


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

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(with_signal)
        code = self.process.wait(timeout=STARTUP_S)
        self._reader.join(5)
        return code


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    """Run python with these arguments."""
    process = subprocess.Popen(
        [sys.executable, "-u", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200", "HEDGED_LISTEN": "127.0.0.1:0"},
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
def sandbox(out: Path, data: Path, speed: float, block_time: float = 0.2) -> Iterator[Running]:
    """Run `hedged sandbox`, with 80 000 USD of INJ held long by its operator."""
    options = ["--symbol", "INJ", "--position", "INJ=80000", "--data", str(data), "--speed", f"{speed:g}"]
    command = [
        "-m",
        "hedged",
        "sandbox",
        *options,
        "--block-time",
        str(block_time),
        *PORTS,
        "--out",
        str(out),
    ]
    with running(*command) as process:
        process.wait_for("Then, in another terminal", STARTUP_S)
        yield process


def go_live(printed: Path, **hedge: Any) -> Path:
    """Do what an operator does with the printed configuration to trade: mode, acknowledgement, forecaster."""
    tree = yaml.safe_load(printed.read_text())
    tree |= {"mode": "live", "live_acknowledgement": LIVE_ACKNOWLEDGEMENT}
    tree["hedge"] |= hedge
    path = printed.with_name("live.yaml")
    path.write_text(yaml.safe_dump(tree))
    return path
