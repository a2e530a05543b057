"""The tabular features of a forecast: what is known of a series, its venue, its coin and the market at one hour.

Rates are differences from the series' last settled rate in units of s (`scale.py`), unless their name says otherwise.
Every feature reads the past only; unknown is NaN, which trees take as it is and networks see as 0 beside a mask.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hedged.features.nowcast import Nowcaster, nowcast, nowcast_features
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid
from hedged.features.scale import Scale
from hedged.features.tabular_across import cross, market
from hedged.features.tabular_own import clock, own
from hedged.features.tabular_shared import Named, Shared
from hedged.features.tabular_trade import activity, moods, price

LOOKBACK_H = 60 * 24
"""Hours that features may look back; windows given to the model hold at least these."""
FAMILIES: tuple[Callable[[Shared, Scale], Named], ...] = (own, clock, cross, market, price, activity, moods)


def tabular(
    grid: HourlyGrid, points: Points, scale: Scale, nowcaster: Nowcaster = nowcast
) -> tuple[list[str], NDArray[np.float32]]:
    """Compute every feature at the points → names, float32 (n, features)."""
    shared = Shared(grid, points)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        named = [pair for family in FAMILIES for pair in family(shared, scale)]
    named += nowcast_features(nowcaster(grid, points), scale)
    columns = np.stack([np.asarray(column, np.float64) for _, column in named], axis=1)
    return [name for name, _ in named], np.where(np.isfinite(columns), columns, np.nan).astype(np.float32)
