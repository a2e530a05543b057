"""What each forecast cost: one row of scores for every judged forecast. All rates and errors per hour."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import LEVELS
from hedged.evaluation.prints import TIE, Floats
from hedged.evaluation.truth import KEY, QUANTILES, Truth

LARGEST = 0.75
CONFIDENT = 0.8
WITHIN_BP = 3.0
BINS = 10
COVERAGE_DAYS = 30
BLOCK_DAYS = 7
BP = 1e-4


def context(truth: Truth) -> pl.DataFrame:
    """Return what every forecaster's scores share, one row per judged forecast, in the order of `truth.rows`.

    change: y − last; outcome: 1 up, ½ unchanged, 0 down; material: |change| ≥ ½ s; largest: among the quarter of
    changes of its series and horizon with the largest |change| (see `metrics`); block, period: weeks and 30 days
    since the first origin.
    """
    rows = truth.rows
    unit = pl.col("unit_h")
    since = (pl.col("origin_ts") - pl.col("origin_ts").min()).dt.total_milliseconds()
    # what is left of less than half a period at the end joins the last whole one
    periods = pl.max_horizontal(since.max() / (COVERAGE_DAYS * DAY_MS), 1.0).round(0)
    change = (pl.col("y") - pl.col("last")) / unit
    framed = rows.select(
        "row",
        *KEY,
        "venue_class",
        "s",
        "interval_h",
        "unit_h",
        y=pl.col("y") / unit,
        change=pl.when(change.abs() <= TIE).then(0.0).otherwise(change),
        block=since // (BLOCK_DAYS * DAY_MS),
        period=pl.min_horizontal(since // (COVERAGE_DAYS * DAY_MS), periods.cast(pl.Int64) - 1),
    )
    size = pl.col("change").abs()
    changed = pl.when(pl.col("change") != 0).then(size)
    return framed.with_columns(
        outcome=(pl.col("change").sign() + 1) / 2,
        material=size >= pl.col("s") / 2,
        largest=(pl.col("change") != 0)
        & (size >= changed.quantile(LARGEST, "linear").over("venue", "symbol", "horizon")),
    )


def losses(shared: pl.DataFrame, forecasts: pl.DataFrame) -> pl.DataFrame:
    """Score one forecaster: `shared` (of `context`) for the rows that it answered, with the columns

    abs_error (of q50) and persistence_error, pinball (mean over the levels), hit (direction: 1 right, ½ undecided, 0
    wrong; null where nothing changed), inside (q10 ≤ y ≤ q90), inside_half (on an edge ½), half_s, within_bp (both
    shares of interest, |error| ≤ ½ s and ≤ 3 bp an interval), p_up, confidence = max(p_up, 1 − p_up) and bin.
    """
    joined = shared.join(
        forecasts.select(*KEY, *QUANTILES, "p_up"), on=KEY, how="inner", maintain_order="left"
    )
    quantiles = joined.select(QUANTILES).to_numpy() / joined["unit_h"].to_numpy()[:, None]
    y, change = joined["y"].to_numpy(), joined["change"].to_numpy()
    error = np.abs(quantiles[:, len(LEVELS) // 2] - y)
    error[error <= TIE] = 0.0
    p_up = joined["p_up"].to_numpy()
    side = np.sign(p_up - 0.5) * np.sign(change)
    inside, inside_half = coverage(quantiles[:, 1], quantiles[:, -2], y)
    interval_error = error * joined["interval_h"].to_numpy()
    return joined.drop(QUANTILES).with_columns(
        abs_error=pl.Series(error),
        persistence_error=pl.col("change").abs(),
        pinball=pl.Series(pinball(quantiles, y)),
        hit=pl.Series(np.where(change == 0, np.nan, (side + 1) / 2)).fill_nan(None),
        inside=pl.Series(inside),
        inside_half=pl.Series(inside_half),
        half_s=pl.Series(error <= joined["s"].to_numpy() / 2),
        within_bp=pl.Series(interval_error <= WITHIN_BP * BP),
        confidence=pl.Series(np.maximum(p_up, 1 - p_up)),
        bin=pl.Series(np.minimum((p_up * BINS).astype(np.int64), BINS - 1)),
    )


def pinball(quantiles: Floats, y: Floats) -> Floats:
    """Return the pinball loss τ(y − q)⁺ + (1 − τ)(q − y)⁺, mean over LEVELS. quantiles (n, levels), y (n,) → (n,).

    Source: Koenker and Bassett 1978. Twice the integral over all levels is the CRPS.
    """
    total = np.zeros(len(y))
    for i, level in enumerate(LEVELS):
        miss = y - quantiles[:, i]
        total += np.maximum(level * miss, (level - 1) * miss)
    mean: Floats = total / len(LEVELS)
    return mean


def coverage(low: Floats, high: Floats, y: Floats) -> tuple[NDArray[np.float64], Floats]:
    """Tell whether y lies in [low, high]: as 0 or 1, and with 1/2 where it lies on an edge. Both (n,)."""
    inclusive = (y >= low - TIE) & (y <= high + TIE)
    on_edge = inclusive & ((np.abs(y - low) <= TIE) | (np.abs(y - high) <= TIE))
    return inclusive.astype(np.float64), np.where(on_edge, 0.5, inclusive)
