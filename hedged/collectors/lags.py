"""How far behind a venue's reports are, by kind of value: how much of the present a value is.

Three different things: a value's *age* is how long ago it was last confirmed (the board knows it), its *lag* how much
later than the venue's own stamp it arrived (clock offset included), its *period* how often it changes at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hedged.collectors.updates import Update
from hedged.domain.bars import Field
from hedged.domain.clock import DAY_MS, SECOND_MS

GROUPS: Mapping[Field, str] = {
    Field.MARK: "price",
    Field.FUNDING_ESTIMATE: "funding",
    Field.OPEN_INTEREST: "open_interest",
}
"""One field stands for each kind of value; few, because each is a series of a metric."""
SMOOTHING = 0.05
"""Weight of the latest change in the mean period of a kind."""


@dataclass(slots=True)
class Lags:
    """Measures one venue."""

    _changed: dict[tuple[str, Field], tuple[float, int]] = field(default_factory=dict)
    _period_s: dict[Field, float] = field(default_factory=dict)
    _sum_ms: dict[Field, int] = field(default_factory=dict)
    _count: dict[Field, int] = field(default_factory=dict)

    def saw(self, update: Update, received_ms: int) -> None:
        """Take an update into account. A stamp that is further than a day from its receipt tells no lag."""
        lag_ms = received_ms - update.venue_ms
        if abs(lag_ms) > DAY_MS:
            return
        for one in GROUPS:
            value = update.values.get(one)
            if value is None:
                continue
            self._sum_ms[one] = self._sum_ms.get(one, 0) + lag_ms
            self._count[one] = self._count.get(one, 0) + 1
            key = (update.symbol, one)
            before = self._changed.get(key)
            if before is None:
                self._changed[key] = (value, received_ms)
            elif before[0] != value:
                self._changed[key] = (value, received_ms)
                took_s = (received_ms - before[1]) / SECOND_MS
                mean_s = self._period_s.get(one, took_s)
                self._period_s[one] = mean_s + SMOOTHING * (took_s - mean_s)

    def lags_s(self) -> dict[str, float]:
        """Return the mean lag by kind since the last call, in seconds; below zero when our clock is behind."""
        found = {
            GROUPS[one]: self._sum_ms[one] / count / SECOND_MS for one, count in self._count.items() if count
        }
        self._sum_ms.clear()
        self._count.clear()
        return found

    def periods_s(self) -> dict[str, float]:
        """Return the mean time between changes by kind, in seconds; kinds that have not changed yet are missing."""
        return {GROUPS[one]: period_s for one, period_s in self._period_s.items()}
