"""The Sharpe ratio of the best of many trials, deflated by how good the best of as many lucky ones would look.

Source: Bailey & López de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 2014. Ratios are per day,
not a year. Days are taken as independent, as there: the bootstrap of `stepwise` does not need that.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kurtosis, norm, skew

Floats = NDArray[np.float64]
EULER_GAMMA = float(np.euler_gamma)
MIN_DAYS = 20
"""Fewer days say nothing of skewness and tails: the figure is then unknown."""


def sharpe_ratios(gains: Floats) -> Floats:
    """Return mean ÷ standard deviation of each column. gains (days, trials) → (trials,), NaN where nothing varies."""
    spread = gains.std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(spread > 0, gains.mean(axis=0) / spread, np.nan)
    return found


def best_by_luck(sharpe: Floats) -> float:
    """Return the Sharpe ratio to expect of the best of these trials were all of them worth nothing (SR₀ there).

    sharpe (trials,), NaN left out; 0 with fewer than two.
    """
    known = sharpe[np.isfinite(sharpe)]
    n = len(known)
    if n < 2:
        return 0.0
    first, second = norm.ppf(1 - 1 / n), norm.ppf(1 - 1 / (n * math.e))
    return float(known.std(ddof=1) * ((1 - EULER_GAMMA) * first + EULER_GAMMA * second))


def deflated_sharpe(gains: Floats, best: int) -> float:
    """Return the probability that the true Sharpe ratio of column `best` is above what luck gives the best of all.

    gains (days, trials): daily net savings, or gains over another configuration. NaN with too few days, or where the
    column does not vary. 0.95 and more is what the authors ask for.
    """
    days = len(gains)
    ratios = sharpe_ratios(gains)
    ratio = float(ratios[best])
    if days < MIN_DAYS or not math.isfinite(ratio):
        return math.nan
    series = gains[:, best]
    width = 1 - float(skew(series)) * ratio + (float(kurtosis(series, fisher=False)) - 1) / 4 * ratio**2
    if width <= 0:
        return math.nan
    return float(norm.cdf((ratio - best_by_luck(ratios)) * math.sqrt(days - 1) / math.sqrt(width)))
