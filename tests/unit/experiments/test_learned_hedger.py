"""Training is a matter of its seed alone, and a policy on disk is the policy that was trained."""

import numpy as np
import pytest
from hedge_worlds import history, setting

from hedged.domain.forecast import LEVELS

ENGINE = "needs stable-baselines3: pip install --group experiments"
pytest.importorskip("gymnasium", reason=ENGINE)
pytest.importorskip("stable_baselines3", reason=ENGINE)

from experiments.reinforcement.course import course_of  # noqa: E402
from experiments.reinforcement.learning import Greedy, Recipe, opened, train  # noqa: E402
from experiments.reinforcement.playing import played  # noqa: E402

SMALL = Recipe(steps=256, length=20, envs=4, rollout=32, batch=64, epochs=1, width=8, looks=1, keeps=0.0)


def test_a_seed_makes_a_policy_which_is_the_same_from_disk(tmp_path):
    """If this fails, a measured policy cannot be made again, or another one than was trained is measured."""
    past = history(np.full(300, 1e-4), np.zeros(300))
    told = [(past.ts_ms, np.repeat(level[:, None], len(LEVELS), axis=1)) for level in past.level]
    courses = [course_of(past, setting(), side, told) for side in (1, -1)]
    (one, curve), (other, _) = (train(courses, courses, SMALL, seed=3) for _ in range(2))
    held = played(Greedy(one), courses)
    assert [point.steps for point in curve] == [0, 256]
    one.save(tmp_path / "policy.zip")
    for policy in (Greedy(other), opened(tmp_path / "policy.zip")):
        for a, b in zip(held, played(policy, courses), strict=True):
            np.testing.assert_array_equal(a, b)
