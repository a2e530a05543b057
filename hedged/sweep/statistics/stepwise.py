"""Which of many trials beat a benchmark: p-values of a stepwise bootstrap of the largest statistic.

Sources: White, A Reality Check for Data Snooping, Econometrica 2000; in steps and studentised: Romano & Wolf, Stepwise
Multiple Testing as Formalized Data Snooping, Econometrica 2005. Days are drawn in blocks of random length: Politis &
Romano, The Stationary Bootstrap, JASA 1994.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 2_000
MIN_DAYS = 20
"""Fewer days hold too few blocks to say how blocks differ: p-values are then unknown."""


def block_days(days: int) -> int:
    """Return the mean length of a block: it grows with the third root of the sample, as the theory asks."""
    return max(1, round(1.75 * float(days) ** (1 / 3)))


def resampled_means(gains: Floats, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Return the means of stationary-bootstrap draws. gains (days, trials) → (draws, trials)."""
    days = len(gains)
    fresh = rng.random((draws, days)) < 1 / block_days(days)
    fresh[:, 0] = True
    since = np.maximum.accumulate(np.where(fresh, np.arange(days), 0), axis=1)
    first = np.take_along_axis(rng.integers(days, size=(draws, days)), since, axis=1)
    at = (first + np.arange(days) - since) % days
    counts = np.bincount((at + np.arange(draws)[:, None] * days).ravel(), minlength=draws * days)
    means: Floats = counts.reshape(draws, days) @ gains / days
    return means


def stepwise_p_values(gains: Floats, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Return for each trial the p-value of "its mean gain is not above zero", corrected for all of them together.

    gains (days, trials): daily gain over the benchmark. A trial that never differs from it has p = 1. The smallest of
    the result is the (studentised) reality check of the best. NaN with too few days.
    """
    days, trials = gains.shape
    if days < MIN_DAYS:
        return np.full(trials, np.nan)
    adjusted = np.ones(trials)
    varies = np.flatnonzero(gains.std(axis=0) > 0)
    if not len(varies):
        return adjusted
    mean = gains[:, varies].mean(axis=0)
    off = resampled_means(gains[:, varies], rng, draws) - mean
    error = np.maximum(off.std(axis=0, ddof=1), np.finfo(float).tiny)
    observed, drawn = mean / error, off / error
    order = np.argsort(-observed, kind="stable")
    # the largest of those not yet passed: from the last in order to the first
    largest = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]
    p = (1 + (largest >= observed[order]).sum(axis=0)) / (1 + draws)
    adjusted[varies[order]] = np.maximum.accumulate(p)
    return adjusted


def interval(gains: Floats, rng: np.random.Generator, draws: int = DRAWS) -> tuple[float, float]:
    """Return the 95 % interval of the mean of one series (days,), uncorrected; NaN with too few days."""
    if len(gains) < MIN_DAYS:
        return float("nan"), float("nan")
    low, high = np.quantile(resampled_means(gains[:, None], rng, draws), (0.025, 0.975))
    return float(low), float(high)
