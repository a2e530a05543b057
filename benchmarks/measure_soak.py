"""An hour in paper mode: `hedged sandbox` with 25 symbols on Injective and three exchanges, a cycle every 30 s.

Both run as processes of their own, as an operator would start them, at the wall clock's speed unless `--speed` says
otherwise. Measured is what the daemon's page says, and what the system says of the process: cycles missed, their
duration, how late the event loop woke up, share of one core, resident memory in the first and the last tenth.
`--minutes` makes it shorter.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from hedged.sandbox.more_markets import ALL_SYMBOLS

VENUES = ("binance", "bybit", "okx")
PAGE = "http://127.0.0.1:19464"
INTERVAL_S = 30
SHOW_S = 300.0
"""Figures so far are shown this often."""
LOOK_S = 2.0
POSITION_USD = 10_000
START_S = 900
TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Seen:
    """What was looked at, look by look; durations one a cycle."""

    cycle_s: list[float] = field(default_factory=list)
    lag_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    sandbox_mb: list[float] = field(default_factory=list)
    missed: float = 0.0


@contextmanager
def process(arguments: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `hedged …` with its output in a file; end it as an operator does."""
    with log.open("wb") as out:
        one = subprocess.Popen(
            [sys.executable, "-u", "-m", "hedged", *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HEDGED_LISTEN": PAGE.removeprefix("http://")},
        )
        try:
            yield one
        finally:
            one.send_signal(signal.SIGTERM)
            try:
                one.wait(60)
            except subprocess.TimeoutExpired:
                one.kill()


def told() -> dict[str, float]:
    """Return the numbers of the daemon's page that have no labels."""
    with urllib.request.urlopen(f"{PAGE}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(hedged_\w+) (\S+)$", text, re.M)}


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / TICKS_S


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1_024 if found else float("nan")


def wait_for(running: subprocess.Popen[bytes], log: Path, text: str) -> None:
    """Wait until a process has printed something. Raises RuntimeError when it ends or takes too long."""
    for _ in range(START_S * 2):
        if text in log.read_text(errors="replace"):
            return
        if running.poll() is not None:
            break
        time.sleep(0.5)
    raise RuntimeError(f"no {text!r} in {log}: {log.read_text(errors='replace')[-2_000:]}")


def configure(out: Path) -> Path:
    """Let the printed configuration decide every 30 s."""
    tree = yaml.safe_load((out / "config.yaml").read_text())
    tree["cycle"] = {"interval_s": INTERVAL_S}
    for venue in VENUES:
        tree["cex"][venue]["rate_share"] = 1  # the past of 25 markets is what a start waits for
    path = out / "soak.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def sandbox_arguments(out: Path, markets: int, speed: int) -> list[str]:
    """Return what `hedged` is called with for a sandbox with a position in each of so many markets."""
    arguments = ["sandbox", "--markets", str(markets), "--out", str(out), "--exchange-port", "0"]
    arguments += ["--speed", str(speed)]
    arguments += [f"--{name}-port=0" for name in ("chain", "indexer", "stream", "http")]
    for venue in VENUES:
        arguments += ["--exchange", venue]
    for n, symbol in enumerate(ALL_SYMBOLS[:markets]):
        arguments += ["--position", f"{symbol}={POSITION_USD * (-1) ** (n // 2)}"]
    return arguments


def look(seen: Seen, daemon: int, beside: int, seconds: float) -> None:
    """Look until the time is over."""
    before, until_s = told(), time.monotonic() + seconds
    missed = before["hedged_cycles_missed_total"]
    while time.monotonic() < until_s:
        time.sleep(LOOK_S)
        now = told()
        cycles = now["hedged_cycle_duration_seconds_count"] - before["hedged_cycle_duration_seconds_count"]
        if cycles:
            spent = now["hedged_cycle_duration_seconds_sum"] - before["hedged_cycle_duration_seconds_sum"]
            seen.cycle_s += [spent / cycles] * round(cycles)
        before = now
        seen.lag_s.append(now["hedged_loop_lag_seconds"])
        seen.rss_mb.append(rss_mb(daemon))
        seen.sandbox_mb.append(rss_mb(beside))
    seen.missed += before["hedged_cycles_missed_total"] - missed


def percentiles(values: Sequence[float]) -> str:
    """Write p50, p99 and the largest, in ms."""
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, most {ordered[-1] * 1e3:.0f} ms"


def memory(values: Sequence[float]) -> str:
    """Write the medians of the first and the last tenth."""
    tenth = max(1, len(values) // 10)
    first, last = statistics.median(values[:tenth]), statistics.median(values[-tenth:])
    return f"{first:.0f} -> {last:.0f} MB (most {max(values):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--markets", type=int, default=25)
    parser.add_argument("--speed", type=int, default=1, help="an hour of cycles in a part of one: harder")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out or Path(tempfile.mkdtemp(prefix="soak"))
    out.mkdir(parents=True, exist_ok=True)
    arguments = sandbox_arguments(out, options.markets, options.speed)
    seen = Seen()
    with process(arguments, out / "sandbox.log") as sandbox:
        wait_for(sandbox, out / "sandbox.log", "Then, in another terminal")
        started_s = time.monotonic()
        with process(["run", "--config", str(configure(out))], out / "daemon.log") as daemon:
            wait_for(daemon, out / "daemon.log", '"prepared"')
            print(f"prepared after {time.monotonic() - started_s:.0f} s", flush=True)
            at_s, used, beside = time.monotonic(), cpu_s(daemon.pid), cpu_s(sandbox.pid)
            ends_s = at_s + options.minutes * 60
            while (left_s := ends_s - time.monotonic()) > 0:
                look(seen, daemon.pid, sandbox.pid, min(left_s, SHOW_S))
                past_s = time.monotonic() - at_s
                print(f"minutes       {past_s / 60:.1f}, load {os.getloadavg()}")
                print(f"cycles        {len(seen.cycle_s)}, missed {seen.missed:.0f}")
                print(f"cycle         {percentiles(seen.cycle_s)}")
                print(f"loop lag      {percentiles(seen.lag_s)}")
                print(f"CPU           daemon {(cpu_s(daemon.pid) - used) / past_s:.1%} of a core")
                print(f"              sandbox {(cpu_s(sandbox.pid) - beside) / past_s:.1%}")
                print(f"RSS           daemon {memory(seen.rss_mb)}")
                print(f"              sandbox {memory(seen.sandbox_mb)}", flush=True)


if __name__ == "__main__":
    main()
