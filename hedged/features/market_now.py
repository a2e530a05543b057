"""What markets show now beside their forecasts: running rates and how they stood, open interest, prices, the basis."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hedged.buffer.ring import BarWindow
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.features.moments import Moments

MOVES_MS = 30 * DAY_MS
"""Span of prices whose moves are measured."""
MIN_SIGMA = 0.0005  # a frozen price must not look riskless
MIN_MOVES = 24
"""Known moves needed for a standard deviation to mean anything."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """One market now. Rates per hour, > 0 longs pay; NaN unknown.

    `rate`: the running estimate of the coming settlement, else the last settled rate; `mean_24h` its mean of a day,
    `range_8h` its largest less its smallest of eight hours; `least_24h`: its value nearest to zero of a day in which it
    never changed sign, else 0. Of a day, in logs: `interest_change` of the open interest in coins, `move` of the price.
    """

    rate: float
    mean_24h: float
    range_8h: float
    least_24h: float
    interest_change: float
    move: float


@dataclass(frozen=True, slots=True)
class MarketsNow:
    """`readings` by market; standard deviations over the horizon where they can be told: `sigma` of a market's log
    price, `basis_sigma` of the difference of two venues' log prices of one coin (keys in order).
    """

    readings: Mapping[SeriesKey, Reading] = field(default_factory=dict)
    sigma: Mapping[SeriesKey, float] = field(default_factory=dict)
    basis_sigma: Mapping[tuple[SeriesKey, SeriesKey], float] = field(default_factory=dict)

    def basis_of(self, a: SeriesKey, b: SeriesKey) -> float | None:
        """Return the standard deviation of the basis between two markets."""
        return self.basis_sigma.get((min(a, b), max(a, b)))


def markets_now(window: BarWindow, symbols: Collection[str], horizon_h: float) -> MarketsNow:
    """Read the markets of some symbols. Pure; every number was known at the window's last bar."""
    keys = {key: row for row, key in enumerate(window.keys) if key.symbol in symbols}
    if not keys or not len(window.times_ms):
        return MarketsNow()
    readings = {key: _reading(window, row) for key, row in keys.items()}
    step, steps = max(1, HOUR_MS // window.bar_ms), max(1, MOVES_MS // window.bar_ms)
    log_marks = {}
    for key, row in keys.items():
        mark = window.values[row, -steps:, Field.MARK][::-1][::step][::-1].astype(np.float64)
        log_marks[key] = np.log(np.where(mark > 0, mark, np.nan))
    hours = max(1, round(horizon_h / (step * window.bar_ms / HOUR_MS)))
    sigma = {key: s for key, x in log_marks.items() if (s := _sigma(x, hours)) is not None}
    basis = {
        (a, b): s
        for a, b in combinations(sorted(keys), 2)
        if a.symbol == b.symbol and (s := _sigma(log_marks[a] - log_marks[b], hours)) is not None
    }
    return MarketsNow(readings, sigma, basis)


def completed(moved: Moments, now: MarketsNow) -> Moments:
    """Add the moments of coins that Injective does not have, so that what is traded of them is at a known risk.

    A pair's basis is shared out to its legs: each gets half of the widest that it is part of.
    """
    sigma = dict(moved.sigma)
    basis = dict(moved.basis_sigma)
    for key, own in now.sigma.items():
        if key.symbol in moved.sigma:
            continue
        sigma[key.symbol] = max(own, sigma.get(key.symbol, 0.0))
        basis[key] = max([MIN_SIGMA, *(s / 2 for pair, s in now.basis_sigma.items() if key in pair)])
    return replace(moved, sigma=sigma, basis_sigma=basis)


def _reading(window: BarWindow, row: int) -> Reading:
    ages_ms = int(window.times_ms[-1]) - window.times_ms
    day, third = int(np.count_nonzero(ages_ms <= DAY_MS)), int(np.count_nonzero(ages_ms <= 8 * HOUR_MS))
    bars = window.values[row, -day:].astype(np.float64)
    estimate, settled = bars[:, Field.FUNDING_ESTIMATE], bars[:, Field.FUNDING_SETTLED]
    rate = np.where(np.isnan(estimate), settled, estimate)
    known, late = rate[~np.isnan(rate)], rate[-third:][~np.isnan(rate[-third:])]
    one_way = len(known) and bool((np.sign(known) == np.sign(known[0])).all())
    mark = np.where(bars[:, Field.MARK] > 0, bars[:, Field.MARK], np.nan)
    interest = np.where(bars[:, Field.OPEN_INTEREST] > 0, bars[:, Field.OPEN_INTEREST], np.nan)
    return Reading(
        rate=float(rate[-1]),
        mean_24h=float(known.mean()) if len(known) else np.nan,
        range_8h=float(late.max() - late.min()) if len(late) else np.nan,
        least_24h=float(known[np.abs(known).argmin()]) if one_way else 0.0,
        interest_change=_change(np.log(interest)),
        move=_change(np.log(mark)),
    )


def _change(log_x: Array) -> float:
    """Return last less first known value; NaN where the last is unknown or there is only one."""
    known = np.flatnonzero(~np.isnan(log_x))
    if len(known) < 2 or known[-1] != len(log_x) - 1:
        return float("nan")
    return float(log_x[known[-1]] - log_x[known[0]])


def _sigma(log_x: Array, hours: int) -> float | None:
    """Return the standard deviation of changes over `hours` steps; None with too few."""
    change = log_x[hours:] - log_x[:-hours]
    known = change[~np.isnan(change)]
    return max(float(known.std()), MIN_SIGMA) if len(known) >= MIN_MOVES else None
