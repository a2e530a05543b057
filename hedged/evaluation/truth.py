"""What came: each row of a forecasts file beside the rate that was settled and what was known at its origin."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from hedged.adapters.replay.series import SeriesData, series_of
from hedged.adapters.replay.tables import load_tables
from hedged.domain.clock import MINUTE_MS
from hedged.domain.errors import DataError
from hedged.domain.forecast import QUANTILE_COLUMNS
from hedged.domain.market import SeriesKey
from hedged.evaluation.prints import by_series, yardsticks
from hedged.features.targets import HORIZONS, targets_of

QUANTILES = QUANTILE_COLUMNS
KEY = ("venue", "symbol", "origin_ts", "horizon")
COLUMNS = ("venue", "symbol", "origin_ts", "target_ts", "horizon", *QUANTILES, "p_up")
ORIGIN_COLUMNS = ("row", *KEY, "fold", "last", "s", "interval_h", "unit_h", "venue_class")
"""What a baseline may read of a row: nothing here was unknown at its origin, but `unit_h` (the unit to answer in)."""
TS = pl.Datetime("ms", "UTC")
STEP_HORIZONS = ("s1", "s3")


@dataclass(frozen=True, slots=True)
class Truth:
    """`rows`: the forecast rows that can be judged, by venue, symbol, origin and horizon, with the columns

    row (number), y, last (realised and last settled rate, in the row's own unit), s (per hour), interval_h (of the last
    print), unit_h (hours of the row's unit: the target's interval for s1 and s3, else 1; a value / unit_h is per
    hour), venue_class ("slow": intervals above one hour, "hourly") and fold (0 where the file names none).
    `dropped`: how many rows cannot be judged, by reason.
    """

    rows: pl.DataFrame
    dropped: dict[str, int]

    @property
    def origins(self) -> pl.DataFrame:
        """The rows without what came."""
        return self.rows.select(ORIGIN_COLUMNS)

    def since(self, from_ms: int) -> Self:
        """Keep the origins from an instant on, numbered anew."""
        kept = self.rows.filter(pl.col("origin_ts").dt.epoch("ms") >= from_ms)
        return type(self)(kept.drop("row").with_row_index("row"), self.dropped)


def load_series(data: Path, forecasts: pl.DataFrame) -> dict[SeriesKey, SeriesData]:
    """Read the prints of the symbols that are forecast."""
    return series_of(load_tables(data, forecasts["symbol"].unique()))


def checked(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with its types set, sorted. Raises DataError where it is no forecasts file."""
    missing = [name for name in COLUMNS if name not in forecasts.columns]
    if missing:
        raise DataError(f"the forecasts lack the column {', '.join(missing)}")
    fold = pl.col("fold") if "fold" in forecasts.columns else pl.lit(0)
    frame = forecasts.select(*COLUMNS, fold.cast(pl.Int64).alias("fold")).with_columns(
        pl.col("origin_ts", "target_ts").cast(TS), pl.col(*QUANTILES, "p_up").cast(pl.Float64)
    )
    unknown = set(frame["horizon"].unique()) - set(HORIZONS)
    if unknown:
        raise DataError(f"unknown horizon {', '.join(sorted(map(str, unknown)))}")
    sound = pl.all_horizontal(pl.col(*QUANTILES, "p_up").is_finite()) & pl.col("p_up").is_between(0, 1)
    for low, high in pairwise(QUANTILES):
        sound = sound & (pl.col(low) <= pl.col(high))
    bad = frame.filter(~sound.fill_null(False))
    if len(bad):
        raise DataError(f"{len(bad)} forecasts are unknown, descend with their level, or no probability")
    frame = frame.sort(KEY)
    if frame.select(pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in KEY).any()).item():
        raise DataError("a forecast of the same series, origin and horizon stands twice")
    return frame


def settle(forecasts: pl.DataFrame, series: Mapping[SeriesKey, SeriesData]) -> Truth:
    """Find what came of every forecast.

    A step forecast whose `target_ts` is another instant than that settlement's is not judged: its venue changed the
    schedule, so the file's unit is not the print's. A null `target_ts` is taken as right.
    """
    frame = checked(forecasts)
    n = len(frame)
    out = {name: np.full(n, np.nan) for name in ("y", "last", "s", "interval_h", "unit_h")}
    settled_ms = np.zeros(n, np.int64)
    origin_ms = frame["origin_ts"].dt.epoch("ms").to_numpy()
    horizon = frame["horizon"].replace_strict(HORIZONS, range(4), return_dtype=pl.Int64).to_numpy()
    for key, rows in by_series(frame):
        data = series.get(key)
        if data is None or not len(data.funding_ts):
            continue
        instants, of_row = np.unique(origin_ms[rows], return_inverse=True)
        target = targets_of(data, instants, int(data.funding_ts[-1]) + 1)
        known, column = yardsticks(data, instants), horizon[rows]
        unit = np.where(column < len(STEP_HORIZONS), target.interval_h[of_row, column], 1.0)
        out["unit_h"][rows] = unit
        out["y"][rows] = target.rate[of_row, column] * unit
        out["last"][rows] = known.last[of_row] * unit
        out["s"][rows], out["interval_h"][rows] = known.s[of_row], known.interval_h[of_row]
        settled_ms[rows] = target.ts_ms[of_row, column]
    joined = frame.with_columns(**{name: pl.Series(name, values) for name, values in out.items()})
    return _judgeable(joined.with_columns(settled=pl.Series(settled_ms).cast(TS)))


def _judgeable(frame: pl.DataFrame) -> Truth:
    late = pl.col("target_ts") - pl.col("settled")
    other = (
        pl.col("horizon").is_in(STEP_HORIZONS) & (late.dt.total_milliseconds().abs() > MINUTE_MS)
    ).fill_null(False)
    reason = (
        pl.when(pl.col("y").is_nan())
        .then(pl.lit("nothing settled yet, or a gap"))
        .when(pl.col("s").is_nan())
        .then(pl.lit("history too short for a yardstick"))
        .when(other)
        .then(pl.lit("another settlement came"))
    )
    frame = frame.with_columns(
        reason=reason,
        venue_class=pl.when(pl.col("interval_h") > 1).then(pl.lit("slow")).otherwise(pl.lit("hourly")),
    )
    counts = frame.drop_nulls("reason").group_by("reason").len().sort("reason")
    rows = frame.filter(pl.col("reason").is_null()).drop("reason", "target_ts")
    return Truth(rows.rename({"settled": "target_ts"}).with_row_index("row"), dict(counts.iter_rows()))
