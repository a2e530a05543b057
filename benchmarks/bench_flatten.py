"""How long it takes from `hedged kill --level flatten` to the bytes of the first closing order at the exchange.

Venues (a local Injective, and exchanges over TLS), daemon and command are processes of their own, as in life. Three
scenes: the daemon works, and has just ended its first cycle (`live`); it works, and a cycle is running, which has begun
to ask the venues (`cycle`); it was stopped by SIGSTOP at the moment of the command (`hung`).
"""

import argparse
import asyncio
import json
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from exchange_stage import LIVE, dear, stage

SCENES = ("live", "cycle", "hung")
START_S, DONE_S = 180.0, 120.0
CYCLE_S = 60


async def serve(out: Path, venues: tuple[str, ...]) -> None:
    """Be the venues: write the configuration, then print each request with its instant (ns)."""
    async with stage(out, venues, dear) as on:
        (out / "bench.yaml").write_text(yaml.safe_dump(on.tree | {"telemetry": {"port": 0}} | LIVE))
        for venue in venues:
            protocol: Any = on.hall.protocols[venue]

            class Told(list[tuple[str, str]]):
                def append(self, asked: tuple[str, str], venue: str = venue) -> None:
                    print(time.monotonic_ns(), venue, *asked, flush=True)

            protocol.asked = Told()
        print("ready", flush=True)
        await asyncio.Event().wait()


@dataclass
class Process:
    """A process, and its lines with the instants (ns) at which they came."""

    process: subprocess.Popen[str]
    lines: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic_ns(), line.rstrip("\n")))

    def when(self, pattern: str, since_ns: int = 0) -> int | None:
        """Return when the first line came that matches; None where none has."""
        return next(
            (ns for ns, line in list(self.lines) if ns >= since_ns and re.search(pattern, line)), None
        )

    def wait_for(self, pattern: str, since_ns: int = 0) -> int:
        """Return when it came. Raises RuntimeError where it does not come."""
        until_s = time.monotonic() + START_S
        while (found := self.when(pattern, since_ns)) is None:
            if time.monotonic() > until_s or self.process.poll() is not None:
                raise RuntimeError(f"no {pattern!r}: {[line for _, line in self.lines[-5:]]}")
            time.sleep(0.02)
        return found


@contextmanager
def process(*arguments: str) -> Iterator[Process]:
    """Run python with these arguments."""
    popen = subprocess.Popen(
        [sys.executable, "-u", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield Process(popen)
    finally:
        popen.kill()
        popen.wait()


def order_of(asked: list[tuple[int, str]], since_ns: int) -> int | None:
    """Return when the first order after an instant came."""
    for ns, line in asked:
        told = line.split()
        if ns >= since_ns and len(told) == 4 and told[2] == "POST" and "order" in told[3]:
            return int(told[0])
    return None


def one_round(
    venues: Process, tree: dict[str, Any], out: Path, number: int, scene: str, trace: bool
) -> dict[str, float]:
    """Let a daemon hedge, flatten it, and return the seconds from the command to each step."""
    name = f"{scene}{number}"
    every_s = CYCLE_S if scene == "cycle" else 900
    changes = {
        "account": name, "state_dir": str(out / name), "control": {"lease_dir": str(out / "leases")},
        "cycle": {"history_days": 7, "interval_s": every_s},
    }  # fmt: skip
    file = out / f"{name}.yaml"
    file.write_text(yaml.safe_dump(tree | changes))
    with process("-m", "hedged", "run", "--config", str(file)) as daemon:
        daemon.wait_for('"event": "order_done"')
        decided_ns = daemon.wait_for('"event": "decision"')
        if scene == "cycle":
            time.sleep(CYCLE_S / 6)
            venues.wait_for(r"GET /fapi/v1/userTrades|GET /fapi/v./positionRisk", _next_cycle_ns())
        if scene == "hung":
            daemon.process.send_signal(signal.SIGSTOP)
        begun_ns = time.monotonic_ns()
        command = ("-m", "hedged", "kill", "--level", "flatten", "--reason", "bench", "--config", str(file))
        with process(*command) as kill:
            kill.process.wait(DONE_S)
            kill.reader.join(5)
            ended_ns = time.monotonic_ns()
        sent_ns = order_of(venues.lines, begun_ns)
        if trace:
            lines = [(ns, f"   kill    {line}") for ns, line in kill.lines]
            lines += [(ns, f"   daemon  {line[:170]}") for ns, line in daemon.lines if ns >= begun_ns]
            lines += [
                (int(line.split()[0]), f"   venue   {line}") for ns, line in venues.lines if ns >= begun_ns
            ]
            for ns, line in sorted(lines):
                if ns <= ended_ns:
                    print(f"{(ns - begun_ns) / 1e9:7.2f} {line}")
    steps = {
        "latched": kill.when("latched"), "followed": kill.when("follows"), "hangs": kill.when("it hangs"),
        "lease": kill.when("lease is taken"), "order": sent_ns, "done": ended_ns,
    }  # fmt: skip
    if kill.process.returncode:
        print("not done:", [line for _, line in kill.lines])
    del decided_ns
    return {step: (ns - begun_ns) / 1e9 for step, ns in steps.items() if ns is not None}


def _next_cycle_ns() -> int:
    """Return when the next cycle is due, by the monotonic clock."""
    left_s = CYCLE_S - time.time() % CYCLE_S
    return time.monotonic_ns() + round(left_s * 1e9)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=8)
    asked.add_argument("--scenes", nargs="*", default=SCENES, choices=SCENES)
    asked.add_argument("--venues", nargs="*", default=["binance"])
    asked.add_argument("--rate-share", type=float, default=0.5)
    asked.add_argument("--trace", action="store_true", help="print every request and line of each round")
    asked.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    told = asked.parse_args()
    if told.serve is not None:
        asyncio.run(serve(told.serve, tuple(told.venues)))
        return
    with TemporaryDirectory() as folder, process(
        __file__, "--serve", folder, "--venues", *told.venues
    ) as venues:  # fmt: skip
        venues.wait_for("ready")
        out = Path(folder)
        tree = yaml.safe_load((out / "bench.yaml").read_text())
        for venue in told.venues:
            tree["cex"][venue]["rate_share"] = told.rate_share
        for scene in told.scenes:
            rounds = [
                one_round(venues, tree, out, number, scene, told.trace) for number in range(told.rounds)
            ]
            report(scene, rounds)


def report(scene: str, rounds: list[dict[str, float]]) -> None:
    """Print median and 95th percentile of each step."""
    for step in ("latched", "followed", "hangs", "lease", "order", "done"):
        found = sorted(one[step] for one in rounds if step in one)
        if found:
            p95 = found[min(len(found) - 1, round(0.95 * (len(found) - 1)))]
            print(
                f"{scene:6s} {step:9s} p50 {statistics.median(found):6.2f} s  p95 {p95:6.2f} s  of {len(found)}"
            )
    print(
        json.dumps({"scene": scene, "order": [round(one.get("order", -1), 2) for one in rounds]}), flush=True
    )


if __name__ == "__main__":
    main()
