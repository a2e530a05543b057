"""What the trained baselines share: targets in units of s, splits by time, and answers in the forecasts' columns."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.evaluation.prints import Floats
from hedged.features.samples import Samples
from hedged.forecast.table import frame_of
from hedged.forecast.walk import Issued

CLIP = 10.0


def scaled_targets(samples: Samples) -> NDArray[np.float32]:
    """Return (y − last) / s clipped to ±CLIP, NaN where unknown. (n, horizons)."""
    clipped: NDArray[np.float32] = np.clip(samples.scaled_target, -CLIP, CLIP)
    return clipped


def time_split(samples: Samples, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows before and after the instant at which `share` of the origins has passed.

    Rows count whose every target is known; earlier ones only if it was by that instant, so the purge is the horizon.
    """
    whole = ~np.isnan(samples.target).any(axis=1)
    if not whole.any():
        raise ValueError("no sample has all its targets")
    at_ms = int(np.quantile(samples.origin_ms[whole], share))
    before = whole & (samples.target_ms.max(axis=1) <= at_ms)
    return np.flatnonzero(before), np.flatnonzero(whole & (samples.origin_ms > at_ms))


def capped(rows: NDArray[np.int64], cap: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw at most `cap` of the rows, in their order."""
    if cap is None or len(rows) <= cap:
        return rows
    return np.sort(rng.choice(rows, cap, replace=False))


def rates(samples: Samples, scaled: Floats) -> Floats:
    """Turn quantiles of the change, in units of s, into rates per hour. Both (n, horizons, levels)."""
    per_hour: Floats = samples.last[:, None, None] + samples.s[:, None, None] * scaled
    return per_hour


def told(samples: Samples, forecaster: str, quantiles: Floats, p_up: Floats) -> pl.DataFrame:
    """Write quantiles per hour (n, horizons, levels) and probabilities (n, horizons) as rows of a forecasts file.

    A column `forecaster` names them.
    """
    return frame_of(Issued(samples, quantiles, p_up)).with_columns(forecaster=pl.lit(forecaster))
