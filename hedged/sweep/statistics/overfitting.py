"""How probable it is that the best of the past is a bad choice for the future, whichever past one had been given.

Source: Bailey, Borwein, López de Prado & Zhu, The Probability of Backtest Overfitting, Journal of Computational Finance
2017 (first circulated in 2015): combinatorially symmetric cross-validation.
"""

from itertools import combinations
from math import nan

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MAX_PARTS = 10
"""252 ways to halve them; more change the figure little."""
DAYS_A_PART = 5


def overfitting_probability(gains: Floats) -> float:
    """Return the share of halvings in which the best trial of one half is below the median of all on the other.

    gains (days, trials), compared by their means. A rank right at the median counts half. About ½: choosing among these
    trials is worth nothing. NaN with fewer than two trials that differ, or less than 20 days.
    """
    days, trials = gains.shape
    parts = min(MAX_PARTS, days // DAYS_A_PART // 2 * 2)
    if parts < 4 or trials < 2 or not (gains != gains[:, :1]).any():
        return nan
    sums = np.array([part.sum(axis=0) for part in np.array_split(gains, parts)])
    sizes = np.array([len(part) for part in np.array_split(gains, parts)])
    halves = np.zeros((0, parts))
    for chosen in combinations(range(parts), parts // 2):
        half = np.zeros(parts)
        half[list(chosen)] = 1
        halves = np.vstack([halves, half])
    inside = halves @ sums / (halves @ sizes)[:, None]
    outside = (1 - halves) @ sums / ((1 - halves) @ sizes)[:, None]
    best = inside.argmax(axis=1)
    own = np.take_along_axis(outside, best[:, None], axis=1)
    rank = (outside < own).sum(axis=1) + ((outside == own).sum(axis=1) + 1) / 2
    middle = (trials + 1) / 2
    return float(np.mean((rank < middle) + 0.5 * (rank == middle)))
