"""Plays a policy through courses, and says what it held and earned, as the evaluation counts it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from experiments.reinforcement.course import Course, Floats, Ints
from experiments.reinforcement.environment import KEEP, observed


class Policy(Protocol):
    """Chooses among actions."""

    def __call__(self, observations: NDArray[np.float32]) -> Ints:
        """Return the action (n,) for each observation (n, features)."""


def played(policy: Policy, courses: Sequence[Course]) -> list[Ints]:
    """Return the state held after each decision of every course, each stretch begun flat. (n,) by course.

    All stretches of all courses go side by side, so that the policy is asked about many at once.
    """
    held: list[Ints] = [np.zeros(len(course.place), np.int64) for course in courses]
    lanes = [(i, first, end) for i, course in enumerate(courses) for first, end in course.stretches]
    now = np.zeros(len(lanes), np.int64)
    for step in range(max(end - first for _, first, end in lanes)):
        asked = [n for n, (_, first, end) in enumerate(lanes) if first + step < end]
        places = [(lanes[n][0], lanes[n][1] + step) for n in asked]
        seen = np.stack(
            [observed(courses[i], k, int(now[n])) for n, (i, k) in zip(asked, places, strict=True)]
        )
        for n, (i, k), action in zip(asked, places, policy(seen), strict=True):
            if action != KEEP and courses[i].known[k]:
                now[n] = action - 1
            held[i][k] = now[n]
    return held


def positions(course: Course, states: Ints, hours: int) -> Floats:
    """Return the positions held through each of so many hours of the history, USD. (hours, venues)."""
    out = np.zeros((hours, course.states.shape[1]))
    for k, state in enumerate(states):
        after = course.place[k] + 1
        out[after : after + int(course.hours[k])] = course.states[state]
    return out


def net_usd(course: Course, states: Ints) -> float:
    """Return what states held after each decision earned, all costs paid; without the charge for risk."""
    total = 0.0
    for first, end in course.stretches:
        path, at = states[first:end], np.arange(first, end)
        total += float((course.saved[at, path] - course.charged[at, path]).sum())
        total -= float(course.change[np.r_[0, path[:-1]], path].sum())
        if course.setting.closes:
            total -= float(course.change[path[-1], 0])
    return total
