"""A forecaster that also tells how near each coin is to a liquidation cascade, whoever forecasts its rates.

The head (`cascade.py`) is asked once an hour, for coins with an hourly price. Whether open interest is one-sided is
read beside it: from the long/short ratio where that is told (`features.one_sided`), else where the open interest in
coins *and* what the crowd pays both stand beyond the given share of their own last 30 days.
"""

from dataclasses import replace

import numpy as np

from hedged.domain.forecast import CascadeView, ForecastSet
from hedged.features.crowding import crowding, fresh_interest
from hedged.features.nowcast import Nowcast
from hedged.features.one_sided import one_sided, pressure_at, rank_of_past
from hedged.features.points import Array, Points
from hedged.features.resample import HourlyGrid
from hedged.features.scale import scale_of
from hedged.features.tabular import LOOKBACK_H, tabular
from hedged.forecast.cascade import DOWN_SHARE, HORIZON_H, CascadeHead, coin_points, features
from hedged.forecast.port import Forecaster

RATIO, INTEREST = "the long/short ratio", "open interest and what it pays"


class WithCascades:
    """`inner` forecasts the rates, `head` the cascades; `model_hash` names both."""

    def __init__(self, inner: Forecaster, head: CascadeHead, head_hash: str, crowded_share: float) -> None:
        self._inner, self._head, self._share = inner, head, crowded_share
        self.model_hash = f"{inner.model_hash}+cascade:{head_hash}"
        self.feature_hash = inner.feature_hash
        self._hour_ms = -1
        self._views: dict[str, CascadeView] = {}

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        """Forecast the mean rate per hour over (now, now + horizon_h]; see `Forecaster`."""
        told = self._inner.forecast(grid, now_ms, horizon_h)
        hour_ms = int(grid.times_ms[-1]) if len(grid.times_ms) else -1
        if hour_ms != self._hour_ms:
            self._views, self._hour_ms = self._look(grid), hour_ms
        return replace(told, model_hash=self.model_hash, cascades=self._views)

    def _look(self, grid: HourlyGrid) -> dict[str, CascadeView]:
        if not len(grid.times_ms):
            return {}
        last = np.array([len(grid.times_ms) - 1])
        at = coin_points(grid, last)
        if not len(at):
            return {}
        crowd = crowding(grid)
        near = grid.last(LOOKBACK_H + 1)
        here = Points(at.rows, np.full(len(at), len(near.times_ms) - 1))
        # the head reads no nowcast, and walking through a window for one costs more than all the rest
        names, values = tabular(near, here, scale_of(near, here), lambda _, at: Nowcast.nothing(len(at)))
        short = replace(
            crowd,
            shares=crowd.shares[:, :, -len(near.times_ms) :],
            placed=crowd.placed[:, -len(near.times_ms) :],
        )
        p = self._head.probability(features(near, here, names, values, short))
        sides = crowded(grid, self._share)
        return {
            symbol: CascadeView(HORIZON_H, float(p[i]), DOWN_SHARE, *sides.get(symbol, (None, "")))
            for i, row in enumerate(at.rows)
            if (symbol := grid.keys[row].symbol)
        }


def crowded(grid: HourlyGrid, share: float) -> dict[str, tuple[int, str]]:
    """Return, of coins of which it can be told now, the crowded side (+1 longs, −1 shorts, 0 neither) and what tells.

    Of several venues the sum decides; opposite sides cancel.
    """
    everyone = Points(np.arange(len(grid.keys)), np.full(len(grid.keys), len(grid.times_ms) - 1))
    by_ratio = one_sided(grid, everyone, share).side
    by_interest = _by_interest(grid, everyone, share)
    found: dict[str, tuple[int, str]] = {}
    for symbol in {key.symbol for key in grid.keys}:
        rows = [row for row, key in enumerate(grid.keys) if key.symbol == symbol]
        for side, evidence in ((by_ratio, RATIO), (by_interest, INTEREST)):
            known = side[rows][~np.isnan(side[rows])]
            if len(known):
                found[symbol] = (int(np.sign(known.sum())), evidence)
                break
    return found


def _by_interest(grid: HourlyGrid, at: Points, share: float) -> Array:
    level = rank_of_past(fresh_interest(grid), at, share)
    pays, _ = pressure_at(grid, at, share)
    side: Array = np.where(np.isnan(level) | np.isnan(pays), np.nan, np.where(level > 0, pays, 0.0))
    return side
