"""The rates over an hour, eight hours and a week, joined from what the ensemble forecasts: s1, s3, m24h and m120h.

The ensemble's draws are joint across horizons, so that a draw of the whole is one possible course of the rate. Over an
hour the coming settlement stands (s1). Over eight hours it counts for its own interval, the two that follow by s3, the
rest by what m24h leaves for the hours behind those. Over a week m120h is taken to go on: its band too.
"""

import numpy as np
from numpy.typing import NDArray

from hedged.domain.forecast import Span
from hedged.features.targets import HORIZONS

S1, S3, M24H, M120H = range(len(HORIZONS))
RESTS_ON = {
    1: "the next settlement",
    8: "the next and third settlement, then the mean of 24 h",
    168: "the mean of 120 h, carried on to a week",
}


def spans_of(draws: NDArray[np.float64], interval_h: NDArray[np.float64]) -> tuple[Span, ...]:
    """Return the spans: draws (series, horizons, scenarios) per hour, interval_h (series,)."""
    return tuple(Span(h, _mean(draws, interval_h, h), text) for h, text in RESTS_ON.items())


def _mean(draws: NDArray[np.float64], interval_h: NDArray[np.float64], hours: int) -> NDArray[np.float64]:
    """Return the mean rate per hour over some hours, (scenarios, series)."""
    if hours > 24:
        return draws[:, M120H].T
    first = np.clip(interval_h, 1.0, 24.0)
    second = np.minimum(2 * first, 24.0 - first)
    rest = 24.0 - first - second  # hours of the day that neither s1 nor s3 covers
    by_s1 = np.minimum(first, hours)
    by_s3 = np.minimum(second, hours - by_s1)
    by_rest = hours - by_s1 - by_s3
    spent = first[:, None] * draws[:, S1] + second[:, None] * draws[:, S3]
    later = (24.0 * draws[:, M24H] - spent) / np.maximum(rest, 1.0)[:, None]
    later = np.where((rest > 0)[:, None], later, draws[:, M24H])
    total = by_s1[:, None] * draws[:, S1] + by_s3[:, None] * draws[:, S3] + by_rest[:, None] * later
    out: NDArray[np.float64] = (total / hours).T
    return out
