"""By how much funding and prices move: calm, normal, stormy. Causal: a backtest and the daemon tell it alike.

Each midnight the moves of the last week, of each coin's price and of its funding, are ranked among the same of the days
before. The mean rank over coins of whichever moves more is what decides, with hysteresis: a storm begins above 90 % and
is over below 75 %; it is calm when both stand below 30 %, until one is above 45 %.
"""

import numpy as np
from numpy.typing import NDArray

REGIMES = CALM, NORMAL, STORMY = "calm", "normal", "stormy"
STORM_BEGINS, STORM_ENDS, CALM_BEGINS, CALM_ENDS = 0.90, 0.75, 0.30, 0.45
WEEK_H = 168
YEAR_D, LEAST_D = 365, 30
"""Days of the past among which a week is ranked, and the fewest that are enough."""
LEAST_PRINTS = 10
"""Settlements in a week of which a deviation says anything."""

Floats = NDArray[np.float64]


def weekly_moves(price: Floats, days: int) -> Floats:
    """Return the root mean square of the hourly log returns of the week before each of `days` midnights, NaN unknown.

    price: (WEEK_H + 24 × (days − 1) + 1,), hourly from a week before the first midnight to the last one. (days,).
    """
    square = np.diff(np.log(np.where(price > 0, price, np.nan))) ** 2
    known = np.concatenate(([0], np.cumsum(~np.isnan(square))))
    total = np.concatenate(([0.0], np.cumsum(np.nan_to_num(square))))
    ends = np.arange(days) * 24 + WEEK_H
    count = known[ends] - known[ends - WEEK_H]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (total[ends] - total[ends - WEEK_H]) / count
    return np.where(count >= WEEK_H // 2, np.sqrt(np.maximum(mean, 0.0)), np.nan)


def deviation(rates: Floats) -> float:
    """Return the standard deviation of a week's settled rates per hour, NaN with too few."""
    known = rates[~np.isnan(rates)]
    return float(known.std()) if len(known) >= LEAST_PRINTS else float("nan")


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


def labelled(price: Floats, funding: Floats, name: str = NORMAL) -> list[str]:
    """Name each day by its ranks and by the day before; what is unknown changes nothing. (days,) both.

    `name`: of the day before the first.
    """
    names = []
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


def reason(price: float, funding: float, among: str = "the year before") -> str:
    """Say in words what ranks stand behind a name."""

    def told(rank: float) -> str:
        return "unknown" if np.isnan(rank) else f"above {rank:.0%} of {among}"

    return f"moves of the week, of prices {told(price)}, of funding {told(funding)}"
