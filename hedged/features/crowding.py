"""Crowding: where open positions would be liquidated.

**The liquidation map is an estimate, not a measurement.** Venues tell how much interest is open, not at which prices
and with which leverage it was opened. Assumed are: an hour's net increase was opened at that hour's mark price, in
equal parts at 5, 10, 20 and 50 times leverage; a decrease closes every open position in proportion; positions whose
liquidation price an hour's mark reached are no longer where the map had them. A coin of interest is one coin long and
one short: both sides weigh alike, unless a long/short ratio tells where the leveraged crowd stands.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import Field
from hedged.features.points import Array
from hedged.features.resample import HourlyGrid

LEVERAGES = (5.0, 10.0, 20.0, 50.0)
MAINTENANCE = 0.005
"""Maintenance margin, a fraction of notional: a long is liquidated at entry·(1 − 1/L + m), a short at
entry·(1 + 1/L − m)."""
BUCKET = 0.01
"""Width of an entry-price bucket, in log price."""
SHARE_NAMES = ("below_5", "below_10", "below_15_20", "above_5", "above_10", "above_15_20")
STALE_H = 48
"""Interest that stands unchanged for longer is a feed that stopped: unknown."""
MAX_STEP_H = 36
"""An increase over a longer gap has no known entry price; daily figures come every 24 hours."""
JUMP = 1.5
"""A step beyond this factor is a change of source or unit, not positions: everything is rescaled."""
MIN_PLACED = 0.25
"""Least share of the interest whose entry price is known for the map to say anything."""

_LONG = np.repeat([True, False], len(LEVERAGES))
_LIQUIDATION = np.log(
    [1 - 1 / x + MAINTENANCE for x in LEVERAGES] + [1 + 1 / x - MAINTENANCE for x in LEVERAGES]
)
"""Log of liquidation price ÷ entry price, longs first; (8,)."""
_REACH = np.array([0.0, 0.05, 0.10, 0.15, 0.20])
_EDGES = np.log(np.where(_LONG[:, None], 1 - _REACH, 1 + _REACH))  # (8, 5)


@dataclass(frozen=True, slots=True)
class Crowding:
    """The estimated liquidation map by hour. All float64, NaN where unknown.

    `shares` (6, series, hours), in the order of SHARE_NAMES, 0 … 1: of the whole estimated liquidation notional (both
    sides), what would be liquidated by a move of up to 5 %, up to 10 % and between 15 and 20 % down (longs) and up
    (shorts). `placed` (series, hours), 0 … 1: share of the open interest of which the map knows an entry price;
    below MIN_PLACED the shares are unknown.
    """

    shares: NDArray[np.float64]
    placed: NDArray[np.float64]

    def share(self, name: str) -> Array:
        """Return one share, (series, hours)."""
        share: Array = self.shares[SHARE_NAMES.index(name)]
        return share


def crowding(grid: HourlyGrid) -> Crowding:
    """Estimate the liquidation map of every series that tells its open interest, at every hour."""
    hours = len(grid.times_ms)
    out = Crowding(
        np.full((len(SHARE_NAMES), len(grid.keys), hours), np.nan), np.full((len(grid.keys), hours), np.nan)
    )
    interest = fresh_interest(grid)
    rows = np.flatnonzero(~np.isnan(interest).all(axis=1) & (grid.mark > 0).any(axis=1))
    if not len(rows):
        return out
    with np.errstate(invalid="ignore", divide="ignore"):
        log_mark = np.log(np.where(grid.mark[rows] > 0, grid.mark[rows], np.nan))
        ratio = grid.field(Field.LONG_SHORT_RATIO)[rows]
        long_weight = np.nan_to_num(ratio / (1 + ratio), nan=0.5)
    book = LiquidationMap(log_mark)
    for hour in range(hours):
        book.step(hour, log_mark[:, hour], interest[rows, hour], long_weight[:, hour])
        out.shares[:, rows, hour], out.placed[rows, hour] = book.shares(
            log_mark[:, hour], interest[rows, hour]
        )
    return out


def fresh_interest(grid: HourlyGrid) -> Array:
    """Return the open interest in coins, NaN where untold, not positive or stale. (series, hours)."""
    interest = grid.field(Field.OPEN_INTEREST)
    interest = np.where(interest > 0, interest, np.nan)
    before = np.concatenate((np.full((len(grid.keys), 1), np.nan), interest[:, :-1]), axis=1)
    hour = np.arange(interest.shape[1])
    changed = np.maximum.accumulate(np.where(interest != before, hour, 0), axis=1)
    return np.where(hour - changed <= STALE_H, interest, np.nan)


class LiquidationMap:
    """Open coins by assumed liquidation price. `stock` (series, 8, buckets): longs then shorts by leverage, by entry
    price; `unplaced` (series,): interest of unknown entry. Both never negative, together the open interest told last.
    """

    def __init__(self, log_mark: Array) -> None:
        """Make an empty map for series with these log prices (series, hours), which only set its width."""
        low, high = np.nanmin(log_mark, axis=1), np.nanmax(log_mark, axis=1)
        self._first = np.floor(low / BUCKET)
        buckets = int((np.floor(high / BUCKET) - self._first).max()) + 1
        n = len(log_mark)
        self.stock = np.zeros((n, len(_LONG), buckets))
        self.unplaced = np.zeros(n)
        self._interest, self._seen = np.full(n, np.nan), np.full(n, -np.inf)
        centre = (self._first[:, None] + np.arange(buckets) + 0.5) * BUCKET
        self._log_price = centre[:, None, :] + _LIQUIDATION[None, :, None]
        self._price = np.exp(self._log_price)

    def step(self, hour: int, log_mark: Array, interest: Array, long_weight: Array) -> None:
        """Take in one hour: each (series,), NaN where unknown; a gap keeps what stood."""
        self._liquidate(log_mark)
        known, first = ~np.isnan(interest), np.isnan(self._interest)
        ratio = np.where(known & ~first, interest / self._interest, 1.0)
        jump = (ratio > JUMP) | (ratio < 1 / JUMP)
        scale = np.where(jump, ratio, np.minimum(ratio, 1.0))
        self.stock *= scale[:, None, None]
        self.unplaced *= scale
        added = np.where((ratio > 1.0) & ~jump, interest - self._interest, 0.0)
        placeable = ~np.isnan(log_mark) & (hour - self._seen <= MAX_STEP_H)
        self.unplaced += np.where(known & first, interest, np.where(placeable, 0.0, added))
        rows = np.flatnonzero(placeable & (added > 0))
        bucket = (np.floor(log_mark[rows] / BUCKET) - self._first[rows]).astype(np.int64)
        weight = np.where(_LONG, long_weight[rows, None], 1 - long_weight[rows, None]) / len(LEVERAGES)
        self.stock[rows, :, bucket] += added[rows, None] * weight
        self._interest = np.where(known, interest, self._interest)
        self._seen[known] = hour

    def _liquidate(self, log_mark: Array) -> None:
        """Take positions whose liquidation price was reached off the map: they closed, or their leverage was less."""
        beyond = self._log_price - log_mark[:, None, None]
        reached = np.where(_LONG[None, :, None], beyond >= 0, beyond <= 0)
        self.unplaced += np.where(reached, self.stock, 0.0).sum(axis=(1, 2))
        self.stock[reached] = 0.0

    def shares(self, log_mark: Array, interest: Array) -> tuple[Array, Array]:
        """Return the shares (6, series) at these log prices, and the share of the interest that is placed (series,)."""
        n, kinds, buckets = self.stock.shape
        notional = self.stock * self._price
        below = np.concatenate((np.zeros((n, kinds, 1)), np.cumsum(notional, axis=2)), axis=2)
        # where each band's edge falls, in buckets; within a bucket the entries lie evenly
        edge = (np.nan_to_num(log_mark)[:, None, None] + _EDGES - _LIQUIDATION[:, None]) / BUCKET
        edge = np.clip(edge - self._first[:, None, None], 0.0, buckets)
        whole = np.minimum(edge.astype(np.int64), buckets - 1)
        at = np.take_along_axis(below, whole, axis=2)
        at += (edge - whole) * np.take_along_axis(notional, whole, axis=2)
        reach = np.abs(at - at[:, :, :1])  # notional from the price to each edge
        sides = [reach[:, _LONG].sum(axis=1), reach[:, ~_LONG].sum(axis=1)]
        total = below[:, :, -1].sum(axis=1)
        placed = self.stock.sum(axis=(1, 2)) / interest
        told = ~np.isnan(log_mark) & (placed >= MIN_PLACED)
        bands = [band for s in sides for band in (s[:, 1], s[:, 2], s[:, 4] - s[:, 3])]
        share = np.stack(bands) / np.where(told & (total > 0), total, np.nan)
        return share, placed
