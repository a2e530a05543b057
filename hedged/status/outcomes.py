"""How the forecasts of settlements have done in this life of the process, market by market."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from hedged.cycle import CycleReport
from hedged.domain.bars import Observation
from hedged.domain.forecast import LEVELS
from hedged.domain.market import SeriesKey
from hedged.forecast.awaited import Awaited
from hedged.risk.forecast_record import FLOOR_PER_HOUR, LAST
from hedged.status.document import Settled

LOW, MEDIAN, HIGH = (int(np.flatnonzero(level == LEVELS)[0]) for level in (0.1, 0.5, 0.9))


class Outcome(NamedTuple):
    """The latest settlement that had been forecast, and the mean distance from the median of the latest, per hour."""

    last: Settled
    mean_error: float


class Outcomes:
    """`settled`: by market, the latest settlements that had been forecast, oldest first."""

    def __init__(self) -> None:
        self._awaited = Awaited()
        self.settled: dict[SeriesKey, deque[Settled]] = {}

    def look(self, report: CycleReport, latest: Iterable[Observation]) -> None:
        """Score what has settled since the last cycle, and take over its forecasts."""
        for one in self._awaited.look(report.now_ms, latest, report.forecasts.coming):
            low, middle, high = (float(one.law[i]) for i in (LOW, MEDIAN, HIGH))
            if not np.isfinite([low, middle, high, one.rate]).all():
                continue
            inside = low - FLOOR_PER_HOUR <= one.rate <= high + FLOOR_PER_HOUR
            self.settled.setdefault(one.key, deque(maxlen=LAST)).append(
                Settled(ts_ms=one.ts_ms, rate=one.rate, p10=low, p50=middle, p90=high, inside=inside)
            )

    def told(self) -> dict[SeriesKey, Outcome]:
        """Return how each market's forecasts did; without those of which none has settled."""
        return {
            key: Outcome(found[-1], float(np.mean([abs(one.rate - one.p50) for one in found])))
            for key, found in self.settled.items()
        }
