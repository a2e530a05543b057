"""Probabilities read off quantiles."""

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS

NEAR = 0.01
"""Quantiles this close to the last rate, in s, mean that it stays: averages and trees never hit it exactly."""


def share_above(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(x > 0) + ½ P(x = 0) from quantiles at LEVELS in units of s, |x| ≤ NEAR standing for 0.

    (..., levels) → (...).
    """
    return 1.0 - (_below(quantiles, -NEAR) + _below(quantiles, NEAR)) / 2


def _below(quantiles: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """Return P(≤ x): linear between the levels, the outermost pieces carried on until 0 and 1."""
    place = np.clip((quantiles <= x).sum(axis=-1), 1, len(LEVELS) - 1)[..., None]
    low, high = (np.take_along_axis(quantiles, place - k, axis=-1)[..., 0] for k in (1, 0))
    level, upper = LEVELS[place[..., 0] - 1], LEVELS[place[..., 0]]
    width = np.maximum(high - low, 1e-9)
    below: NDArray[np.float64] = np.clip(level + (x - low) / width * (upper - level), 0.0, 1.0)
    return below
