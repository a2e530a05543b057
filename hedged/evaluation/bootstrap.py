"""How sure a ratio of losses is: a block bootstrap over weeks of origins, drawn jointly for all series.

Weeks keep the dependence of overlapping horizons (the longest is 5 days), the joint draw that of series with each
other. Source: Künsch 1989, with blocks that do not overlap.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from hedged.evaluation.metrics import CELL, MIN_ROWS
from hedged.evaluation.prints import Floats

DRAWS = 1_000
MIN_BLOCKS = 4
"""Fewer weeks say nothing of how weeks differ: the interval is then unknown."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The geometric mean over `series` series of loss ÷ base over common rows, with its 95 % interval (NaN unknown)."""

    value: float
    low: float
    high: float
    series: int
    rows: int


def ratios(
    loss: pl.DataFrame,
    base: pl.DataFrame,
    column: str,
    rng: np.random.Generator,
    base_column: str | None = None,
) -> dict[tuple[str, str], Ratio]:
    """Compare two forecasters' `losses` on the rows that both answered, by venue class and horizon."""
    common = loss.select("row", *CELL, "venue", "symbol", "block", loss=pl.col(column)).join(
        base.select("row", base=pl.col(base_column or column)), on="row", how="inner"
    )
    found = {}
    for (kind, horizon), rows in sorted(common.group_by(CELL)):
        found[str(kind), str(horizon)] = _ratio(rows, rng)
    return found


def _ratio(rows: pl.DataFrame, rng: np.random.Generator) -> Ratio:
    sums = (
        rows.with_columns(n=pl.len().over("venue", "symbol"))
        .filter(pl.col("n") >= MIN_ROWS)
        .group_by("venue", "symbol", "block")
        .agg(pl.col("loss", "base").sum(), rows=pl.len())
        .sort("venue", "symbol", "block")
    )
    key = pl.struct("venue", "symbol").rank("dense")
    places = (key, pl.col("block").rank("dense"))
    series, block = (sums.select(e).to_series().cast(pl.Int64).to_numpy() - 1 for e in places)
    n_series, n_blocks = (int(x.max(initial=-1)) + 1 for x in (series, block))
    tables = np.zeros((2, n_blocks, n_series))
    for table, name in zip(tables, ("loss", "base"), strict=True):
        table[block, series] = sums[name].to_numpy()
    value = _mean_ratio(tables.sum(axis=1)[:, None])[0]
    low = high = float("nan")
    if n_blocks >= MIN_BLOCKS:
        weights = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=DRAWS).astype(float)
        drawn = _mean_ratio(np.stack([weights @ table for table in tables]))
        low, high = np.nanquantile(drawn, (0.025, 0.975)) if np.isfinite(drawn).any() else (low, high)
    return Ratio(float(value), float(low), float(high), n_series, int(sums["rows"].sum()))


def _mean_ratio(sums: Floats) -> Floats:
    """Return the geometric mean over series of loss ÷ base. sums (2, draws, series) → (draws,), NaN without any."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.where(sums[1] > 0, np.log(sums[0] / sums[1]), np.nan)
        known = ~np.isnan(log_ratio)
        total = np.where(known, log_ratio, 0.0).sum(axis=1)
        mean: Floats = np.exp(np.where(known.any(axis=1), total / known.sum(axis=1), np.nan))
    return mean


def total_interval(daily: Floats, block_days: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % interval of the sum of a daily series (days,), NaN with too few blocks."""
    drawn = drawn_sums(daily[None], block_days, rng)
    if drawn is None:
        return float("nan"), float("nan")
    low, high = np.quantile(drawn[0], (0.025, 0.975))
    return float(low), float(high)


def drawn_sums(daily: Floats, block_days: int, rng: np.random.Generator) -> Floats | None:
    """Draw the sums of daily series (series, days) as moving blocks of days, the same days for all of them.

    (series, DRAWS), or None with too few blocks. Source: Künsch 1989. Blocks wrap around the end, so that every day is
    drawn equally often.
    """
    n = daily.shape[1]
    blocks = -(-n // block_days)
    if n < MIN_BLOCKS * block_days:
        return None
    # the sum of each block, by its first day; the last block of a draw is cut to make n days
    total = np.cumsum(
        np.concatenate((np.zeros((len(daily), 1)), daily, daily[:, :block_days]), axis=1), axis=1
    )
    last = n - (blocks - 1) * block_days
    whole, cut = (total[:, size : size + n] - total[:, :n] for size in (block_days, last))
    first = rng.integers(n, size=(DRAWS, blocks))
    drawn: Floats = whole[:, first[:, :-1]].sum(axis=2) + cut[:, first[:, -1]]
    return drawn
