"""Which of many trials beat a benchmark: p-values of a stepwise bootstrap of the largest statistic.

Sources: White, A Reality Check for Data Snooping, Econometrica 2000; in steps and studentised: Romano & Wolf, Stepwise
Multiple Testing as Formalized Data Snooping, Econometrica 2005. Days are drawn in blocks that wrap around the end
(Politis & Romano 1992), and each draw is studentised by its own blocks (Götze & Künsch 1996): with one error for all
draws, null data of 60 to 240 days came out below 0.05 in 15 % of cases instead of 5 %.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 2_000
CHUNK = 100
"""Draws made at a time: bounds the memory."""
MIN_DAYS = 20
"""Fewer days hold too few blocks to say how blocks differ: p-values are then unknown."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Mean and its error (trials,), and what chance makes of their ratio (draws, trials)."""

    mean: Floats
    error: Floats
    ratios: Floats


def block_days(days: int) -> int:
    """Return the length of a block: it grows with the third root of the sample, as the theory asks."""
    return max(1, round(1.75 * math.cbrt(days)))


def bootstrap(gains: Floats, rng: np.random.Generator, draws: int = DRAWS) -> Drawn:
    """Draw days in blocks. gains (days, trials), each column varying; the ratio is (drawn mean − mean) ÷ its error."""
    days, _ = gains.shape
    length = block_days(days)
    blocks = -(-days // length)
    total = np.cumsum(np.concatenate((np.zeros_like(gains[:1]), gains, gains[:length])), axis=0)
    block_means = (total[length : length + days] - total[:days]) / length
    mean = gains.mean(axis=0)
    # means of blocks lie about the mean of all more closely than about the true one: hence the last factor
    error = np.sqrt(((block_means - mean) ** 2).mean(axis=0) * length / days / (1 - length / days))
    tiny = np.finfo(float).tiny
    ratios = np.empty((draws, gains.shape[1]))
    for at in range(0, draws, CHUNK):
        drawn = block_means[rng.integers(days, size=(min(CHUNK, draws - at), blocks))]
        own_error = drawn.std(axis=1, ddof=1) / math.sqrt(blocks)
        ratios[at : at + CHUNK] = (drawn.mean(axis=1) - mean) / np.maximum(own_error, tiny)
    return Drawn(mean, np.maximum(error, tiny), ratios)


def stepwise_p_values(gains: Floats, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Return for each trial the p-value of "its mean gain is not above zero", corrected for all of them together.

    gains (days, trials): daily gain over the benchmark. A trial that never differs from it has p = 1. The smallest of
    the result is the reality check of the best. NaN with too few days.
    """
    days, trials = gains.shape
    if days < MIN_DAYS:
        return np.full(trials, np.nan)
    adjusted = np.ones(trials)
    varies = np.flatnonzero(np.ptp(gains, axis=0) > 0)
    if not len(varies):
        return adjusted
    found = bootstrap(gains[:, varies], rng, draws)
    observed = found.mean / found.error
    order = np.argsort(-observed, kind="stable")
    # the largest of those not yet passed: from the last in order to the first
    largest = np.maximum.accumulate(found.ratios[:, order[::-1]], axis=1)[:, ::-1]
    p = (1 + (largest >= observed[order]).sum(axis=0)) / (1 + draws)
    adjusted[varies[order]] = np.maximum.accumulate(p)
    return adjusted


def interval(gains: Floats, rng: np.random.Generator, draws: int = DRAWS) -> tuple[float, float]:
    """Return the 95 % interval of the mean of one series (days,), uncorrected; NaN with too few days."""
    if len(gains) < MIN_DAYS:
        return float("nan"), float("nan")
    if not np.ptp(gains):
        return float(gains[0]), float(gains[0])
    found = bootstrap(gains[:, None], rng, draws)
    low, high = np.quantile(found.ratios, (0.975, 0.025))
    mean, error = float(found.mean[0]), float(found.error[0])
    return mean - float(low) * error, mean - float(high) * error
