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

HERE = Path(__file__).parent


def once(command: list[str]) -> dict[str, Any]:
    """Run one process; return what its last line of JSON says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = [line for line in done.stdout.splitlines() if line.startswith('{"engine"')]
    if done.returncode or not told:
        raise SystemExit(f"{shlex.join(command)} failed:\n{done.stdout[-1_000:]}\n{done.stderr[-3_000:]}")
    answer: dict[str, Any] = json.JSONDecoder().raw_decode(told[-1])[0]  # a logger may run on in its line
    return answer


def seconds(told: dict[str, Any], phases: tuple[str, ...]) -> float:
    return sum(told["cpu_s"].get(phase, 0.0) for phase in phases)


def rate(told: dict[str, Any], phases: tuple[str, ...]) -> float:
    """Return coin-hours played per CPU second."""
    return told["coins"] * told["bars"] / seconds(told, phases)


def summary(rounds: list[list[dict[str, Any]]]) -> str:
    """Return a table of medians; the last column is against the first command."""
    lines = [
        "| engine | coins × bars | run, CPU s | bars/CPU s | with laws | orders | peak MB | ratio |",
        "|---|" + "---|" * 7,
    ]
    for place, first in enumerate(rounds[0]):
        mine = [told[place] for told in rounds]
        ratios = [rate(told[place], ("run",)) / rate(told[0], ("run",)) for told in rounds]
        run = statistics.median(seconds(told, ("run",)) for told in mine)
        whole = statistics.median(rate(told, ("laws", "run")) for told in mine)
        lines.append(
            f"| {first['engine']} {first['version']} | {first['coins']} × {first['bars']} | {run:.2f} "
            f"| {statistics.median(rate(told, ('run',)) for told in mine):,.0f} | {whole:,.0f} "
            f"| {first['orders']} | {statistics.median(told['peak_mb'] for told in mine):.0f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f}) |"
        )
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
