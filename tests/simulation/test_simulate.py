"""The whole daemon against faults, crashes and interleavings, seed by seed (docs/simulation.md)."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from hedged.domain.orders import Purpose
from hedged.simulate.faults import Fault
from hedged.simulate.invariants.all import CHECKERS
from hedged.simulate.run import Outcome, play
from hedged.simulate.world import Mode

HOURS = 4.0
SEEDS = {Mode.SAFETY: (*range(1, 24), 37, 59, 60, 62, 66, 92, 95), Mode.LIVENESS: range(1, 8)}
DIGESTS = """
from hedged.simulate.quiet import silent_logs
from hedged.simulate.run import play
from hedged.simulate.world import Mode
silent_logs()
print([play(seed, mode, 2.5).history.digest() for seed in (3, 9) for mode in Mode])
"""


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return [play(seed, mode, HOURS) for mode, seeds in SEEDS.items() for seed in seeds]


@pytest.fixture(scope="module")
def exercised(outcomes: list[Outcome]) -> Counter[str]:
    return sum((one.counts for one in outcomes), Counter())


@pytest.mark.slow
def test_no_invariant_is_broken(outcomes: list[Outcome]) -> None:
    """If this fails, the daemon breaks one of its promises under faults: the seed printed shows how."""
    broken = [(one.seed, str(one.mode), *wrong) for one in outcomes for wrong in one.broken]
    assert not broken, "\n".join(map(str, broken))


@pytest.mark.slow
def test_every_fault_strikes(exercised: Counter[str]) -> None:
    """If this fails, a fault of the catalogue is never tried, and what it would show stays unknown."""
    missing = [f for f in Fault if not exercised[f"fault: {f}"]]
    assert not missing


@pytest.mark.slow
def test_every_order_is_sent(exercised: Counter[str]) -> None:
    """If this fails, some kind of order never meets a fault: a simulation that exercises nothing finds nothing."""
    assert not [p for p in Purpose if not exercised[f"order: {p}"]]
    assert exercised["fills"] > 100
    assert exercised["cycles"] > 500
    assert exercised["end: crash"] > 10
    assert exercised["journal outages"] > 5
    assert exercised["rested"] > 50
    assert exercised["looks at a resting order that is filled in part"] > 5


def test_a_seed_is_the_same_in_every_process() -> None:
    """If this fails, a failing seed cannot be played again, and no failure can be looked into."""

    def digests(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = [sys.executable, "-c", DIGESTS]
        return subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout

    told = digests("1")
    assert told == digests("2")
    assert len(set(eval(told))) == 4


def test_each_checker_says_which_invariant_it_is() -> None:
    """If this fails, a violation is reported and nobody knows of what."""
    assert all(check.__doc__ for check in CHECKERS.values())
    assert len(CHECKERS) == 25
