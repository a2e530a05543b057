"""Who forecasts what: quantiles of the coming mean rate per hour at every hour of a history, each known by then.

Forecasts are made at a series' settlements and stand until its next one. Those of a forecasts file tell of the
stand-in's printed rate; where the own rates are made from it by a proxy rule they are carried over by `carried`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS, QUANTILE_COLUMNS
from hedged.domain.market import SeriesKey
from hedged.evaluation.baselines import persistence
from hedged.evaluation.hedging.history import HedgeHistory
from hedged.evaluation.prints import histories, yardsticks
from hedged.evaluation.smoothing import ewma
from hedged.features.scale import OVERDUE
from hedged.features.targets import HORIZONS, STEPS, targets_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FORECASTERS = {"ewma": ewma, "persistence": persistence}
TUNED_EVERY_MS = 365 * DAY_MS
TAUGHT_MS = 100 * DAY_MS
"""Forecasts before the first decision, from whose misses the dependence between venues is learnt."""
REFIT_MS = 30 * DAY_MS
PAIRS_MS = 365 * DAY_MS
MIN_PAIRS = 500


def told_by_rule(name: str, history: HedgeHistory, horizon: str) -> list[tuple[Ints, Floats]]:
    """Return, for every venue, origins (n,) and quantiles (n, levels) per hour by a baseline; tuned anew each year."""
    first_ms = int(history.ts_ms[history.stretches[0][0]]) - TAUGHT_MS
    last_ms = int(history.ts_ms[-1])
    parts: list[pl.DataFrame] = []
    for begin_ms in range(first_ms + TAUGHT_MS, last_ms + 1, TUNED_EVERY_MS):
        early = first_ms if not parts else begin_ms  # what teaches is tuned with the first year
        end_ms = begin_ms + TUNED_EVERY_MS
        found = [
            _origins(key, history.series[key], early, min(end_ms, last_ms + 1), horizon)
            for key in history.keys
        ]
        if any(map(len, found)):
            parts.append(_answers(name, history, pl.concat([one for one in found if len(one)])))
    if not parts:
        return [(np.empty(0, np.int64), np.empty((0, len(LEVELS))))] * len(history.keys)
    told = pl.concat(parts)
    return [
        _law_of(told.filter((pl.col("venue") == k.venue) & (pl.col("symbol") == k.symbol)))
        for k in history.keys
    ]


def _answers(name: str, history: HedgeHistory, origins: pl.DataFrame) -> pl.DataFrame:
    told = FORECASTERS[name](histories(history.series, origins), origins)
    unit = 1.0 / origins["unit_h"]
    return told.with_columns(pl.col(column) * unit for column in QUANTILE_COLUMNS)


def _origins(key: SeriesKey, data: SeriesData, from_ms: int, to_ms: int, horizon: str) -> pl.DataFrame:
    """Return the series' settlements as the frame of origins that baselines answer."""
    ts = data.funding_ts[(data.funding_ts >= from_ms) & (data.funding_ts < to_ms)]
    known = yardsticks(data, ts)
    kept = ~np.isnan(known.s)
    return pl.DataFrame(
        {
            "venue": key.venue, "symbol": key.symbol, "origin_ts": pl.Series(ts[kept]).cast(pl.Datetime("ms", "UTC")),
            "horizon": horizon, "fold": 0, "last": known.last[kept], "s": known.s[kept],
            "interval_h": known.interval_h[kept], "unit_h": known.interval_h[kept] if horizon in STEPS else 1.0,
            "venue_class": np.where(known.interval_h[kept] > 1, "slow", "hourly").astype(str),
        }
    ).with_row_index("row")  # fmt: skip


def told_by_files(paths: Sequence[Path], history: HedgeHistory, horizon: str) -> list[tuple[Ints, Floats]]:
    """Return the same from files written by `hedged forecast`.

    Where they hold nothing of Injective, the stand-in's forecasts are carried over by the proxy rule.
    """
    symbol = history.keys[0].symbol
    frame = pl.concat(
        [
            pl.scan_parquet(path)
            .filter((pl.col("symbol") == symbol) & (pl.col("horizon") == horizon))
            .select("venue", "symbol", "origin_ts", "target_ts", *QUANTILE_COLUMNS)
            for path in paths
        ]
    ).collect()
    hours = (pl.col("target_ts") - pl.col("origin_ts")).dt.total_milliseconds() / HOUR_MS
    steps = STEPS.get(horizon, 0)
    out = []
    there = set(frame["venue"].unique())
    for key, stand_in in zip(history.keys, history.told_by, strict=True):
        teller = key if key.venue in there else stand_in
        rows = (
            frame.filter(pl.col("venue") == teller.venue).unique("origin_ts", keep="last").sort("origin_ts")
        )
        if steps:
            unit = (hours / steps).round().clip(1)
            rows = rows.with_columns(pl.col(column) / unit for column in QUANTILE_COLUMNS)
        at, law = _law_of(rows)
        if key != teller and len(at):
            law = carried(history.series[teller], history.series[key], horizon, at, law)
        out.append((at, law))
    return out


def _law_of(rows: pl.DataFrame) -> tuple[Ints, Floats]:
    rows = rows.sort("origin_ts")
    law = rows.select(QUANTILE_COLUMNS).to_numpy().astype(np.float64).reshape(len(rows), len(LEVELS))
    return rows["origin_ts"].dt.epoch("ms").to_numpy().astype(np.int64), law


def carried(teller: SeriesData, own: SeriesData, horizon: str, at_ms: Ints, law: Floats) -> Floats:
    """Carry quantiles (n, levels) of the stand-in's mean rate over to the rates that the proxy rule makes of it.

    The rule is monotone hour by hour, but jumps at the floor, so that the rate of a mean is not the mean of the rates:
    what is applied is the monotone relation between both means in the pairs of the past year, refitted every 30 days
    from what had settled by then. With too few pairs nothing is said (NaN).
    """
    column = HORIZONS.index(horizon)
    until_ms = int(teller.funding_ts[-1]) + 1
    theirs, ours = (targets_of(data, teller.funding_ts, until_ms) for data in (teller, own))
    x, y, known_ms = theirs.rate[:, column], ours.rate[:, column], theirs.ts_ms[:, column]
    whole = ~np.isnan(x) & ~np.isnan(y)
    x, y, known_ms = x[whole], y[whole], known_ms[whole]
    out = np.full(law.shape, np.nan)
    for begin_ms in range(int(at_ms[0]), int(at_ms[-1]) + 1, REFIT_MS):
        past = (known_ms <= begin_ms) & (known_ms > begin_ms - PAIRS_MS)
        rows = (at_ms >= begin_ms) & (at_ms < begin_ms + REFIT_MS)
        if past.sum() >= MIN_PAIRS and rows.any():
            out[rows] = _monotone(x[past], y[past], law[rows])
    return out


def _monotone(x: Floats, y: Floats, asked: Floats) -> Floats:
    """Fit y = f(x), f ascending, by isotonic regression; beyond the pairs it goes on with slope 1."""
    order = np.argsort(x, kind="stable")
    values, place = np.unique(x[order], return_inverse=True)
    weight = np.bincount(place).astype(np.float64)
    mean = np.bincount(place, y[order]) / weight
    fitted = isotonic_regression(mean, weights=weight).x
    inside = np.clip(asked, values[0], values[-1])
    return np.interp(inside, values, fitted) + (asked - inside)


def foreseen(history: HedgeHistory, horizon: str) -> list[tuple[Ints, Floats]]:
    """Return laws without any doubt: what really came. Not causal; it tells the plan's losses from the forecast's."""
    out = []
    for key in history.keys:
        data = history.series[key]
        target = targets_of(data, history.decided_ms, int(data.funding_ts[-1]) + 1)
        rate = target.rate[:, HORIZONS.index(horizon)]
        out.append((history.decided_ms, np.repeat(rate[:, None], len(LEVELS), axis=1)))
    return out


def standing(told: tuple[Ints, Floats], data: SeriesData, at_ms: Ints) -> Floats:
    """Return the law that stands at each time: the last one told, while the series' next print is not overdue.

    (n, levels), NaN where there is none.
    """
    origin_ms, law = told
    out = np.full((len(at_ms), len(LEVELS)), np.nan)
    if not len(origin_ms):
        return out
    place = np.searchsorted(origin_ms, at_ms, side="right") - 1
    there = np.maximum(place, 0)
    print_of = np.searchsorted(data.funding_ts, at_ms, side="right") - 1
    hours = data.funding_hours[np.maximum(print_of, 0)]
    fresh = (place >= 0) & (at_ms - origin_ms[there] < OVERDUE * hours * HOUR_MS)
    out[fresh] = law[there[fresh]]
    return out
