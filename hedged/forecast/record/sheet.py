"""A sheet: what every forecaster said at one hour of every series, and what came of it.

A forecast is the law of the mean rate over the horizon. It is judged once the horizon is over and every settlement
within it is known, by the grid of a later hour; what stays unknown is never judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS, STAND_IN, ForecastSet, RateForecast
from hedged.domain.market import SeriesKey
from hedged.features.points import Points
from hedged.features.resample import HourlyGrid
from hedged.features.scale import scale_of
from hedged.forecast.record.losses import Floats

GRACE_MS = 12 * HOUR_MS
"""So long after its horizon an outcome is waited for: settlements are told late, and after an outage read again."""


class Law(NamedTuple):
    """What one forecaster said: quantiles (n, len(LEVELS)) of the mean rate per hour, p_up (n,); NaN: nothing."""

    quantiles: Floats
    p_up: Floats

    @property
    def told(self) -> NDArray[np.bool_]:
        """Tell of which series it said anything. (n,)."""
        return ~np.isnan(self.p_up)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The series `keys` (n,) at the hour `origin_ms`: `last` settled rate per hour that was known then, `s` the usual
    change (`features.scale`); `outcome` the mean rate per hour over the horizon, known since `known_ms`, NaN and 0
    before that.

    `laws`: by forecaster. `settled`: by forecaster how its forecasts of coming settlements did until the next sheet,
    (n, len(Tally)) sums, see `settled`. `closed`: nothing more is waited for.
    """

    origin_ms: int
    horizon_h: int
    keys: tuple[SeriesKey, ...]
    last: Floats
    s: Floats
    outcome: Floats
    known_ms: NDArray[np.int64]
    laws: Mapping[str, Law]
    settled: Mapping[str, Floats] = field(default_factory=dict)
    closed: bool = False

    @classmethod
    def of(cls, grid: HourlyGrid, horizon_h: int, said: Mapping[str, ForecastSet]) -> Self:
        """Write down what forecasters said, by name, of the last hour of a grid that all of them read."""
        n = len(grid.keys)
        here = Points(np.arange(n), np.full(n, len(grid.times_ms) - 1))
        scale = scale_of(grid, here)
        return cls(
            int(grid.times_ms[-1]), horizon_h, grid.keys, scale.last, scale.s,
            np.full(n, np.nan), np.zeros(n, np.int64),
            {name: _law(grid, name, forecasts) for name, forecasts in said.items()},
        )  # fmt: skip

    @property
    def end_ms(self) -> int:
        """When the horizon is over."""
        return self.origin_ms + self.horizon_h * HOUR_MS

    def judged(self, grid: HourlyGrid, now_ms: int) -> "Sheet":
        """Return the sheet with the outcomes that a grid of `now_ms` knows; itself where that says nothing new."""
        if self.closed or min(now_ms, int(grid.times_ms[-1])) < self.end_ms:
            return self
        waits = np.isnan(self.outcome) & self._told()
        outcome = np.where(waits, self._realised(grid), self.outcome)
        found = waits & ~np.isnan(outcome)
        closed = bool((waits == found).all()) or now_ms > self.end_ms + GRACE_MS
        if not found.any() and not closed:
            return self
        known_ms = np.where(found, now_ms, self.known_ms)
        return replace(self, outcome=outcome, known_ms=known_ms, closed=closed)

    def rows(self, venue: str | None = None, symbol: str | None = None) -> NDArray[np.bool_]:
        """Tell which series are of a venue and a symbol; None: of any. (n,)."""
        return np.array(
            [venue in (None, key.venue) and symbol in (None, key.symbol) for key in self.keys], dtype=bool
        )

    def _told(self) -> NDArray[np.bool_]:
        told = np.zeros(len(self.keys), dtype=bool)
        for law in self.laws.values():
            told |= law.told
        return told

    def _realised(self, grid: HourlyGrid) -> Floats:
        """Return the mean rates per hour over the horizon; NaN unless every hour of it is known."""
        within = (grid.times_ms > self.origin_ms) & (grid.times_ms <= self.end_ms)
        if int(within.sum()) != self.horizon_h:
            return np.full(len(self.keys), np.nan)
        means = dict(zip(grid.keys, grid.paid[:, within].sum(axis=1) / self.horizon_h, strict=True))
        return np.array([means.get(key, np.nan) for key in self.keys], dtype=np.float64)


def _law(grid: HourlyGrid, name: str, forecasts: ForecastSet) -> Law:
    """Lay forecasts out by the rows of a grid.

    Series that the stand-in has forecast in another's name are left out, which would be compared with themselves, and
    laws that are none.
    """
    n = len(grid.keys)
    law = Law(np.full((n, len(LEVELS)), np.nan), np.full(n, np.nan))
    for row, key in enumerate(grid.keys):
        one = forecasts.marginals.get(key)
        borrowed = name != STAND_IN and forecasts.made_by.get(key) == STAND_IN
        if one is not None and not borrowed and sound(one):
            law.quantiles[row], law.p_up[row] = one.quantiles, one.p_up
    return law


def sound(one: RateForecast) -> bool:
    """Tell whether a forecast is a law: finite ascending quantiles, and a probability."""
    shaped = np.shape(one.quantiles) == LEVELS.shape
    finite = shaped and np.isfinite(one.quantiles).all() and 0.0 <= one.p_up <= 1.0
    return bool(finite and (np.diff(one.quantiles) >= -1e-15).all())


def unsound(forecasts: ForecastSet) -> Iterable[SeriesKey]:
    """Return the series whose forecasts are no laws."""
    return [key for key, one in forecasts.marginals.items() if not sound(one)]
