"""The forecasts file: one row per origin and horizon, at the series' true settlements and intervals."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet

from hedged.adapters.replay.series import SeriesData
from hedged.domain.errors import DataError
from hedged.domain.forecast import QUANTILE_COLUMNS
from hedged.domain.market import SeriesKey
from hedged.features.targets import HORIZONS, STEPS
from hedged.forecast.artefact import Artefact
from hedged.forecast.members import Members
from hedged.forecast.walk import Issued, walk


def write_forecasts(
    artefact: Artefact,
    series: Mapping[SeriesKey, SeriesData],
    wanted: Collection[SeriesKey],
    from_ms: int,
    to_ms: int,
    out: Path,
    on_progress: Callable[[float], None] = lambda _: None,
) -> int:
    """Forecast every settlement of the wanted series in [from_ms, to_ms) and write the file; returns its rows' number.

    Raises DataError when nothing could be forecast.
    """
    members = Members(artefact)
    writer: pyarrow.parquet.ParquetWriter | None = None
    rows = 0
    partial = out.with_name(out.name + ".partial")
    try:
        for issued in walk(members, artefact.card, series, wanted, from_ms, to_ms, on_progress=on_progress):
            table = frame_of(issued).to_arrow()
            writer = writer or pyarrow.parquet.ParquetWriter(partial, table.schema, compression="zstd")
            writer.write_table(table)
            rows += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    if not rows:
        raise DataError("no series has history enough before --from, or none settled in the window")
    partial.replace(out)
    return rows


def frame_of(issued: Issued) -> pl.DataFrame:
    """Return forecasts as rows; an origin without a print within 1.5 intervals has none.

    Quantiles of s1 and s3 are fractions of the target's interval, those of the means are per hour.
    """
    samples = issued.samples
    names = np.array([(key.venue, key.symbol) for key in samples.keys], dtype=object)[samples.series]
    frames = []
    for h, horizon in enumerate(HORIZONS):
        known = ~np.isnan(samples.target[:, h])
        hours = samples.target_interval_h[known, h] if horizon in STEPS else np.ones(int(known.sum()))
        law = issued.quantiles[known, h] * hours[:, None]
        frames.append(
            pl.DataFrame(
                {
                    "venue": names[known, 0].astype(str),
                    "symbol": names[known, 1].astype(str),
                    "origin_ts": samples.origin_ms[known],
                    "target_ts": samples.target_ms[known, h],
                    "horizon": [horizon] * len(hours),
                    **{name: law[:, i] for i, name in enumerate(QUANTILE_COLUMNS)},
                    "p_up": issued.p_up[known, h],
                }
            )
        )
    utc = pl.Datetime("ms", "UTC")
    return pl.concat(frames).with_columns(pl.col("origin_ts", "target_ts").cast(utc))
