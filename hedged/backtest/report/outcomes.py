"""Every forecast of a run beside what came: from the forecasts that were kept, else from the decisions' own band."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from hedged.backtest.report.files import LEVEL_OF, Run
from hedged.backtest.report.money import Floats, Instants, instants
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import INJECTIVE

COVERED = 0.9
"""The least part of a window that settlements must cover for its realised mean to count."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """n forecasts of one symbol whose horizon has passed, rates per hour. `levels` (l,): of `quantiles` (n, l).

    `p_up` (n,): told probability that `real` exceeds `last`, the rate that had settled then; NaN where not told.
    """

    ts_ms: Instants
    horizon_h: Floats
    levels: Floats
    quantiles: Floats
    mean: Floats
    p_up: Floats
    real: Floats
    last: Floats

    def independent(self) -> int:
        """Return how many windows that do not overlap fit into the time that was scored."""
        if not len(self.ts_ms):
            return 0
        horizon_h = float(np.median(self.horizon_h))
        return int((self.ts_ms[-1] - self.ts_ms[0]) / (horizon_h * HOUR_MS)) + 1

    def share_below(self, value: Floats) -> Floats:
        """Return the told probability of a rate below `value` (n,): linear between levels, none beyond is guessed.

        Outside the outermost levels it is the middle of what is left, e.g. 0.025 below the 5 % quantile.
        """
        below = (self.quantiles <= value[:, None]).sum(axis=1)
        edges = np.concatenate([[0.0], self.levels, [1.0]])
        at: Floats = (edges[below] + edges[below + 1]) / 2
        inner = (below > 0) & (below < len(self.levels))
        rows = np.flatnonzero(inner)
        low, high = self.quantiles[rows, below[rows] - 1], self.quantiles[rows, below[rows]]
        part = np.where(high > low, (value[rows] - low) / np.where(high > low, high - low, 1.0), 0.5)
        at[rows] = edges[below[rows]] + part * (edges[below[rows] + 1] - edges[below[rows]])
        return at


def told(run: Run, symbol: str) -> pl.DataFrame:
    """Return what was forecast of a symbol, columns as in FORECASTS; a level that was not told is null throughout."""
    kept = run.of("forecasts", symbol).filter(pl.col("venue") == INJECTIVE)
    found = kept if kept.height else _from_decisions(run.of("decisions", symbol))
    return found.drop_nulls(["mean", "horizon_h"])


def levels_of(forecasts: pl.DataFrame) -> list[str]:
    """Return the columns of the levels that were told."""
    return [name for name in LEVEL_OF if forecasts[name].is_not_null().any()]


def realised_per_hour(funding: pl.DataFrame, ts_ms: Instants, horizon_h: Floats) -> Floats:
    """Return Injective's mean hourly rate over (ts, ts + horizon]; NaN until the horizon has passed."""
    home = funding.filter(pl.col("venue") == INJECTIVE).drop_nulls(["rate", "interval_hours"])
    settled = instants(home)
    if not len(settled):
        return np.full(len(ts_ms), np.nan)
    rates = np.concatenate([[0.0], np.cumsum(home["rate"].to_numpy())])
    hours = np.concatenate([[0.0], np.cumsum(home["interval_hours"].to_numpy())])
    end_ms = ts_ms + horizon_h * HOUR_MS
    first = np.searchsorted(settled, ts_ms, side="right")
    last = np.searchsorted(settled, end_ms, side="right")
    covered_h = hours[last] - hours[first]
    whole = (covered_h >= COVERED * horizon_h) & (end_ms <= settled[-1]) & (covered_h > 0)
    mean: Floats = np.where(whole, (rates[last] - rates[first]) / np.where(whole, covered_h, 1.0), np.nan)
    return mean


def outcomes(run: Run, symbol: str) -> Outcomes | None:
    """Return a symbol's forecasts with what came; None where nothing was forecast or no horizon has passed."""
    every = told(run, symbol)
    names = levels_of(every)
    every = every.drop_nulls(names)
    if every.is_empty() or not names:
        return None
    ts_ms, horizon_h = instants(every), every["horizon_h"].to_numpy()
    funding = run.of("funding", symbol)
    real = realised_per_hour(funding, ts_ms, horizon_h)
    known = np.isfinite(real)
    if not known.any():
        return None
    return Outcomes(
        ts_ms[known],
        horizon_h[known],
        np.array([LEVEL_OF[name] for name in names]),
        every.select(names).to_numpy()[known],
        every["mean"].to_numpy()[known],
        every["p_up"].fill_null(np.nan).to_numpy()[known],
        real[known],
        _last_settled(funding, ts_ms)[known],
    )


def _from_decisions(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return the band that decisions stood on as forecasts, one an hour: within the hour they repeat it."""
    hourly = decisions.filter(pl.col("ts").dt.minute() == 0).rename(
        {"rate_mean_per_hour": "mean", "rate_p10_per_hour": "q10", "rate_p90_per_hour": "q90"}
    )
    missing = [name for name in ("p_up", *LEVEL_OF) if name not in hourly.columns]
    return hourly.with_columns(pl.lit(None, pl.Float64).alias(name) for name in missing)


def _last_settled(funding: pl.DataFrame, ts_ms: Instants) -> Floats:
    """Return the rate per hour that had settled last at each instant; NaN before the first."""
    home = funding.filter(pl.col("venue") == INJECTIVE).drop_nulls(["rate", "interval_hours"])
    if home.is_empty():
        return np.full(len(ts_ms), np.nan)
    at = np.searchsorted(instants(home), ts_ms, side="right") - 1
    rate = (home["rate"] / home["interval_hours"]).to_numpy()
    last: Floats = np.where(at >= 0, rate[np.clip(at, 0, None)], np.nan)
    return last
