"""The yardstick that knows no learning but two numbers: hold the largest hedge from one forecast saving to another.

Opened where the forecast's median says that a week of it earns more than `enter` times what opening costs, given up
where it says less than `leave`. Both numbers are the best of a grid on the very courses that the policies learn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from experiments.reinforcement.course import Course, Ints, edge_column
from experiments.reinforcement.environment import KEEP
from experiments.reinforcement.playing import net_usd, played

GRID = (-6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True, slots=True)
class Rule:
    """Weeks' savings ÷ cost of opening; `enter` ≥ `leave`. `column`: where observations show it; `states`: how many."""

    enter: float
    leave: float
    column: int
    states: int

    def __call__(self, observations: NDArray[np.float32]) -> Ints:
        """Choose for many observations at once."""
        shown = observations[:, self.column]
        edge = np.sign(shown) * np.expm1(np.abs(shown))
        return np.where(edge > self.enter, self.states, np.where(edge < self.leave, 1, KEEP))


def tuned(courses: Sequence[Course]) -> Rule:
    """Return the rule that earns most on courses."""
    first = courses[0]
    column, states = edge_column(first.setting), len(first.states)
    rules = [Rule(a, b, column, states) for a, b in product(GRID, GRID) if a >= b]
    worth = [
        sum(net_usd(c, held) / c.unit_usd for c, held in zip(courses, played(rule, courses), strict=True))
        for rule in rules
    ]
    return rules[int(np.argmax(worth))]
