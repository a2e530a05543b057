"""Fits and measures the head that tells the probability of a forced-deleveraging move (`forecast/cascade.py`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.features.crowding import crowding, fresh_interest
from hedged.features.history import Chunk, chunks
from hedged.features.points import Array, Points
from hedged.features.scale import scale_of
from hedged.features.tabular import tabular
from hedged.forecast.cascade import (
    FEATURES,
    HORIZON_H,
    MIN_FALL,
    MIN_MOVE,
    PRICE_ONLY,
    SIGMAS,
    SIGMAS_PRICE_ONLY,
    SURE,
    WITH_INTEREST,
    CascadeHead,
    cascades,
    coin_points,
    features,
)
from hedged.forecast.platt import logit

EVERY_H = 5
"""Hours between samples of a coin: labels overlap anyway, and 5 goes through every hour of the day."""
TREES = 60
PARAMETERS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 4, "min_data_in_leaf": 500, "lambda_l2": 5.0,
    "feature_fraction": 0.6, "bagging_fraction": 0.7, "bagging_freq": 1, "deterministic": True,
    "force_row_wise": True, "verbose": -1,
}  # fmt: skip
"""Small on purpose: events come in market-wide clusters, so the history holds few independent ones."""
HOLD_OUT = 0.25
"""Last share of the time that calibrates."""
PRIOR = 25.0
"""Strength, in pseudo-events, with which a calibration holds on to "no correction"."""
MIN_EVENTS = 30
"""Events needed to learn from, to calibrate with and to measure on, each."""
BINS = 10


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples: `x` float32 (n, FEATURES); `event` 1 or 0; `with_interest` bool; `time_ms`; `symbol`; all (n,)."""

    x: NDArray[np.float32]
    event: Array
    with_interest: NDArray[np.bool_]
    time_ms: NDArray[np.int64]
    symbol: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.event)

    def pick(self, which: NDArray[np.bool_]) -> Self:
        """Return some of the rows."""
        return type(self)(
            self.x[which],
            self.event[which],
            self.with_interest[which],
            self.time_ms[which],
            self.symbol[which],
        )

    def between(self, from_ms: float, until_ms: float) -> Self:
        """Return the rows with from_ms ≤ time whose outcome was known before until_ms."""
        return self.pick((self.time_ms >= from_ms) & (self.time_ms + HORIZON_H * HOUR_MS < until_ms))


def collect(series: Mapping[SeriesKey, SeriesData], from_ms: int, until_ms: int) -> Rows:
    """Collect one row per coin every EVERY_H hours after from_ms; every outcome was known before until_ms."""
    parts = [_rows(chunk, from_ms) for chunk in chunks(series, from_ms, until_ms - 1)]
    parts = [part for part in parts if len(part)]
    if not parts:
        raise DataError("no coin has an hourly price in this time: nothing to learn forced moves from")
    return Rows(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__dataclass_fields__)
    )


def _rows(chunk: Chunk, from_ms: int) -> Rows:
    grid = chunk.grid
    # the last hours of a chunk have their outcome in the next one
    late = chunk.to_ms - HORIZON_H * HOUR_MS
    mine = (grid.times_ms > max(chunk.from_ms - HORIZON_H * HOUR_MS, from_ms)) & (grid.times_ms <= late)
    at = coin_points(grid, np.flatnonzero(mine & (grid.times_ms // HOUR_MS % EVERY_H == 0)))
    label = cascades(grid.mark, fresh_interest(grid), at)
    known = ~np.isnan(label.event)
    at = Points(at.rows[known], at.cols[known])
    names, values = tabular(grid, at, scale_of(grid, at)) if len(at) else ([], np.empty((0, 0), np.float32))
    x = (
        features(grid, at, names, values, crowding(grid))
        if len(at)
        else np.empty((0, len(FEATURES)), np.float32)
    )
    symbol = np.array([grid.keys[row].symbol for row in at.rows], dtype=np.str_)
    return Rows(x, label.event[known], label.with_interest[known], grid.times_ms[at.cols], symbol)


def fit(rows: Rows, until_ms: int, seed: int, num_threads: int) -> tuple[str, dict[str, Any]]:
    """Fit the trees and their calibration to what was known before until_ms → LightGBM text, card.

    The card holds the calibration that `CascadeHead` needs and figures of the hold-out: its later half, calibrated by
    its earlier half, neither seen by the trees. Raises DataError for too few events.
    """
    rows = rows.between(-np.inf, until_ms)
    if not len(rows):
        raise DataError("no outcome of a forced move is known before this date")
    first, last = int(rows.time_ms.min()), int(rows.time_ms.max()) + HORIZON_H * HOUR_MS + 1
    cut, half = (int(last - (last - first) * share) for share in (HOLD_OUT, HOLD_OUT / 2))
    past, earlier, later = rows.between(first, cut), rows.between(cut, half), rows.between(half, last)
    if min(part.event.sum() for part in (past, earlier, later)) < MIN_EVENTS:
        raise DataError(
            f"fewer than {MIN_EVENTS} forced moves to learn from, to calibrate with or to measure on"
        )
    data = lightgbm.Dataset(past.x, past.event, feature_name=list(FEATURES))
    settings = PARAMETERS | {"seed": seed, "num_threads": num_threads}
    booster = lightgbm.train(settings, data, TREES)
    text = booster.model_to_string()
    trial = CascadeHead(text, _calibrate(booster, earlier))
    card = {
        "definition": {
            "horizon_h": HORIZON_H, "min_move": MIN_MOVE, "sigmas": SIGMAS, "min_fall": MIN_FALL,
            "sigmas_price_only": SIGMAS_PRICE_ONLY,
        },
        "features": list(FEATURES), "parameters": PARAMETERS | {"trees": TREES}, "seed": seed,
        "from_ms": first, "cut_ms": cut, "until_ms": until_ms, "rows": len(rows), "base_rate": base_rates(rows),
        "calibration": _calibrate(booster, rows.between(cut, last)),
        "measured": measure(later, trial.probability(later.x), base_rates(rows.between(first, half))),
    }  # fmt: skip
    return text, card


def base_rates(rows: Rows) -> dict[str, float]:
    """Return the share of events by definition; of all rows where a definition has none."""
    out = {}
    for kind, which in ((PRICE_ONLY, ~rows.with_interest), (WITH_INTEREST, rows.with_interest)):
        out[kind] = float(rows.event[which].mean() if which.any() else rows.event.mean())
    return out


def _calibrate(booster: lightgbm.Booster, rows: Rows) -> dict[str, list[float]]:
    """Fit a Platt scaling to each definition's rows, drawn towards no correction."""
    raw = np.asarray(booster.predict(rows.x, num_threads=1))
    out = {}
    for kind, which in ((PRICE_ONLY, ~rows.with_interest), (WITH_INTEREST, rows.with_interest)):
        score, event = logit(raw[which], SURE), rows.event[which]

        def loss(p: Array, score: Array = score, event: Array = event) -> float:
            z = p[0] * score + p[1]
            return float((np.logaddexp(0, z) - event * z).sum() + PRIOR * ((p[0] - 1) ** 2 + p[1] ** 2))

        found = minimize(loss, np.array([1.0, 0.0]), method="BFGS")
        out[kind] = [float(value) for value in found.x]
    return out


def measure(rows: Rows, p: Array, base: Mapping[str, float]) -> dict[str, Any]:
    """Measure probabilities (n,) against what came; the reference forecast is the base rate known beforehand.

    `auc`; `brier`; `brier_skill` = 1 − brier / brier of the base rate; `ece` over ten bins of equal count;
    `reliability`: (n, mean probability, share of events) of these bins; the same by definition under its name.
    """
    reference = np.where(rows.with_interest, base[WITH_INTEREST], base[PRICE_ONLY])
    out = _figures(rows.event, p, reference)
    for kind, which in ((PRICE_ONLY, ~rows.with_interest), (WITH_INTEREST, rows.with_interest)):
        if which.any():
            out[kind] = _figures(rows.event[which], p[which], reference[which])
    return out


def _figures(event: Array, p: Array, reference: Array) -> dict[str, Any]:
    bins = [b for b in np.array_split(np.argsort(p, kind="stable"), BINS) if len(b)]
    table = [(len(b), float(p[b].mean()), float(event[b].mean())) for b in bins]
    brier, plain = float(np.mean((p - event) ** 2)), float(np.mean((reference - event) ** 2))
    return {
        "n": len(event), "base_rate": float(event.mean()), "auc": auc(event, p), "brier": brier,
        "brier_skill": 1 - brier / plain if plain > 0 else float("nan"),
        "ece": sum(n * abs(said - came) for n, said, came in table) / len(event), "reliability": table,
    }  # fmt: skip


def auc(event: Array, p: Array) -> float:
    """Return the area under the ROC curve; NaN where only one outcome occurs."""
    ones = float(event.sum())
    zeros = len(event) - ones
    if not ones or not zeros:
        return float("nan")
    return float((rankdata(p)[event > 0].sum() - ones * (ones + 1) / 2) / (ones * zeros))
