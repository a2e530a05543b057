"""The environment: one market's hedge as the planner sees it, for gymnasium.

An episode is a run of decisions of one course. Action 0 keeps what is held, action 1 + i wants state i of the course (a
share of the cap: flat, ¼, ½, ¾, 1 of it by kind of leg). The reward is what the evaluation counts until the next
decision, funding saved less the change and the charge of holding, less the planner's charge for risk, in units of what
opening the largest hedge costs. No state is above the risk gate's cap, so no action can be either.
"""

from collections.abc import Sequence
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from experiments.reinforcement.course import BOUND, Course

Observation = NDArray[np.float32]
KEEP = 0


class HedgeEnv(gymnasium.Env[Observation, np.int64]):
    """Episodes of `length` decisions at random places of random courses; `length` 0: whole stretches, from their start.

    At a stretch's end what is held is closed and paid for, as in `evaluation.hedging.walk.account`; an episode cut
    before it is truncated, and nothing is closed. `info` holds `saved_usd`, `cost_usd` and `risk_usd` of the step. All
    courses must be of one kind of setting: the same states and features.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 gymnasium declares it on the class

    def __init__(self, courses: Sequence[Course], length: int = 0, risk: float = 1.0) -> None:
        if not courses:
            raise ValueError("an environment wants at least one course")
        self._courses, self._length, self._risk = courses, length, risk
        self._count = len(courses[0].states)
        self.action_space = spaces.Discrete(1 + self._count)
        size = courses[0].shown.shape[1] + courses[0].own.shape[1]
        self.observation_space = spaces.Box(-BOUND, BOUND, (size,), np.float32)
        self._course, self._at, self._end, self._last = courses[0], 0, 0, 0
        self._state = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin flat, or, where episodes are cut, at a random place with any state held.

        `options` may name `course` and `stretch` by number, and the `state` held.
        """
        super().reset(seed=seed)
        asked = options or {}
        rng = self.np_random
        self._course = self._courses[asked.get("course", int(rng.integers(len(self._courses))))]
        stretches = self._course.stretches
        first, self._end = stretches[asked.get("stretch", int(rng.integers(len(stretches))))]
        self._at, self._last, self._state = first, self._end, int(asked.get("state", 0))
        if self._length and self._end - first > self._length:
            self._at = int(rng.integers(first, self._end - self._length + 1))
            self._last = self._at + self._length
            # what was held before is not always nothing
            self._state = int(asked.get("state", rng.integers(self._count)))
        return observed(self._course, self._at, self._state), {}

    def step(self, action: np.int64) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Hold what the action says until the next decision. Without a forecast nothing is changed."""
        course, k = self._course, self._at
        before = self._state
        if action != KEEP and course.known[k]:
            self._state = int(action) - 1
        saved, risk = course.saved[k, self._state], course.risk[k, self._state]
        cost = course.change[before, self._state] + course.charged[k, self._state]
        self._at += 1
        ended = self._at >= self._end
        if ended and course.setting.closes:
            cost += course.change[self._state, 0]
        info = {"saved_usd": float(saved), "cost_usd": float(cost), "risk_usd": float(risk)}
        reward = float(saved - cost - self._risk * risk) / course.unit_usd
        # behind the last decision there is nothing to see; the last observation stands
        following = observed(course, min(self._at, self._end - 1), self._state)
        return following, reward, ended, self._at >= self._last and not ended, info


def observed(course: Course, decision: int, state: int) -> Observation:
    """Return what a hedger that holds a state sees at a decision: the market, its positions ÷ cap, its state."""
    return np.concatenate((course.shown[decision], course.own[state]))
