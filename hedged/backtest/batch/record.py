"""`risk.forecast_record` at every bar of a chunk at once: how many of the last settlements left their band."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.batch.bars import Floats, Instants
from hedged.backtest.batch.seen import Seen
from hedged.domain.bars import Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import ForecastSet
from hedged.domain.market import SeriesKey
from hedged.risk.forecast_record import FLOOR_PER_HOUR, LAST, OLDEST_MS, Misses

Flags = NDArray[np.bool_]


@dataclass(slots=True)
class _Series:
    """What is remembered of one series from one chunk to the next."""

    last_ms: int = 0
    told: tuple[int, float, float] | None = None
    judged_ms: Instants = field(default_factory=lambda: np.empty(0, np.int64))
    missed: Flags = field(default_factory=lambda: np.empty(0, np.bool_))


class Record:
    """Stands where the gate's facts keep a `ForecastRecord`; `at`: the bar that is asked about."""

    def __init__(self, keys: tuple[SeriesKey, ...], max_miss_share: float) -> None:
        self._keys = keys
        self._series = [_Series() for _ in keys]
        self._above = np.array(
            [
                [Misses(min(m, of), of).surely_above(max_miss_share) for m in range(LAST + 1)]
                for of in range(LAST + 1)
            ]
        )
        self._missed = self._of = np.zeros((len(keys), 0), np.int64)
        self.at = 0

    def then(self, seen: Seen, low: Floats, high: Floats) -> Flags:
        """Judge the settlements of a chunk; return where a market misses too often, (series, bars).

        low, high: (series, bars), the band of the coming settlement by the law of each bar, NaN where none is told.
        """
        rows = [_judged(self._series[i], seen, i, low[i], high[i]) for i in range(len(self._keys))]
        self._missed, self._of = (np.stack(x) for x in zip(*rows, strict=True))
        out: Flags = self._above[self._of, self._missed]
        return out

    def misses(self, now_ms: int) -> dict[SeriesKey, Misses]:
        """See `ForecastRecord.misses`."""
        counts = zip(
            self._keys, self._missed[:, self.at].tolist(), self._of[:, self.at].tolist(), strict=True
        )
        return {key: Misses(missed, of) for key, missed, of in counts if of}

    def look(self, now_ms: int, latest: Iterable[Observation], forecasts: ForecastSet) -> bool:
        """Take nothing in: the whole chunk is judged already."""
        return False

    def to_json(self) -> dict[str, Any]:
        """Keep nothing."""
        return {}


def _judged(one: _Series, seen: Seen, row: int, low: Floats, high: Floats) -> tuple[Instants, Instants]:
    """Return by bar how many of how many settlements missed."""
    times_ms, settled, n = seen.times_ms, seen.settled_ms[row], len(seen.times_ms)
    rate, span_ms = seen.rate[row], np.nan_to_num(seen.hours[row]) * HOUR_MS
    valid = settled > 0
    before = np.maximum.accumulate(np.concatenate(([one.last_ms], np.where(valid, settled, 0))))
    fresh = valid & (settled > before[:-1]) & (before[:-1] > 0)
    told = valid & ~np.isnan(low) & (times_ms < settled + span_ms)
    latest = np.maximum.accumulate(np.concatenate(([-1], np.where(told, np.arange(n), -1))))
    carried = one.told or (-1, np.nan, np.nan)
    had = latest[:-1]
    made_ms, least, most = (
        np.where(had >= 0, values[had], old)
        for values, old in zip((times_ms, low, high), carried, strict=True)
    )
    found = fresh & (made_ms >= 0) & (settled - span_ms <= made_ms) & (made_ms < settled)
    found &= np.isfinite(least) & np.isfinite(most)
    missed = (rate < least - FLOOR_PER_HOUR) | (rate > most + FLOOR_PER_HOUR)
    judged_ms = np.concatenate((one.judged_ms, settled[found]))
    counts = np.concatenate(([0], np.cumsum(np.concatenate((one.missed, missed[found])))))
    known = len(one.judged_ms) + np.cumsum(found)
    first = np.maximum(known - LAST, np.searchsorted(judged_ms, times_ms - OLDEST_MS, side="right"))
    first = np.minimum(first, known)
    one.last_ms = int(before[-1])
    if latest[-1] >= 0:
        one.told = (int(times_ms[latest[-1]]), float(low[latest[-1]]), float(high[latest[-1]]))
    one.missed = np.concatenate((one.missed, missed[found]))[-LAST:]
    one.judged_ms = judged_ms[-LAST:]
    return counts[known] - counts[first], known - first
