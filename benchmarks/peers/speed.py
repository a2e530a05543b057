"""The speed runs in turn, A B C A B C …, and their medians: `python speed.py --help`. Standard library alone.

Each run is a process of its own that says its CPU seconds by phase. What counts is `run`: import and loading are apart.
Ratios are taken within each round, so that a drift of the machine falls out.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

PREPARING = ("judge", "laws")
"""What hedged's batch engine does before it plays: the data are judged, the forecasts made."""
WHOLE = (*PREPARING, "run")


def once(command: list[str]) -> dict[str, Any]:
    """Run one process; return what its last line of JSON says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = [line for line in done.stdout.splitlines() if line.startswith('{"engine"')]
    if done.returncode or not told:
        raise SystemExit(f"{shlex.join(command)} failed:\n{done.stdout[-1_000:]}\n{done.stderr[-3_000:]}")
    answer: dict[str, Any] = json.JSONDecoder().raw_decode(told[-1])[0]  # a logger may run on in its line
    return answer


def rate(told: dict[str, Any], phases: tuple[str, ...]) -> float:
    """Return bars per CPU second of these phases: one bar is one hour, or what it is, of one leg of one coin."""
    return 2 * told["coins"] * told["bars"] / sum(told["cpu_s"].get(phase, 0.0) for phase in phases)


def summary(rounds: list[list[dict[str, Any]]]) -> str:
    """Return a table of medians; the last columns are against the first command, within each round."""
    heads = (
        "engine",
        "coins × bars",
        *PREPARING,
        "run, CPU s",
        "bars/s",
        "with all before",
        "orders",
        "peak MB",
        "ratio",
        "ratio with all",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for place, first in enumerate(rounds[0]):
        mine = [told[place] for told in rounds]
        spent = {
            phase: statistics.median(told["cpu_s"].get(phase, 0.0) for told in mine)
            for phase in (*PREPARING, "run")
        }
        cells = [f"{first['engine']} {first['version']}", f"{first['coins']} × {first['bars']:,}"]
        cells += [f"{cpu_s:.1f}" if cpu_s else "–" for cpu_s in spent.values()]
        for phases in (("run",), WHOLE):
            cells.append(f"{statistics.median(rate(told, phases) for told in mine):,.0f}")
        cells += [str(first["orders"]), f"{statistics.median(told['peak_mb'] for told in mine):,.0f}"]
        for phases in (("run",), WHOLE):
            against = [rate(told[place], phases) / rate(told[0], phases) for told in rounds]
            cells.append(f"{statistics.median(against):.2f} ({min(against):.2f} … {max(against):.2f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "commands", nargs="+", help="'PYTHON SCRIPT ARGUMENTS' each; the first is the measure"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--log", type=Path, help="where every run's line is added")
    given = parser.parse_args()
    commands = [shlex.split(command) for command in given.commands]
    loads, rounds = [], []
    for number in range(given.rounds):
        loads.append(os.getloadavg()[0])
        rounds.append([once(command) for command in commands])
        print(f"round {number + 1} of {given.rounds}, load {loads[-1]:.1f}", file=sys.stderr)
        if given.log:
            with given.log.open("a", encoding="utf-8") as log:
                log.writelines(json.dumps(told | {"load": loads[-1]}) + "\n" for told in rounds[-1])
    print(
        f"{given.rounds} rounds, {os.cpu_count()} cores, load {min(loads):.0f} to {max(loads):.0f}\n\n{summary(rounds)}"
    )


if __name__ == "__main__":
    main()
