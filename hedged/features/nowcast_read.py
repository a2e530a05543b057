"""What a nowcast reads of a grid: the series that settle slowly, their rates and rules, the sources beside them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.funding import DEAD_BAND
from hedged.features.accrual import CHANNELS, LOOKBACK_H, accrued, channels
from hedged.features.points import Array, Points
from hedged.features.resample import HourlyGrid
from hedged.features.running_rate import RULES, RunningRule, Weighting, elapsed_share, rule_of
from hedged.features.scale import PIN_TOLERANCE, scale_of, settled_now

MAX_INTERVAL = 8
"""Hours. Of longer intervals a window holds too few."""
OWN = CHANNELS.index("market_gap")
"""Channels before this one are of the coin itself; those of the whole venue alone are no evidence."""

INTERVALS_H = 48
"""Hours before an hour in which the interval that ended last has begun."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Read:
    """What a walk reads of the slow series, (rows, hours), NaN unknown. Rates and premiums per 8 h.

    `rows`: their rows in the grid; `first_hour`: that of column 0, since 1970. `lasted`, `coming`: hours of the last
    and of the running interval, 0 unknown. `inputs`: (rows, hours, 2 × channels). `known`: whether a source of the coin
    itself says anything. `estimate`, `decided`: the venue's running rate and the share of it that is fixed.
    """

    rows: Rows
    first_hour: int
    rules: tuple[RunningRule, ...]
    venues: tuple[str, ...]
    rate: Array
    s: Array
    interest: Array
    band: Array
    settled: NDArray[np.bool_]
    since: NDArray[np.int64]
    lasted: NDArray[np.int64]
    coming: NDArray[np.int64]
    inputs: Array
    known: NDArray[np.bool_]
    estimate: Array
    decided: Array

    def premiums(self, rows: Rows, hours: Rows | int, rate: Array) -> tuple[Array, Array]:
        """Return the premiums [low, high] behind rates, with the dead band of these rows and hours."""
        interest, band = self.interest[rows, hours], self.band[rows, hours]
        resting = (np.abs(rate - interest) < PIN_TOLERANCE * 8) & (band > 0)
        shifted = rate + np.sign(rate - interest) * band
        return np.where(resting, interest - band, shifted), np.where(resting, interest + band, shifted)


def slow_rows(grid: HourlyGrid) -> Rows:
    """Return the rows of series that have settled slowly in some hour of the grid."""
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(((grid.interval_h > 1) & (grid.interval_h <= MAX_INTERVAL)).any(axis=1))


def read(grid: HourlyGrid, rows: Rows | None = None, hours: int | None = None) -> Read:
    """Read some rows (default: all slow ones) in the last hours (default: all) at once, vectorised over the hours."""
    rows = slow_rows(grid) if rows is None else rows
    hours = len(grid.times_ms) if hours is None else min(hours, len(grid.times_ms))
    inputs, known = _sources(grid, rows, hours)
    now = np.arange(len(grid.times_ms) - hours, len(grid.times_ms))
    n = len(rows)
    scale = scale_of(grid, Points(np.repeat(rows, hours), np.tile(now, n)))
    grid = grid.last(hours)
    venues = tuple(grid.keys[row].venue for row in rows)
    rules = tuple(rule_of(venue) for venue in venues)
    pin = scale.pin.reshape(n, hours) * 8.0
    unnamed = np.array([venue not in RULES for venue in venues], dtype=bool)[:, None]
    interest = np.array([rule.interest_8h for rule in rules])[:, None]
    band = np.array([rule.band for rule in rules])[:, None]
    lasted = np.nan_to_num(grid.interval_h[rows]).round().astype(np.int64)
    coming = np.nan_to_num(grid.field(Field.INTERVAL_H)[rows]).round().astype(np.int64)
    estimate, decided = _estimates(grid, rows, rules)
    rate = grid.level[rows] * 8.0
    return Read(
        rows,
        int(grid.times_ms[0]) // HOUR_MS if hours else 0,
        rules,
        venues,
        rate=rate,
        s=scale.s.reshape(n, hours) * 8.0,
        interest=np.where(np.isnan(pin), interest, pin),
        band=np.where(unnamed & ~np.isnan(pin), float(DEAD_BAND), band),
        settled=settled_now(grid)[rows] & ~np.isnan(rate),
        since=_whole(grid.since_h[rows]),
        lasted=lasted,
        coming=np.where(coming > 0, coming, lasted),
        inputs=inputs,
        known=known,
        estimate=estimate,
        decided=decided,
    )


def _whole(since_h: Array) -> NDArray[np.int64]:
    """Return whole hours, −1 where unknown."""
    return np.nan_to_num(np.floor(since_h), nan=-1.0).astype(np.int64)


def _sources(grid: HourlyGrid, rows: Rows, hours: int) -> tuple[Array, NDArray[np.bool_]]:
    """Return what the channels say in the last hours: (rows, hours, 2 × channels), and whether one of the coin does."""
    rising = np.array(
        [rule_of(grid.keys[row].venue).weighting is Weighting.RISING for row in rows], dtype=bool
    )
    found = channels(grid.last(hours + INTERVALS_H + LOOKBACK_H), rows, hours + INTERVALS_H)
    grid = grid.last(hours)
    lasted = np.nan_to_num(grid.interval_h[rows]).round().astype(np.int64)
    means = accrued(found, _whole(grid.since_h[rows]), lasted, rising)
    inputs = np.concatenate((means.before, means.since)).transpose(1, 2, 0)
    return inputs, np.asarray(~np.isnan(means.since[:OWN]).all(axis=0))


def _estimates(grid: HourlyGrid, rows: Rows, rules: tuple[RunningRule, ...]) -> tuple[Array, Array]:
    """Return running rates per 8 h and the decided shares; both NaN unless rate, instant and interval are sound."""
    rate = grid.field(Field.FUNDING_ESTIMATE)[rows] * 8.0
    decided = elapsed_share(grid.field(Field.SETTLES_IN_S)[rows], grid.field(Field.INTERVAL_H)[rows])
    for i, rule in enumerate(rules):
        decided[i] = rule.weighting.decided(decided[i])
    known = ~np.isnan(rate) & ~np.isnan(decided)
    return np.where(known, rate, np.nan), np.where(known, decided, np.nan)
