"""Baselines without training: the same columns on the same origins as the forecasts they are held against.

Each reads, for an origin, only prints that had settled by then. Bands are those of the point's own past errors.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.evaluation.bands import Record, band_of
from hedged.evaluation.prints import Floats, History, Ints, by_series
from hedged.evaluation.truth import KEY, QUANTILES
from hedged.features.targets import HORIZONS, STEPS

Histories = Mapping[SeriesKey, History]
Points = Mapping[SeriesKey, Floats]
"""The point forecasts made at every print of each history, per hour: (n, horizons)."""
WEEK_DAYS = 7


def zero(histories: Histories, origins: pl.DataFrame) -> pl.DataFrame:
    """Say that no funding is due; its band is what the series has paid of late."""
    points = {key: np.zeros((len(history.ts), len(HORIZONS))) for key, history in histories.items()}
    return banded(histories, origins, points)


def persistence(histories: Histories, origins: pl.DataFrame) -> pl.DataFrame:
    """Say that the last settled rate stays."""
    points = {key: _flat(history.per_hour) for key, history in histories.items()}
    return banded(histories, origins, points)


def seasonal(histories: Histories, origins: pl.DataFrame) -> pl.DataFrame:
    """Say the mean of the last seven days at the hour of day of the coming settlement; for means, of all hours."""
    return banded(histories, origins, {key: seasonal_point(h) for key, h in histories.items()})


def _flat(level: Floats) -> Floats:
    return np.repeat(level[:, None], len(HORIZONS), axis=1)


def seasonal_point(history: History) -> Floats:
    """Return the seasonal point at every print; where no print stood at that hour, the last rate."""
    ts, rate = history.ts, history.per_hour
    point = _flat(rate)
    interval_ms = (history.hours * HOUR_MS).astype(np.int64)
    for column, steps in enumerate(STEPS.values()):
        coming_ms = ts + steps * interval_ms
        # an eighth day: a settlement further than a day ahead has no print a day before it yet
        same = np.stack([_print_at(history, coming_ms - d * DAY_MS) for d in range(1, WEEK_DAYS + 2)])
        known = ~np.isnan(same)
        known &= np.cumsum(known, axis=0) <= WEEK_DAYS
        number = known.sum(axis=0)
        mean = np.where(known, same, 0.0).sum(axis=0) / np.maximum(number, 1)
        point[:, column] = np.where(number > 0, mean, rate)
    point[:, len(STEPS) :] = _trailing_mean(history, WEEK_DAYS * DAY_MS)[:, None]
    return point


def _print_at(history: History, at_ms: Ints) -> Floats:
    """Return the rate settled within half an hour of each instant and at or before each origin, else NaN. (n,)."""
    place = np.searchsorted(history.ts, at_ms - HOUR_MS // 2, side="left")
    there = np.minimum(place, len(history.ts) - 1)
    met = (place <= np.arange(len(history.ts))) & (np.abs(history.ts[there] - at_ms) <= HOUR_MS // 2)
    return np.where(met, history.per_hour[there], np.nan)


def _trailing_mean(history: History, window_ms: int) -> Floats:
    """Return the mean rate per hour over the window that ends with each print. (n,)."""
    hi = np.arange(1, len(history.ts) + 1)
    lo = np.searchsorted(history.ts, history.ts - window_ms, side="right")
    paid = np.concatenate(([0.0], np.cumsum(history.per_hour * history.hours)))
    hours = np.concatenate(([0.0], np.cumsum(history.hours)))
    mean: Floats = (paid[hi] - paid[lo]) / (hours[hi] - hours[lo])
    return mean


def banded(histories: Histories, origins: pl.DataFrame, points: Points) -> pl.DataFrame:
    """Answer every origin with a rule's point and the band of its past errors."""
    n = len(origins)
    quantiles, p_up = np.empty((n, len(LEVELS))), np.empty(n)
    origin_ms = origins["origin_ts"].dt.epoch("ms").to_numpy()
    column = column_of(origins)
    s, unit = origins["s"].to_numpy(), origins["unit_h"].to_numpy()
    for key, rows in by_series(origins):
        history, point = histories[key], points[key]
        for h in range(len(HORIZONS)):
            mine = rows[column[rows] == h]
            if not len(mine):
                continue
            target, known_ms = history.target[:, h], history.target_ms[:, h]
            record = Record.of(point[:, h], target, history.per_hour, history.s, known_ms)
            at = history.at(origin_ms[mine])
            band = band_of(record, origin_ms[mine], point[at, h], history.per_hour[at], s[mine])
            quantiles[mine], p_up[mine] = band.quantiles * unit[mine, None], band.p_up
    return answer(origins, quantiles, p_up)


def column_of(origins: pl.DataFrame) -> Ints:
    """Return the number of each row's horizon in HORIZONS. (n,)."""
    return origins["horizon"].replace_strict(HORIZONS, range(len(HORIZONS)), return_dtype=pl.Int64).to_numpy()


def answer(origins: pl.DataFrame, quantiles: Floats, p_up: Floats) -> pl.DataFrame:
    """Put quantiles (n, levels), in the rows' units, and probabilities (n,) beside the origins' keys and numbers."""
    columns = {name: quantiles[:, i] for i, name in enumerate(QUANTILES)}
    return origins.select("row", *KEY).with_columns(
        **{k: pl.Series(v) for k, v in columns.items()}, p_up=pl.Series(p_up)
    )
