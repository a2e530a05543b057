"""Proof that the simulation can fail: each bug planted into the daemon is caught, by the checker meant for it."""

import pytest
from planted import PLANTS, planted

from hedged.simulate.invariants.all import CHECKERS
from hedged.simulate.run import play


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_caught(name: str) -> None:
    """If this fails, the daemon may have this very bug and no seed would tell."""
    _, caught_by, seed, mode = PLANTS[name]
    with planted(name):
        outcome = play(seed, mode, 4.0)
    said = dict(outcome.broken)
    assert caught_by in said, f"not caught; others said {sorted(said)}"
    assert said[caught_by]


def test_every_checker_has_caught_a_bug() -> None:
    """If this fails, a checker was added, or a plant taken out, and nothing shows that the checker can ever speak."""
    assert {caught_by for _, caught_by, _, _ in PLANTS.values()} == set(CHECKERS)
