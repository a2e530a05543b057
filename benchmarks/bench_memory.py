"""Resident memory of `hedged run`: after its imports, while it starts, and in its steady state.

`hedged sandbox` with 25 markets on Injective and three exchanges, a position in every market, paper, the ensemble, 90
days of 15-minute bars, a cycle every 15 minutes of a clock that runs `--speed` times as fast; the daemon started cold,
killed after `--minutes`, and started warm. Then the same size on a virtual clock in this process: hundreds of cycles,
and whether they leave anything behind.
"""

import argparse
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import bench_cycle
import numpy as np
import yaml
from measure_soak import POSITION_USD, VENUES, process, sandbox_arguments, wait_for

from hedged.backtest.virtual_time import run_virtually
from hedged.config import parse_config
from hedged.daemon import run_daemon
from hedged.domain.clock import DAY_MS, HOUR_MS, SECOND_MS, LoopClock
from hedged.domain.market import INJECTIVE
from hedged.memory import frugal, give_back
from hedged.telemetry.logs import configure_logs

MARKETS, CYCLE_S, LOOK_S = 25, 900, 0.2
STEADY_AFTER_S = 60
"""Seconds after the first look at a prepared daemon from which on it counts as steady."""
IMPORTS = (
    "numpy", "polars", "hedged.cli", "hedged.daemon", "hedged.wiring.real_venues", "hedged.forecast.ensemble",
    "hedged.forecast.with_cascades",
)  # fmt: skip
IMPORT = """
import importlib, re, sys
for name in ("sys", *sys.argv[1:]):
    importlib.import_module(name)
    print(name, re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read()).group(1))
"""


@dataclass
class Life:
    """MB resident, by phase, look by look."""

    seen: dict[str, list[float]] = field(default_factory=dict)
    ready_s: float = float("nan")
    started_s: float = field(default_factory=time.monotonic)

    def look(self, pid: int, log: Path) -> None:
        """Look once; the phase follows from what the daemon has logged."""
        past_s, text = time.monotonic() - self.started_s, log.read_text(errors="replace")
        if np.isnan(self.ready_s) and '"prepared"' in text:
            self.ready_s = past_s
        phase = "until it has read and laid out the past"
        if past_s > self.ready_s:
            phase = "first cycle" if past_s < self.ready_s + STEADY_AFTER_S else "steady"
        self.seen.setdefault(phase, []).append(resident_mb(pid))


def resident_mb(pid: int | str) -> float:
    """Return the resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1_024 if found else float("nan")


def imports() -> None:
    """Print what each import adds."""
    told = subprocess.run(
        [sys.executable, "-c", IMPORT, *IMPORTS], check=True, capture_output=True, text=True
    )
    before = 0.0
    for line in told.stdout.splitlines():
        name, kb = line.split()
        mb = int(kb) / 1_024
        print(f"{name if name != 'sys' else 'Python':45} {mb:7.0f} MB  +{mb - before:.0f}", flush=True)
        before = mb


def configuration(out: Path) -> Path:
    """Return the printed configuration, with requests as quick as they may be."""
    tree = yaml.safe_load((out / "config.yaml").read_text())
    tree["cycle"] = {"interval_s": CYCLE_S}
    tree["telemetry"] = {"port": 0}
    tree["injective"]["deadline_s"] = 30
    for venue in VENUES:
        tree["cex"][venue] |= {"rate_share": 1, "deadline_s": 30}
    path = out / "memory.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def live(name: str, out: Path, minutes: float, stop: signal.Signals) -> None:
    """Run the daemon for so long after it is prepared, and print what it held."""
    log, life = out / f"{name}.log", Life()
    with process(["run", "--config", str(configuration(out))], log) as daemon:
        while not time.monotonic() - life.started_s > life.ready_s + minutes * 60:
            if daemon.poll() is not None:
                raise SystemExit(log.read_text(errors="replace")[-2_000:])
            life.look(daemon.pid, log)
            time.sleep(LOOK_S)
        daemon.send_signal(stop)
        daemon.wait(60)
    print(f"{name}: prepared after {life.ready_s:.0f} s")
    for phase, seen in life.seen.items():
        tenth = max(1, len(seen) // 10)
        first, last = statistics.median(seen[:tenth]), statistics.median(seen[-tenth:])
        print(f"  {phase:43} most {max(seen):5.0f} MB; {first:.0f} -> {last:.0f}", flush=True)


def on_the_wire(speed: int, minutes: float) -> None:
    """Start the daemon beside the sandbox, cold and warm."""
    out = Path(tempfile.mkdtemp(prefix="memory"))
    arguments = sandbox_arguments(out, MARKETS, speed)
    with process(arguments, out / "sandbox.log") as sandbox:
        wait_for(sandbox, out / "sandbox.log", "Then, in another terminal")
        live("cold", out, minutes, signal.SIGKILL)
        live("warm", out, minutes, signal.SIGTERM)


def slope(days: int) -> None:
    """Print what is resident, free pages given back, from quarter to quarter of many cycles on a virtual clock."""
    venues = (INJECTIVE, *VENUES)
    world, names = bench_cycle.build(MARKETS, venues, days)
    raw = {
        "book": {"positions": {name: {"usd": POSITION_USD * (-1) ** n} for n, name in enumerate(names)}},
        "hedge": {"venues": list(VENUES)},
        "state_dir": tempfile.mkdtemp(prefix="memory"),
        "telemetry": {"port": 0, "log_level": "error"},
    }
    seen: list[tuple[int, float]] = []
    end_ms = bench_cycle.START_MS + days * DAY_MS
    clock = Watched(bench_cycle.START_MS, seen)
    run_virtually(lambda: run_daemon(parse_config(raw), clock, world.venues(venues), end_ms))
    mb = np.array([mb for _, mb in seen])
    cycles = np.array([(ts_ms - bench_cycle.START_MS) / (CYCLE_S * SECOND_MS) for ts_ms, _ in seen])
    quarters = [statistics.median(part) for part in np.array_split(mb, 4)]
    later = cycles > cycles[-1] / 4
    per_cycle = np.polyfit(cycles[later], mb[later], 1)[0]
    print(
        f"{cycles[-1]:.0f} simulated cycles: medians of the quarters {', '.join(f'{q:.0f}' for q in quarters)} MB"
    )
    print(
        f"  after the first quarter {per_cycle * DAY_MS / (CYCLE_S * SECOND_MS) * 1_024:+.0f} kB a day of cycles"
    )


class Watched(LoopClock):
    """A virtual clock that notes what is resident in each of its hours."""

    def __init__(self, start_ms: int, seen: list[tuple[int, float]]) -> None:
        super().__init__(start_ms)
        self._seen, self._hour = seen, 0

    def now_ms(self) -> int:
        now_ms = super().now_ms()
        if now_ms // HOUR_MS > self._hour:
            self._hour = now_ms // HOUR_MS
            give_back()
            self._seen.append((now_ms, resident_mb("self")))
        return now_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--days", type=int, default=4, help="of simulated cycles")
    parser.add_argument("--only", choices=("imports", "wire", "slope"))
    options = parser.parse_args()
    frugal()
    if options.only in (None, "imports"):
        imports()
    if options.only in (None, "wire"):
        on_the_wire(options.speed, options.minutes)
    if options.only in (None, "slope"):
        slope(options.days)


if __name__ == "__main__":
    configure_logs(lambda: round(time.time() * SECOND_MS), "warning", "json")
    main()
