"""The coming settlement of a market: its law, and the history as it will be once it has come."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.forecast import LEVELS, quantile_function
from hedged.domain.injective import FundingState, InjectiveRule, RateDistribution
from hedged.domain.injective import nowcast as chain_law
from hedged.domain.market import SeriesKey
from hedged.features.nowcast import Evidence
from hedged.features.resample import HourlyGrid
from hedged.features.running_rate import RunningRule, elapsed_share, estimate_law

DRAWS = 64
"""Equally likely values that stand for a law."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class First:
    """The first settlement to come: quantiles of its rate per hour at LEVELS, when, and the hours it covers."""

    quantiles: Array
    at_ms: int
    hours: int
    evidence: Evidence

    @property
    def mean(self) -> float:
        """Expected rate per hour."""
        return float(points(self.quantiles).mean())

    def hours_after(self, now_ms: int, horizon_h: int) -> int:
        """Return the hours covered by those settlements after this one that fall into (now, now + horizon_h]."""
        left_h = horizon_h - (self.at_ms - now_ms) / HOUR_MS
        return max(0, int(left_h / self.hours + 1e-9)) * self.hours


Reader = Callable[[SeriesKey, int], First | None]
"""Returns what is known of a market's coming settlement at an instant (ms); None where nothing is."""


@dataclass(frozen=True, slots=True)
class ChainState:
    """What Injective's chain shows of a market: accumulators and constants, how often it trades, and at what premium.

    `premiums`: (m,) equally likely values of the premium from now on, as a fraction of the mark.
    """

    state: FundingState
    rule: InjectiveRule
    trades_per_s: float
    premiums: Array


def of_chain(seen: ChainState, now_ms: int) -> First | None:
    """Return the coming settlement as the chain's accumulators tell it; None once its instant is over.

    Raises ValueError for a trade intensity or premium that is not known: unknown is not zero.
    """
    if not len(seen.premiums) or not np.isfinite([seen.trades_per_s, *seen.premiums]).all():
        raise ValueError("trade intensity and premiums must be known")
    at_ms = seen.state.next_settlement_s * SECOND_MS
    if at_ms <= now_ms:
        return None
    law = chain_law(seen.state, seen.rule, now_ms / SECOND_MS, seen.trades_per_s, seen.premiums)
    hours = seen.rule.interval_s * SECOND_MS / HOUR_MS
    return First(_at_levels(law) / hours, at_ms, max(1, round(hours)), Evidence.CHAIN)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A venue's running rate: `per_hour`, seconds to the settlement, hours it covers. NaN where unknown."""

    per_hour: float
    settles_in_s: float
    interval_h: float


def of_estimate(
    told: Estimate, rule: RunningRule, coming: Array, now_ms: int, before: float = np.nan
) -> First | None:
    """Return the coming settlement as a venue's running rate tells it at `now_ms`; None where anything is unknown.

    `coming`: (m,) equally likely mean premiums of what is left of the interval; `before`: see `estimate_law`.
    """
    elapsed = float(elapsed_share(np.array(told.settles_in_s), np.array(told.interval_h)))
    if not np.isfinite([told.per_hour, elapsed]).all():
        return None
    law = estimate_law(rule, told.per_hour, elapsed, coming, before)
    at_ms = now_ms + round(told.settles_in_s * SECOND_MS)
    return First(_at_levels(law), at_ms, round(told.interval_h), Evidence.ESTIMATE)


def _at_levels(law: RateDistribution) -> Array:
    return np.array([law.quantile(float(level)) for level in LEVELS])


def points(quantiles: Array) -> Array:
    """Return DRAWS equally likely values of a law."""
    return quantile_function(quantiles, (np.arange(DRAWS) + 0.5) / DRAWS)


def continued(grid: HourlyGrid, firsts: dict[SeriesKey, First], at_ms: int) -> HourlyGrid:
    """Return a grid of these series that goes on to `at_ms`, where they settle as expected.

    What is paid in between is left unknown, so that no past error is measured on what is only expected.
    """
    rows = [grid.row[key] for key in firsts]
    more = max(1, -(-(at_ms - int(grid.times_ms[-1])) // HOUR_MS))

    def going_on(x: NDArray[np.float64], between: float | None, end: Array | float) -> Array:
        tail = np.repeat(x[rows, -1:], more, axis=1)
        if between is not None:
            tail[:] = between
        tail[:, -1] = end
        return np.concatenate((x[rows], tail), axis=1)

    rate = np.array([first.mean for first in firsts.values()])
    hours = np.array([float(first.hours) for first in firsts.values()])
    times_ms = np.concatenate((grid.times_ms, int(grid.times_ms[-1]) + HOUR_MS * np.arange(1, more + 1)))
    return HourlyGrid(
        tuple(firsts),
        times_ms,
        paid=going_on(grid.paid, np.nan, rate * hours),
        level=going_on(grid.level, None, rate),
        mark=going_on(grid.mark, None, grid.mark[rows, -1]),
        interval_h=going_on(grid.interval_h, None, hours),
        since_h=going_on(grid.since_h, np.nan, 0.0),
        bars=np.concatenate((grid.bars[rows], np.repeat(grid.bars[rows, -1:], more, axis=1)), axis=1),
        bar_h=grid.bar_h,
    )
