"""Figures of merit per venue class, series and horizon.

Ratios (relMAE, pinball ratio) are geometric means over series with at least 100 rows, so that no series rules by its
size; shares are over all rows. "Direction on the largest moves" is taken on the quarter of a series' changes with the
largest realised |change|: where a wrong side costs most. It is picked by the outcome, so it tells how a forecaster
does when it matters, not what accuracy to expect of a call; every forecaster does better there than on all changes.
"""

import polars as pl

from hedged.evaluation.losses import BP, CONFIDENT

MIN_ROWS = 100
MIN_PERIOD_ROWS = 100
"""Rows that 30 days need for their coverage to count."""
CELL = ("venue_class", "horizon")
SERIES = (*CELL, "venue", "symbol")


def metrics(scored: pl.DataFrame) -> pl.DataFrame:
    """Measure one forecaster from its `losses` → a row per venue class and horizon (venue and symbol null), and one per
    series and horizon.

    rows, series (counted in the ratios); mae_bp, persistence_mae_bp, pinball_bp (bp of one interval); relmae (null
    where persistence was never wrong); direction, direction_material, direction_largest; half_s, within_3bp;
    coverage, coverage_half, worst_coverage, worst_coverage_half (30 days); ece; confident_share, confident_accuracy.
    """
    cells, series = _grouped(scored, CELL), _grouped(scored, SERIES)
    series = series.with_columns(series=pl.lit(1, pl.Int64), relmae=_ratio("abs_error", "persistence_error"))
    cells = cells.join(relative(scored, "abs_error", "persistence_error"), on=CELL, how="left")
    cells = cells.rename({"ratio": "relmae"}).with_columns(
        pl.col("series").fill_null(0),
        venue=pl.lit(None, pl.String),
        symbol=pl.lit(None, pl.String),
    )
    columns = [name for name in series.columns if name not in ("abs_error", "persistence_error")]
    return pl.concat([cells.select(columns), series.select(columns)]).sort(
        *CELL, "venue", "symbol", nulls_last=False
    )


def relative(scored: pl.DataFrame, loss: str, base: str, min_rows: int = MIN_ROWS) -> pl.DataFrame:
    """Return the geometric mean over series of mean `loss` ÷ mean `base`, by cell: columns ratio, series.

    A series counts with `min_rows` rows and a base above zero; one without any loss makes the mean zero.
    """
    each = scored.group_by(SERIES).agg(rows=pl.len(), loss=pl.col(loss).mean(), base=pl.col(base).mean())
    counted = each.filter((pl.col("rows") >= min_rows) & (pl.col("base") > 0))
    log_ratio = (pl.col("loss") / pl.col("base")).log()
    return counted.group_by(CELL).agg(ratio=log_ratio.mean().exp(), series=pl.len().cast(pl.Int64))


def _ratio(loss: str, base: str) -> pl.Expr:
    return pl.when(pl.col(base) > 0).then(pl.col(loss) / pl.col(base))


def _grouped(scored: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    hit, sure = pl.col("hit"), pl.col("confidence") >= CONFIDENT
    per_interval = pl.col("interval_h") / BP
    plain = scored.group_by(by).agg(
        rows=pl.len().cast(pl.Int64),
        abs_error=pl.col("abs_error").mean(),
        persistence_error=pl.col("persistence_error").mean(),
        mae_bp=(pl.col("abs_error") * per_interval).mean(),
        persistence_mae_bp=(pl.col("persistence_error") * per_interval).mean(),
        pinball_bp=(pl.col("pinball") * per_interval).mean(),
        changed_share=hit.is_not_null().mean(),
        direction=hit.mean(),
        direction_material=hit.filter(pl.col("material")).mean(),
        direction_largest=hit.filter(pl.col("largest")).mean(),
        half_s=pl.col("half_s").mean(),
        within_3bp=pl.col("within_bp").mean(),
        coverage=pl.col("inside").mean(),
        coverage_half=pl.col("inside_half").mean(),
        confident_share=sure.mean(),
        confident_accuracy=hit.filter(sure).mean(),
    )
    for more in (_calibration_error(scored, by), _worst(scored, by)):
        plain = plain.join(more, on=by, how="left")
    return plain


def _calibration_error(scored: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Return the expected calibration error of p_up: mean over rows of |mean p_up − mean outcome| of their bin.

    Ten bins of equal width; an unchanged rate is an outcome of ½. Source: Naeini et al. 2015.
    """
    gap = (pl.col("p_up").mean() - pl.col("outcome").mean()).abs()
    bins = scored.group_by(*by, "bin").agg(gap=gap, n=pl.len())
    return bins.group_by(by).agg(ece=(pl.col("gap") * pl.col("n")).sum() / pl.col("n").sum())


def _worst(scored: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Return the least coverage of any 30 days (of origins, end to end) that hold enough rows; null without."""
    least = MIN_PERIOD_ROWS if by == CELL else MIN_PERIOD_ROWS // 2
    periods = by_period(scored, by).filter(pl.col("rows") >= least)
    return periods.group_by(by).agg(
        worst_coverage=pl.col("coverage").min(), worst_coverage_half=pl.col("coverage_half").min()
    )


def by_period(scored: pl.DataFrame, by: tuple[str, ...] = CELL) -> pl.DataFrame:
    """Return coverage of the 80 % band by 30 days: columns period (number), rows, coverage, coverage_half."""
    return (
        scored.group_by(*by, "period")
        .agg(
            rows=pl.len(),
            from_ts=pl.col("origin_ts").min(),
            coverage=pl.col("inside").mean(),
            coverage_half=pl.col("inside_half").mean(),
        )
        .sort(*by, "period")
    )
