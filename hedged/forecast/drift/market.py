"""What the market is like, told live from the window that the daemon holds: the regime, and what has changed of late.

The regime is the backtest's (`hedged.features.regimes`), but a week is ranked among the days of the window, 90 of them
at most, instead of a year's: a storm is then what is wild for these months. How often both agree is in docs/drift.md.
Correlation is the mean over pairs of coins, of the hourly log returns of a week and of its funding levels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.prices import FALLBACK_VENUES
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.regimes import NORMAL, WEEK_H, deviation, labelled, ranks_of, reason, weekly_moves
from hedged.features.resample import HourlyGrid
from hedged.features.scale import settled_now

LEAST_WEEKS = 4
"""Earlier weeks that a correlation is compared with, at least."""
APART = 0.1
STOOD = 3
"""A largest rate that settled so often was the venue's cap."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Together:
    """Mean correlation of the last week, and the range of those of the weeks before; NaN unknown."""

    week: float = float("nan")
    least: float = float("nan")
    most: float = float("nan")
    weeks: int = 0

    @property
    def changed(self) -> bool:
        """Whether the last week is clearly outside of what was."""
        out = self.week > self.most + APART or self.week < self.least - APART
        return self.weeks >= LEAST_WEEKS and out


@dataclass(frozen=True, slots=True)
class Market:
    """`regime`: calm, normal or stormy since `day_ms`'s midnight, `why` in words; ranks within the window, NaN unknown;
    `changes`: what else is another than before, a line each.
    """

    regime: str = NORMAL
    why: str = "nothing is known yet"
    day_ms: int = 0
    price_rank: float = float("nan")
    funding_rank: float = float("nan")
    prices: Together = field(default_factory=Together)
    funding: Together = field(default_factory=Together)
    changes: tuple[str, ...] = ()


def market_of(grid: HourlyGrid) -> Market:
    """Judge the market by a grid, as of its last midnight."""
    if (
        not len(grid.times_ms)
        or int(grid.times_ms[-1]) // DAY_MS * DAY_MS - WEEK_H * HOUR_MS < grid.times_ms[0]
    ):
        return Market()
    symbols = sorted(
        {key.symbol for key in grid.keys if key.venue == INJECTIVE} or {key.symbol for key in grid.keys}
    )
    midnights = _midnights(grid.times_ms)
    days_ms, prices = grid.times_ms[midnights], np.array([price_of(grid, symbol) for symbol in symbols])
    whole = slice(midnights[0] - WEEK_H, midnights[-1] + 1)
    price = ranks_of(np.array([weekly_moves(mine[whole], len(midnights)) for mine in prices]))
    funding = ranks_of(np.array([funding_moves(grid, symbol, midnights) for symbol in symbols]))
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.diff(np.log(np.where(prices > 0, prices, np.nan)), prepend=np.nan)
    moved, paid = together(returns), together(np.array([_funding_of(grid, symbol) for symbol in symbols]))
    among = f"the {len(midnights) - 1} days before"
    changes = (*_changed(moved, "prices"), *_changed(paid, "funding"), *_intervals(grid), *_caps(grid))
    return Market(
        labelled(price, funding)[-1], reason(price[-1], funding[-1], among), int(days_ms[-1]), float(price[-1]),
        float(funding[-1]), moved, paid, changes,
    )  # fmt: skip


def _midnights(times_ms: NDArray[np.int64]) -> list[int]:
    """Return the columns of the midnights that have a whole week before them."""
    return [i for i in np.flatnonzero(times_ms % DAY_MS == 0).tolist() if i >= WEEK_H]


def price_of(grid: HourlyGrid, symbol: str) -> Floats:
    """Return a coin's mark at every hour: Injective's, else another venue's, as a backtest takes them. (hours,)."""
    price = np.full(len(grid.times_ms), np.nan)
    for venue in (INJECTIVE, *FALLBACK_VENUES):
        row = grid.row.get(SeriesKey(venue, symbol))
        if row is not None:
            price = np.where(np.isnan(price), grid.mark[row], price)
    return price


def funding_moves(grid: HourlyGrid, symbol: str, midnights: Sequence[int]) -> Floats:
    """Return the deviation of the rates that settled on Injective in the week before each midnight. (days,)."""
    row = grid.row.get(SeriesKey(INJECTIVE, symbol))
    if row is None:
        return np.full(len(midnights), np.nan)
    rates = np.where(settled_now(grid.rows([row]))[0], grid.level[row], np.nan)
    return np.array([deviation(rates[at + 1 - WEEK_H : at + 1]) for at in midnights])


def _funding_of(grid: HourlyGrid, symbol: str) -> Floats:
    rows = [
        grid.row[key]
        for venue in (INJECTIVE, *FALLBACK_VENUES)
        if (key := SeriesKey(venue, symbol)) in grid.row
    ]
    return grid.level[rows[0]] if rows else np.full(len(grid.times_ms), np.nan)


def together(values: Floats) -> Together:
    """Compare the last week's mean correlation with that of each whole week before. values: (coins, hours)."""
    hours = values.shape[1]
    ends = range(hours, WEEK_H, -WEEK_H)
    weeks = [_correlation(values[:, end - WEEK_H : end]) for end in ends]
    before = [week for week in weeks[1:] if not np.isnan(week)]
    if not weeks or not before:
        return Together(weeks[0] if weeks else float("nan"))
    return Together(weeks[0], min(before), max(before), len(before))


def _correlation(week: Floats) -> float:
    """Return the mean over pairs, from the hours of which all of those coins are known that mostly are."""
    week = week[(~np.isnan(week)).mean(axis=1) > 0.5]
    week = week[:, ~np.isnan(week).any(axis=0)]
    if not len(week) or week.shape[1] < WEEK_H // 2:
        return float("nan")
    week = week[week.std(axis=1) > 0]
    if len(week) < 2:
        return float("nan")
    pairs = np.atleast_2d(np.corrcoef(week))[np.triu_indices(len(week), 1)]
    return float(pairs.mean())


def _changed(found: Together, what: str) -> Iterator[str]:
    if found.changed:
        yield (
            f"{what} of the coins moved with a correlation of {found.week:.2f} in the last week, "
            f"{found.least:.2f} to {found.most:.2f} in the {found.weeks} before"
        )


def _intervals(grid: HourlyGrid) -> Iterator[str]:
    """Tell of series that settle at another interval than a week ago."""
    told = grid.field(Field.INTERVAL_H)
    told = np.where(np.isnan(told), grid.interval_h, told)
    for row, key in enumerate(grid.keys):
        before, now = (part[~np.isnan(part)] for part in (told[row, :-WEEK_H], told[row, -WEEK_H:]))
        if len(before) and len(now) and round(before[-1], 2) != round(now[-1], 2):
            yield f"{key} settles every {now[-1]:g} h, every {before[-1]:g} h a week ago"


def _caps(grid: HourlyGrid) -> Iterator[str]:
    """Tell of series that settled beyond a rate at which they had stood before: no venue tells the daemon its caps."""
    rates = np.where(settled_now(grid), np.abs(grid.level), np.nan)
    for row, key in enumerate(grid.keys):
        before, now = (part[~np.isnan(part)] for part in (rates[row, :-WEEK_H], rates[row, -WEEK_H:]))
        if not len(before) or not len(now):
            continue
        cap = before.max()
        stood = int((before >= cap * (1 - 1e-6)).sum())
        # a rate that always rests at its interest has no cap there
        if stood >= STOOD and np.median(before) < cap / 2 and now.max() > cap * 1.01:
            yield f"{key} paid up to {now.max():.4%} an hour; it had stopped at {cap:.4%} ({stood} times)"
