"""Settlements beside their forecast: each is found once, with the law that was in force before it.

The funding hedge's own forecast is the mean of a day; its forecaster tells the coming settlement beside it
(`ForecastSet.coming`), and where it does not, nothing is found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.bars import Field, Observation
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.market import SeriesKey


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement, `rate` per hour, and the quantiles (levels,) of it that were told last."""

    key: SeriesKey
    ts_ms: int
    rate: float
    law: NDArray[np.float64]


class Awaited:
    """Remembers, of every market, the forecast of the settlement that is due, and which came last."""

    def __init__(self) -> None:
        self._told: dict[SeriesKey, tuple[int, NDArray[np.float64]]] = {}
        self._last_ms: dict[SeriesKey, int] = {}

    def look(
        self,
        now_ms: int,
        latest: Iterable[Observation],
        coming: Mapping[SeriesKey, NDArray[np.float64]],
    ) -> list[Settled]:
        """Return what has settled since the last call with its forecast; then take over the new forecasts.

        `coming`: quantiles of the coming settlement's rate per hour, made by `now_ms`.
        """
        found = []
        for seen in latest:
            rate, hours = (float(seen.values[f]) for f in (Field.FUNDING_SETTLED, Field.SETTLED_INTERVAL_H))
            ago_s = float(seen.values[Field.SETTLED_AGO_S])
            if np.isnan([rate, hours, ago_s]).any():
                continue
            ts_ms = round((seen.ts_ms - ago_s * 1_000) / MINUTE_MS) * MINUTE_MS
            before = self._last_ms.get(seen.key)
            if before is not None and ts_ms > before and seen.key in self._told:
                made_ms, law = self._told[seen.key]
                # one that is older than its interval was made of an earlier settlement
                if ts_ms - hours * HOUR_MS <= made_ms < ts_ms:
                    found.append(Settled(seen.key, ts_ms, rate, law))
            self._last_ms[seen.key] = max(ts_ms, before or 0)
            overdue = now_ms >= ts_ms + hours * HOUR_MS  # a forecast made now would be of the one after it
            if seen.key in coming and not overdue:
                self._told[seen.key] = (now_ms, coming[seen.key])
        return found
