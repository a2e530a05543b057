"""Proof that the simulation can fail: each bug planted into the daemon is caught, by the checker meant for it."""

import pytest
from planted import PLANTS, planted

from hedged.simulate.invariants.all import CHECKERS
from hedged.simulate.run import play

TRIES = 24
"""Seeds from the first on, where the known one catches the bug no more: what a seed means changes with the daemon."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_caught(name: str) -> None:
    """If this fails, the daemon may have this very bug and no seed would tell."""
    _, caught_by, known, mode = PLANTS[name]
    others: set[str] = set()
    for seed in (known, *range(1, TRIES)):
        with planted(name):
            said = dict(play(seed, mode, 4.0).broken)
        if caught_by in said:
            assert said[caught_by]
            return
        others |= set(said)
    pytest.fail(f"not caught in {TRIES} seeds; others said {sorted(others)}")


def test_every_checker_has_caught_a_bug() -> None:
    """If this fails, a checker was added, or a plant taken out, and nothing shows that the checker can ever speak."""
    assert {caught_by for _, caught_by, _, _ in PLANTS.values()} == set(CHECKERS)
