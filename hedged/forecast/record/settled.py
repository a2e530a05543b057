"""How the forecasts of coming settlements did: of every one the law that was told last, beside what the rate was.

Persistence, the rate that had settled before, is what a call of direction is held against.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from hedged.domain.bars import Field, Observation
from hedged.domain.market import SeriesKey
from hedged.forecast.awaited import Awaited
from hedged.forecast.probability import share_above
from hedged.forecast.record.losses import Floats, called, distance, inside, moved
from hedged.forecast.record.sheet import Sheet


class Tally(IntEnum):
    """What is summed over settlements of a series: how many, inside the 80 % band, direction called and it moved,
    called rightly, |q50 − rate| and |last − rate| in units of s.
    """

    OF = 0
    INSIDE = 1
    CALLED = 2
    RIGHT = 3
    ERROR = 4
    BASE = 5


@dataclass(frozen=True, slots=True)
class Came:
    """A settlement, per hour, the law (levels,) of it that was told last, and the rate that had settled before."""

    key: SeriesKey
    law: Floats
    last: float
    rate: float


class Settlements:
    """Finds settlements that had been forecast, each once. Another forecaster begins anew: it loses those now due."""

    def __init__(self) -> None:
        self._name, self._awaited = "", Awaited()
        self._last: dict[SeriesKey, float] = {}

    def look(
        self, now_ms: int, latest: Sequence[Observation], name: str, coming: Mapping[SeriesKey, Floats]
    ) -> list[Came]:
        """Return what has settled since the last call; `coming`: what `name` says at `now_ms`, see `Awaited.look`."""
        if name != self._name:
            self._name, self._awaited = name, Awaited()
        found = [
            Came(one.key, one.law, self._last[one.key], one.rate)
            for one in self._awaited.look(now_ms, latest, coming)
            if one.key in self._last and np.isfinite(one.law).all()
        ]
        for seen in latest:
            if not np.isnan(rate := float(seen.values[Field.FUNDING_SETTLED])):
                self._last[seen.key] = rate
        return found


def tallied(sheet: Sheet, name: str, found: Iterable[Came]) -> Sheet:
    """Return the sheet with more settlements; those of series without s are left out."""
    row = {key: at for at, key in enumerate(sheet.keys)}
    known = [one for one in found if one.key in row and not np.isnan([sheet.s[row[one.key]], one.last]).any()]
    if not known:
        return sheet
    laws, at = np.array([one.law for one in known]), [row[one.key] for one in known]
    last, rate = (np.array([getattr(one, what) for one in known]) for what in ("last", "rate"))
    s = sheet.s[at]
    hit = called(share_above((laws - last[:, None]) / s[:, None])) * moved(last, rate)
    away = np.abs(last - rate) * (moved(last, rate) != 0)
    sums = sheet.settled[name].copy() if name in sheet.settled else np.zeros((len(row), len(Tally)))
    more = (np.ones(len(known)), inside(laws, rate), hit != 0, hit > 0, distance(laws, rate) / s, away / s)
    np.add.at(sums, at, np.column_stack(more))
    return replace(sheet, settled={**sheet.settled, name: sums})
