"""How a forecaster fares by probability said, by time and by regime: what the page draws."""

from collections.abc import Callable, Mapping

import polars as pl

from hedged.evaluation.metrics import CELL, MIN_ROWS, SERIES, by_period, relative


def reliability(scored: pl.DataFrame) -> pl.DataFrame:
    """Return the reliability diagram of p_up by cell: columns bin, rows, p_up (mean said), outcome (mean that came)."""
    return (
        scored.group_by(*CELL, "bin")
        .agg(rows=pl.len(), p_up=pl.col("p_up").mean(), outcome=pl.col("outcome").mean())
        .sort(*CELL, "bin")
    )


def by_hour(scored: pl.DataFrame) -> pl.DataFrame:
    """Return mean |error| / s by cell and hour of day (UTC) of the origin: columns hour, rows, error_s."""
    hour = pl.col("origin_ts").dt.hour().cast(pl.Int64).alias("hour")
    error = (pl.col("abs_error") / pl.col("s")).mean()
    return scored.group_by(*CELL, hour).agg(rows=pl.len(), error_s=error).sort(*CELL, "hour")


def by_regime(scored: pl.DataFrame) -> pl.DataFrame:
    """Return the error by volatility: columns regime (0 calm, 1 usual, 2 stormy: terciles of s over the series' own
    median s), rows, error_s (mean |error| / s) and relmae.
    """
    own = pl.col("s") / pl.col("s").median().over("venue", "symbol", "horizon")
    rank = own.rank("ordinal").over(CELL)
    tercile = ((rank - 1) * 3 // pl.len().over(CELL)).cast(pl.Int64)
    parts = []
    ranked = scored.with_columns(regime=tercile)
    for regime in range(3):
        these = ranked.filter(pl.col("regime") == regime)
        error = (pl.col("abs_error") / pl.col("s")).mean()
        plain = these.group_by(CELL).agg(rows=pl.len(), error_s=error)
        ratio = relative(these, "abs_error", "persistence_error", MIN_ROWS // 3).rename({"ratio": "relmae"})
        parts.append(plain.join(ratio, on=CELL, how="left").with_columns(regime=pl.lit(regime)))
    return pl.concat(parts).sort(*CELL, "regime")


def by_series(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Return our mean loss ÷ theirs on common rows, by series and horizon: columns mae, pinball (null: base 0)."""
    base = theirs.select("row", "abs_error", "pinball")
    common = ours.select("row", *SERIES, "abs_error", "pinball").join(base, on="row", suffix="_base")
    quotients = {}
    for name, loss in (("mae", "abs_error"), ("pinball", "pinball")):
        total = pl.col(f"{loss}_base").sum()
        quotients[name] = pl.when(total > 0).then(pl.col(loss).sum() / total)
    return common.group_by(SERIES).agg(**quotients).sort(SERIES)


PROFILES: Mapping[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "reliability": reliability,
    "coverage": by_period,
    "hours": by_hour,
    "regimes": by_regime,
}
