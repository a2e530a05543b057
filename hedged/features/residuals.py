"""The law of what a nowcast misses, learnt while rates fall into a dead band that hides by how much.

A histogram with exponential forgetting over fixed bins in units of s. A miss that is known fills one bin; one of which
only an interval is known is spread over the interval's bins in the proportions learnt so far (self-consistency: Efron
1967, Turnbull 1976), so a venue that rests at its interest half of the time does not look twice as predictable.
"""

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS
from hedged.features.points import Array

N_BINS = 161
EDGES = 0.1 * np.sinh(np.linspace(-1.0, 1.0, N_BINS + 1) * np.arcsinh(40.0 / 0.1))
"""Bin edges in units of s: 0.1 wide in the middle, to ±40."""
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
PRIOR_WIDTH = 0.8
PRIOR_WEIGHT = 20.0
"""Before anything is known: a double exponential, as heavy as twenty observations."""


class Residuals:
    """Histograms (laws, bins) of misses in units of s."""

    def __init__(self, laws: int) -> None:
        prior = np.exp(-np.abs(MIDDLES) / PRIOR_WIDTH) * np.diff(EDGES)
        self._weight = np.tile(PRIOR_WEIGHT * prior / prior.sum(), (laws, 1))

    def copy(self) -> "Residuals":
        """Return the same law, which goes on learning apart from this one."""
        other = Residuals.__new__(Residuals)
        other._weight = self._weight.copy()
        return other

    def quantiles(self) -> Array:
        """Return the misses at LEVELS, (laws, levels)."""
        upto = np.cumsum(self._weight, axis=1)
        upto /= upto[:, -1:]
        return np.stack([np.interp(LEVELS, row, EDGES[1:]) for row in upto])

    def mean_between(self, law: int, low: Array, high: Array) -> Array:
        """Return the expected miss, given that it lies in [low, high]; the end nearer 0 where none was seen. (n,)"""
        inside = (low[:, None] <= MIDDLES) & (high[:, None] >= MIDDLES)
        weight = self._weight[law] * inside
        total = weight.sum(axis=1)
        mean = weight @ MIDDLES / np.maximum(total, 1e-12)
        nearest = np.clip(0.0, low, high)
        expected: Array = np.clip(np.where(total > 1e-9, mean, nearest), low, high)
        return expected

    def forget(self, share: float) -> None:
        """Let everything seen so far weigh `share` of what it did."""
        self._weight *= share

    def add(self, law: NDArray[np.int64], low: Array, high: Array) -> None:
        """Learn misses (n,) of the given laws; equal ends where the miss itself is known."""
        known = high <= low
        np.add.at(self._weight, (law[known], _bin(low[known])), 1.0)
        law, low, high = law[~known], low[~known], high[~known]
        inside = (low[:, None] <= MIDDLES) & (high[:, None] >= MIDDLES)
        inside[np.arange(len(law)), _bin(np.clip(0.0, low, high))] = True  # narrower than a bin
        weight = self._weight[law] * inside
        np.add.at(self._weight, law, weight / weight.sum(axis=1, keepdims=True))


def _bin(miss: Array) -> NDArray[np.int64]:
    return np.searchsorted(EDGES[1:-1], miss)
