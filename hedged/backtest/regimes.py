"""Stretches of a run by how much funding and prices move, as `hedged.features.regimes` names them day by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hedged.adapters.replay.prices import prices_at
from hedged.adapters.replay.series import SeriesData
from hedged.backtest.runner import Window
from hedged.domain.clock import DAY_MS, HOUR_MS, iso
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.regimes import WEEK_H, YEAR_D, deviation, labelled, ranks_of, reason, weekly_moves

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Regime:
    """A stretch [from_ms, to_ms) of whole days but for the run's ends; `why`: the ranks at its beginning."""

    from_ms: int
    to_ms: int
    name: str
    why: str

    def to_json(self) -> dict[str, str]:
        """Turn into a plain tree."""
        return {"from": iso(self.from_ms), "to": iso(self.to_ms), "name": self.name, "why": self.why}


def regimes_of(
    series: Mapping[SeriesKey, SeriesData], symbols: Sequence[str], window: Window
) -> list[Regime]:
    """Return the regimes of a window, from what was known at each midnight (and at the window's beginning)."""
    first = window.from_ms // DAY_MS * DAY_MS
    days = np.arange(first - YEAR_D * DAY_MS, window.to_ms, DAY_MS, dtype=np.int64)
    price = ranks_of(np.array([price_moves(series, symbol, days) for symbol in symbols]))
    funding = ranks_of(np.array([funding_moves(series, symbol, days) for symbol in symbols]))
    names = labelled(price, funding)
    found: list[Regime] = []
    for i in np.flatnonzero(days >= first):
        from_ms, to_ms = max(int(days[i]), window.from_ms), min(int(days[i]) + DAY_MS, window.to_ms)
        if found and found[-1].name == names[i]:
            found[-1] = Regime(found[-1].from_ms, to_ms, names[i], found[-1].why)
        else:
            found.append(Regime(from_ms, to_ms, names[i], reason(price[i], funding[i])))
    return found


def price_moves(series: Mapping[SeriesKey, SeriesData], symbol: str, days_ms: NDArray[np.int64]) -> Floats:
    """Return the root mean square of the hourly log returns of the week before each midnight; NaN unknown. (days,)."""
    hours = np.arange(days_ms[0] - WEEK_H * HOUR_MS, days_ms[-1] + 1, HOUR_MS, dtype=np.int64)
    price = prices_at(series, SeriesKey(INJECTIVE, symbol), hours).price
    return weekly_moves(price, len(days_ms))


def funding_moves(series: Mapping[SeriesKey, SeriesData], symbol: str, days_ms: NDArray[np.int64]) -> Floats:
    """Return the standard deviation of the rates per hour on Injective that were known of the week before each
    midnight; NaN with fewer than ten. (days,).
    """
    out = np.full(len(days_ms), np.nan)
    data = series.get(SeriesKey(INJECTIVE, symbol))
    if data is None:
        return out
    told = data.settled(data.funding_rate / data.funding_hours)
    lo, hi = (np.searchsorted(told.known_ms, days_ms - back, side="right") for back in (WEEK_H * HOUR_MS, 0))
    for i, (start, stop) in enumerate(zip(lo, hi, strict=True)):
        out[i] = deviation(told.values[start:stop])
    return out


def by_regime(daily: pl.DataFrame, regimes: Sequence[Regime]) -> dict[str, dict[str, Any]]:
    """Add up a run's days by regime: `days`, and `net_saving_usd` of the run and of each of its baselines.

    daily: the table daily.parquet. A day belongs to the regime in which it begins.
    """
    starts = pl.DataFrame(
        {"day": [one.from_ms // DAY_MS for one in regimes], "regime": [one.name for one in regimes]},
        schema={"day": pl.Int64(), "regime": pl.String()},
    )
    day = pl.col("day").cast(pl.Datetime("ms")).dt.epoch("ms") // DAY_MS
    marked = daily.with_columns(day=day).sort("day").join_asof(starts.sort("day"), on="day")
    out: dict[str, dict[str, Any]] = {}
    for (name,), part in marked.partition_by("regime", as_dict=True, maintain_order=True).items():
        net = part.group_by("name", maintain_order=True).agg((pl.col("saved_usd") - pl.col("cost_usd")).sum())
        out[str(name)] = {"days": part["day"].n_unique(), "net_saving_usd": dict(net.iter_rows())}
    return out
