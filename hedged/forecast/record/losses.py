"""What each forecast cost, as `hedged.evaluation.losses` defines it. Rates and errors per hour; NaN: unknown."""

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import LEVELS

Floats = NDArray[np.float64]

TIE = 1e-11
"""Rates per hour closer than this are equal; venues print no finer than 1e-10."""
UNDECIDED = 1e-9
"""A probability that is so near to a half calls no direction."""
LOW, MEDIAN, HIGH = (int(np.flatnonzero(level == LEVELS)[0]) for level in (0.1, 0.5, 0.9))


def pinball(quantiles: Floats, y: Floats) -> Floats:
    """Return the pinball loss τ(y − q)⁺ + (1 − τ)(q − y)⁺, mean over LEVELS. quantiles (…, levels), y (…) → (…).

    Source: Koenker and Bassett 1978.
    """
    beyond = y[..., None] - quantiles
    mean: Floats = np.maximum(LEVELS * beyond, (LEVELS - 1.0) * beyond).mean(axis=-1)
    return mean


def distance(quantiles: Floats, y: Floats) -> Floats:
    """Return |q50 − y|, 0 for a tie. (…, levels), (…) → (…)."""
    away = np.abs(quantiles[..., MEDIAN] - y)
    return np.where(away <= TIE, 0.0, away)


def inside(quantiles: Floats, y: Floats) -> Floats:
    """Tell as 1 or 0 whether q10 ≤ y ≤ q90, edges and ties with it. (…, levels), (…) → (…)."""
    with np.errstate(invalid="ignore"):
        within = (y >= quantiles[..., LOW] - TIE) & (y <= quantiles[..., HIGH] + TIE)
    return np.where(np.isnan(y) | np.isnan(quantiles[..., MEDIAN]), np.nan, within)


def moved(last: Floats, y: Floats) -> Floats:
    """Return the sign of y − last: 1 up, −1 down, 0 where it stayed; NaN where one is unknown."""
    with np.errstate(invalid="ignore"):
        change = y - last
        return np.where(np.abs(change) <= TIE, 0.0, np.sign(change))


def called(p_up: Floats) -> Floats:
    """Return the direction that a probability calls: 1 up, −1 down, 0 where it calls none; NaN stays."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(p_up - 0.5) <= UNDECIDED, 0.0, np.sign(p_up - 0.5))
