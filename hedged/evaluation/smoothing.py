"""The tuned EWMA: the strongest simple baseline, so always shown.

Its half-life, counted in prints, is chosen for each venue class and horizon by the error on the year before the fold.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.domain.market import SeriesKey
from hedged.evaluation.baselines import Histories, banded
from hedged.evaluation.prints import Floats, History
from hedged.features.targets import HORIZONS

HALF_LIVES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
DEFAULT = HALF_LIVES.index(8.0)
"""Used where nothing had settled before the fold."""
TUNED_ON_MS = 365 * DAY_MS
MIN_TARGETS = 100

Chosen = Mapping[str, tuple[int, ...]]
"""For each venue class, the place in HALF_LIVES for every horizon."""


def ewma(histories: Histories, origins: pl.DataFrame) -> pl.DataFrame:
    """Say an exponentially weighted mean of the prints, tuned on what had settled before the first origin."""
    before_ms = int(origins["origin_ts"].dt.epoch("ms").to_numpy().min()) if len(origins) else 0
    smooth = {key: smoothed(history) for key, history in histories.items()}
    chosen = tuned(histories, smooth, before_ms)
    points = {key: _point(history, smooth[key], chosen) for key, history in histories.items()}
    return banded(histories, origins, points)


def smoothed(history: History) -> Floats:
    """Return the prints smoothed by every half-life, rate per hour. (half-lives, n)."""
    rate = pl.Series(history.per_hour)
    return np.stack([rate.ewm_mean(half_life=h).to_numpy() for h in HALF_LIVES])


def tuned(histories: Histories, smooth: Mapping[SeriesKey, Floats], before_ms: int) -> Chosen:
    """Choose half-lives by the geometric mean over series of the error relative to persistence."""
    scores: dict[str, list[Floats]] = {"slow": [], "hourly": []}
    for key, history in histories.items():
        if not len(history.ts):
            continue
        known = (history.target_ms < before_ms) & (history.ts >= before_ms - TUNED_ON_MS)[:, None]
        known &= ~np.isnan(history.target)
        kind = "slow" if np.median(history.hours) > 1 else "hourly"
        scores[kind].append(_scores(history, smooth[key], known))
    chosen = {}
    for kind, found in scores.items():
        total, seen = np.zeros((len(HALF_LIVES), len(HORIZONS))), np.zeros(len(HORIZONS), bool)
        for score in found:
            total += np.nan_to_num(score)
            seen |= ~np.isnan(score[DEFAULT])
        chosen[kind] = tuple(np.where(seen, total.argmin(axis=0), DEFAULT).tolist())
    return chosen


def _scores(history: History, smooth: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return log(error / persistence's error) of every half-life. (half-lives, horizons), NaN with too few targets."""
    out = np.full((len(HALF_LIVES), len(HORIZONS)), np.nan)
    for h in range(len(HORIZONS)):
        these = known[:, h]
        target = history.target[these, h]
        usual = np.abs(target - history.per_hour[these]).sum()
        if len(target) >= MIN_TARGETS and usual > 0:
            out[:, h] = np.log(np.abs(target - smooth[:, these]).sum(axis=1) / usual)
    return out


def _point(history: History, smooth: Floats, chosen: Chosen) -> Floats:
    slow, hourly = (smooth[list(chosen[kind])].T for kind in ("slow", "hourly"))
    return np.where(history.hours[:, None] > 1, slow, hourly)
