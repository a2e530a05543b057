"""Stretches of a run by how much funding and prices move: calm, normal, stormy. Causal, so that it can be told live.

Each midnight the moves of the last week, of each coin's price and of its funding on Injective, are ranked among the
same of the year before. The mean rank over coins of whichever moves more is what decides, with hysteresis: a storm
begins above 90 % and is over below 75 %; it is calm when both stand below 30 %, until one is above 45 %.
"""

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

CALM, NORMAL, STORMY = "calm", "normal", "stormy"
STORM_BEGINS, STORM_ENDS, CALM_BEGINS, CALM_ENDS = 0.90, 0.75, 0.30, 0.45
WEEK_H = 168
YEAR_D, LEAST_D = 365, 30
"""Days of the past among which a week is ranked, and the fewest that are enough."""

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
            found.append(Regime(from_ms, to_ms, names[i], _why(price[i], funding[i])))
    return found


def price_moves(series: Mapping[SeriesKey, SeriesData], symbol: str, days_ms: NDArray[np.int64]) -> Floats:
    """Return the root mean square of the hourly log returns of the week before each midnight; NaN unknown. (days,)."""
    hours = np.arange(days_ms[0] - WEEK_H * HOUR_MS, days_ms[-1] + 1, HOUR_MS, dtype=np.int64)
    price = prices_at(series, SeriesKey(INJECTIVE, symbol), hours).price
    square = np.diff(np.log(np.where(price > 0, price, np.nan))) ** 2
    known = np.concatenate(([0], np.cumsum(~np.isnan(square))))
    total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(square))))
    ends = np.arange(len(days_ms)) * 24 + WEEK_H
    count = known[ends] - known[ends - WEEK_H]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (total[ends] - total[ends - WEEK_H]) / count
    return np.where(count >= WEEK_H // 2, np.sqrt(np.maximum(mean, 0.0)), np.nan)


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
        known = told.values[start:stop][~np.isnan(told.values[start:stop])]
        if len(known) >= 10:
            out[i] = known.std()
    return out


def ranks_of(moves: Floats) -> Floats:
    """Rank each day's moves (symbols, days) among the year up to it → the mean over symbols, NaN unknown. (days,)."""
    ranks = np.full(moves.shape, np.nan)
    for row, mine in enumerate(moves):
        for day in np.flatnonzero(~np.isnan(mine)):
            past = mine[max(day - YEAR_D, 0) : day]
            past = past[~np.isnan(past)]
            if len(past) >= LEAST_D:
                ranks[row, day] = ((past < mine[day]).sum() + 0.5 * (past == mine[day]).sum()) / len(past)
    known = ~np.isnan(ranks)
    out: Floats = np.where(known, ranks, 0.0).sum(axis=0) / np.where(
        known.any(axis=0), known.sum(axis=0), np.nan
    )
    return out


def labelled(price: Floats, funding: Floats) -> list[str]:
    """Name each day by its ranks and by the day before; what is unknown changes nothing. (days,) both."""
    names, name = [], NORMAL
    for top in np.fmax(price, funding):
        if np.isnan(top):
            pass
        elif top > STORM_BEGINS or (name == STORMY and top >= STORM_ENDS):
            name = STORMY
        elif top < CALM_BEGINS or (name == CALM and top <= CALM_ENDS):
            name = CALM
        else:
            name = NORMAL
        names.append(name)
    return names


def _why(price: float, funding: float) -> str:
    def told(rank: float) -> str:
        return "unknown" if np.isnan(rank) else f"above {rank:.0%} of the year before"

    return f"moves of the week, of prices {told(price)}, of funding {told(funding)}"


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
