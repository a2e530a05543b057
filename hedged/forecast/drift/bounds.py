"""What the last four weeks surely show: the loss ratio from below, the share of right calls from above. Pure."""

from typing import NamedTuple

import numpy as np

from hedged.forecast.drift.blocks import Blocks

DRAWS = 1_000
BLOCK_LENGTH = 3
"""Blocks drawn in one run: a horizon and its neighbours, which share outcomes with it."""
RATIO_LEVEL = 0.01
"""The lower bound is that quantile of the draws."""
LEAST_BLOCKS = 6
Z = 2.576
"""Of the upper bound on right calls: one in two hundred under the normal law."""


class Bound(NamedTuple):
    """A figure of the last weeks, and what it is at least (ratio) or at most (direction). NaN: too little is known."""

    value: float
    bound: float


def ratio_bound(blocks: Blocks, rng: np.random.Generator, level: float = RATIO_LEVEL) -> Bound:
    """Return the loss ratio of the last weeks with the lower bound of a moving-block bootstrap.

    `level`: of the quantile of the draws; 1 − RATIO_LEVEL bounds the ratio from above.

    Runs of BLOCK_LENGTH blocks are drawn with replacement from all that there are, wrapping around the end; loss and
    EWMA's loss stay together. Source: Künsch 1989.
    """
    blocks = blocks.lately
    n = len(blocks)
    if n < LEAST_BLOCKS or not np.isfinite(blocks.ratio):
        return Bound(blocks.ratio, float("nan"))
    runs = -(-n // BLOCK_LENGTH)
    first = rng.integers(n, size=(DRAWS, runs, 1))
    rows = ((first + np.arange(BLOCK_LENGTH)) % n).reshape(DRAWS, -1)[:, :n]
    loss, other = blocks.loss[rows].sum(axis=1), blocks.other[rows].sum(axis=1)
    drawn = loss[other > 0] / other[other > 0]
    return Bound(blocks.ratio, float(np.quantile(drawn, level)))


def direction_from_above(blocks: Blocks) -> Bound:
    """Return the share of right calls of the last weeks with Wilson's upper bound at the effective number of calls.

    n = p(1 − p) ÷ var(p): how many independent calls would be as uncertain as these. var(p) is the ratio estimator's
    over blocks, with the covariance of neighbours (Bartlett weights, two lags: Newey & West 1987); n is at most what
    was called. Source of the bound: Wilson 1927.
    """
    blocks = blocks.lately
    called = int(blocks.called.sum())
    if len(blocks) < LEAST_BLOCKS or not called:
        return Bound(float("nan"), float("nan"))
    share = float(blocks.right.sum()) / called
    off = blocks.right - share * blocks.called
    variance = float(off @ off)
    for lag, weight in ((1, 2 / 3), (2, 1 / 3)):
        variance += 2 * weight * float(off[lag:] @ off[:-lag])
    variance /= called**2
    n = min(share * (1 - share) / variance, called) if variance > 0 else float(called)
    # where neighbours cancel each other they would be worth more than all that was called; blocks are at least one
    n = max(n, 1.0)
    centre = share + Z**2 / (2 * n)
    spread = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return Bound(share, float((centre + spread) / (1 + Z**2 / n)))
