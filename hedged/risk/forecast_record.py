"""How the forecasts of coming settlements have lately done: how many settlements fell outside their 80 % band.

A fifth of them should. Whether a market's forecasts miss more often than a share p is judged by the tail of the
binomial law: were p the truth, so many misses of so many would be seen with at most the chance `TAIL`. Misses come in
clusters, which the law does not know; therefore p is set well above a fifth (`risk.max_miss_share`), not at it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import comb
from typing import Any, NamedTuple, Self

import numpy as np

from hedged.domain.bars import Observation
from hedged.domain.clock import DAY_MS
from hedged.domain.forecast import LEVELS, ForecastSet
from hedged.domain.market import SeriesKey
from hedged.forecast.awaited import Awaited

LOW, HIGH = (int(np.flatnonzero(level == LEVELS)[0]) for level in (0.1, 0.9))
LAST = 24
"""Settlements that are looked at: a day of Injective's, eight days of an exchange that settles every eight hours."""
OLDEST_MS = 14 * DAY_MS
FLOOR_PER_HOUR = 1e-8
"""Rates that are nearer to the band count as within: below a basis point a year, and what float32 makes of a rate."""
TAIL = 1e-3


class Misses(NamedTuple):
    """Of the last `of` settlements that had been forecast, `missed` fell outside the 80 % band."""

    missed: int
    of: int

    def surely_above(self, share: float) -> bool:
        """Tell whether so many misses would hardly be seen if the model missed that share of the time."""
        return _surely_above(self.missed, self.of, share)


@cache
def _surely_above(missed: int, of: int, share: float) -> bool:
    chances = (comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(missed, of + 1))
    return sum(chances) < TAIL


class ForecastRecord:
    """One record for each market. Another model begins anew: it has not missed anything yet."""

    def __init__(
        self, model_hash: str = "", judged: Mapping[SeriesKey, Iterable[tuple[int, bool]]] | None = None
    ) -> None:
        self._model = model_hash
        self._judged = {key: deque(of, maxlen=LAST) for key, of in (judged or {}).items()}
        self._awaited = Awaited()

    def look(self, now_ms: int, latest: Iterable[Observation], forecasts: ForecastSet) -> bool:
        """Judge what has settled since the last call; tell whether anything is new."""
        changed = forecasts.model_hash != self._model
        if changed:
            self._model, self._judged, self._awaited = forecasts.model_hash, {}, Awaited()
        for one in self._awaited.look(now_ms, latest, forecasts.coming):
            low, high = float(one.law[LOW]), float(one.law[HIGH])
            if not np.isfinite([low, high]).all():
                continue
            missed = one.rate < low - FLOOR_PER_HOUR or one.rate > high + FLOOR_PER_HOUR
            self._judged.setdefault(one.key, deque(maxlen=LAST)).append((one.ts_ms, missed))
            changed = True
        return changed

    def misses(self, now_ms: int) -> dict[SeriesKey, Misses]:
        """Return the recent misses of every market that has any record."""
        found = {}
        for key, judged in self._judged.items():
            recent = [missed for ts_ms, missed in judged if ts_ms > now_ms - OLDEST_MS]
            if recent:
                found[key] = Misses(sum(recent), len(recent))
        return found

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return {
            "model": self._model,
            "judged": [[*key, [[ts, int(missed)] for ts, missed in of]] for key, of in self._judged.items()],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; empty for an empty tree."""
        rows: Sequence[tuple[str, str, list[tuple[int, int]]]] = body.get("judged", [])
        return cls(
            body.get("model", ""),
            {SeriesKey(venue, symbol): [(ts, bool(m)) for ts, m in of] for venue, symbol, of in rows},
        )
