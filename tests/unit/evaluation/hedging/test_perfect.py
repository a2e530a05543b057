"""Perfect foresight is the best there is, at the costs that the planner pays."""

from itertools import pairwise, product

import numpy as np
import pytest
from hedge_worlds import history, setting
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hedged.evaluation.hedging.perfect import best_path, foresee, sizes
from hedged.evaluation.hedging.walk import account, constant, on_sign, walk
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE

KINDS = (CUT, OPPOSITE, RELOCATE)
rates = st.floats(-1e-3, 1e-3)


def worth(path, earned, cost):
    states = [0, *path, 0]
    moves = sum(cost[a, b] for a, b in pairwise(states))
    return sum(earned[k, s] for k, s in enumerate(path)) - moves


@given(arrays(float, (5, 3), elements=rates), arrays(float, 3, elements=st.floats(0, 1e-3)))
def test_no_path_earns_more(earned, size):
    """If this fails, the yardstick itself is too short, and shares of it are flattered."""
    cost = np.abs(size[:, None] - size[None, :])
    best = max(worth(path, earned, cost) for path in product(range(3), repeat=5))
    assert worth(best_path(earned, cost), earned, cost) == pytest.approx(best, abs=1e-12)


@given(arrays(float, (5, 3), elements=rates), arrays(float, 3, elements=st.floats(0, 1e-3)), arrays(bool, 5))
def test_in_step_no_path_earns_more_either(earned, size, free):
    """If this fails, what a plan that decides so often could earn at most is told too low, or changes in between."""
    cost = np.abs(size[:, None] - size[None, :])
    free[0] = True
    paths = [p for p in product(range(3), repeat=5) if all(free[k] or p[k] == p[k - 1] for k in range(1, 5))]
    found = best_path(earned, cost, free)
    assert tuple(found) in paths
    assert worth(found, earned, cost) == pytest.approx(max(worth(p, earned, cost) for p in paths), abs=1e-12)


@given(
    arrays(float, 7, elements=rates),
    arrays(float, 7, elements=rates),
    st.sampled_from([1, -1]),
    st.sampled_from(KINDS),
)
def test_together_no_worse_than_alone_and_never_at_a_loss(own, there, side, kind):
    """If this fails, the joint choice of legs misses one that it should know, or hedges to its own harm."""
    past = history(own, there)
    free = setting("all", 1e-4).with_planner(delta_band=0.4)
    alone, joint = (
        account(past, free, side, foresee(past, free, side, kinds)).net_usd.sum()
        for kinds in ((kind,), KINDS)
    )
    assert joint >= alone - 1e-6
    assert alone >= -1e-6


@given(arrays(float, 12, elements=rates), arrays(float, 12, elements=rates), st.sampled_from([1, -1]))
def test_no_rule_beats_it(own, there, side):
    """If this fails, a rule and perfect foresight do not pay the same costs."""
    past, market = history(own, there), setting(every_h=1)
    best = account(past, market, side, foresee(past, market, side)).net_usd.sum()
    for rule in (constant(market), on_sign(past, market, side)):
        assert account(past, market, side, walk(past, market, rule)).net_usd.sum() <= best + 1e-6


def test_sizes_keep_to_cap_and_band():
    """If this fails, perfect foresight may hold what the planner may not."""
    found = sizes(KINDS, 2, delta_share=0.25)
    assert not found[0].any()
    relocated = np.maximum(found[:, 1:], 0.0).sum(axis=1)
    opposite = np.maximum(-found[:, 1:], 0.0).sum(axis=1)
    assert (found[:, 0] - relocated >= 0).all()
    assert (found[:, 0] + opposite <= 1).all()
    assert (found[:, 0] - relocated + opposite <= 0.25).all()
    assert len(np.unique(found, axis=0)) == len(found)


def test_a_short_burst_is_not_worth_its_cost():
    """If this fails, changes are free: every settlement with a gain would be taken."""
    own = [0.0] * 5 + [5e-4] * 2 + [0.0] * 5
    past = history(own, [0.0] * 12)
    dear, cheap = setting(per_usd=6e-4), setting(per_usd=1e-4)
    assert not foresee(past, dear, 1).any()
    held = foresee(past, cheap, 1)
    assert np.flatnonzero(held[:, 0]).tolist() == [5, 6]
    assert held[5].tolist() == [40_000.0, 40_000.0]
