"""Joint scenarios of the own and the hedge venues' rates at every decision, as the daemon draws them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import LEVELS
from hedged.evaluation.hedging.history import HedgeHistory
from hedged.evaluation.hedging.laws import standing
from hedged.features.targets import HORIZONS, targets_of
from hedged.forecast.joint import Misses, draws_of, ranks_of, remembered, together

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MIDDLE = len(LEVELS) // 2


class Scenarios:
    """Draws on request; the order in which venues missed together is renewed once a day."""

    def __init__(self, history: HedgeHistory, told: Sequence[tuple[Ints, Floats]], horizon: str) -> None:
        self._ts_ms = history.ts_ms
        series = [history.series[key] for key in history.keys]
        self._law = np.stack(
            [standing(law, data, history.decided_ms) for law, data in zip(told, series, strict=True)], axis=1
        )  # (hours, venues, levels)
        parts = []
        for i, ((at_ms, law), data) in enumerate(zip(told, series, strict=True)):
            kept = remembered(at_ms)
            target = targets_of(
                data, at_ms[kept], int(data.funding_ts[-1]) + 1 if len(data.funding_ts) else 0
            )
            column = HORIZONS.index(horizon)
            missed = target.rate[:, column] - law[kept, MIDDLE]
            parts.append((at_ms[kept], np.full(int(kept.sum()), i), missed, target.ts_ms[:, column]))
        at, index, missed, known = (np.concatenate(p) for p in zip(*parts, strict=True))
        self._misses = Misses.of(at, index, missed[:, None], known[:, None], len(series))
        self._day, self._ranks = -1, np.empty(0, np.int64)

    def at(self, hour: int) -> Floats | None:
        """Return (venues, draws) at the hour of that place; None where the own venue has no forecast.

        A venue without one is NaN.
        """
        law = self._law[hour]
        if np.isnan(law[0]).any():
            return None
        day = int(self._ts_ms[hour]) // DAY_MS
        if day != self._day:
            self._day, self._ranks = day, ranks_of(together(self._misses.settled(day * DAY_MS)))
        draws: Floats = draws_of(law[:, None, :], self._ranks)[:, 0, :]
        return draws
