"""Whether a model is fit to serve, by how its forecasts went. Pure.

One that fails gives way to the stand-in after so many forecasts in a row, and is tried again after an hour, then after
two, four, and so on up to a day: it cannot flap. One that served well for a day in between begins with an hour again.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.features.resample import HourlyGrid

SILENT_SHARE = 0.5
"""Of the series that it usually forecasts, among those whose settlements are known: fewer is silence."""


class Cause(StrEnum):
    """Why a model gives way."""

    MISSING = "missing"
    RAISES = "raises"
    HANGS = "hangs"
    SLOW = "slow"
    SILENT = "silent"
    DRIFT = "drift"


ALWAYS = (Cause.MISSING, Cause.RAISES, Cause.HANGS)
"""Then there is nothing to go by but the stand-in, whatever the configuration says."""
IN_A_ROW = {Cause.HANGS: 1, Cause.RAISES: 2, Cause.SILENT: 2, Cause.SLOW: 3}
FIRST_MS, LONGEST_MS, FORGIVEN_MS = HOUR_MS, DAY_MS, DAY_MS


@dataclass(frozen=True, slots=True)
class Heard:
    """How one forecast went. `failed`: what it raised, or that it does not answer; `spoke`: so many series the model
    itself forecast, `of`: of so many the last settlement is known and not overdue.
    """

    at_ms: int
    model_hash: str
    took_s: float
    failed: str
    hangs: bool
    spoke: int
    of: int

    @property
    def share(self) -> float:
        """Share of the series that could be forecast; NaN where none could."""
        return self.spoke / self.of if self.of else float("nan")


def heard(
    told: ForecastSet, grid: HourlyGrid, now_ms: int, took_s: float, failed: str, *, hangs: bool = False
) -> Heard:
    """Describe a forecast of a grid; what is not a number was not forecast."""
    known = ~np.isnan(grid.level[:, -1:]).all(axis=1) & ~np.isnan(grid.paid[:, -2:]).all(axis=1)
    spoke = sum(
        told.made_by.get(key) != STAND_IN and bool(np.isfinite(told.marginals[key].quantiles).all())
        for key in told.keys
    )
    return Heard(now_ms, told.model_hash, took_s, failed, hangs, spoke, int(known.sum()))


@dataclass(slots=True)
class Fitness:
    """Of one model. `slow_s`: a forecast that takes longer is slow; `share`: most of the series that it forecast."""

    slow_s: float
    share: float = 0.0
    _row: Counter[Cause] = field(default_factory=Counter)
    _last_ms: int = -1

    def hear(self, one: Heard) -> tuple[Cause, str] | None:
        """Take a forecast in; return why the model is to give way, if it is. The same forecast counts once."""
        if one.at_ms == self._last_ms:
            return None
        self._last_ms = one.at_ms
        found = self._wrong(one)
        self._row = Counter({cause: self._row[cause] + 1 for cause in found})
        self.share = max(self.share, one.share) if one.of and not one.failed else self.share
        for cause, why in found.items():
            if self._row[cause] >= IN_A_ROW[cause]:
                return cause, why
        return None

    def _wrong(self, one: Heard) -> dict[Cause, str]:
        if one.failed:
            return {Cause.HANGS if one.hangs else Cause.RAISES: one.failed}
        found = {}
        if one.took_s > self.slow_s:
            found[Cause.SLOW] = f"a forecast took {one.took_s:.0f} s, more than models.slow_s"
        if one.of and one.share < SILENT_SHARE * self.share:
            found[Cause.SILENT] = (
                f"it forecast {one.spoke} of {one.of} series, before {self.share:.0%} of them"
            )
        return found


@dataclass(frozen=True, slots=True)
class Bench:
    """A model that gave way: since when, why, how often in short order, and when it is tried again."""

    cause: Cause
    why: str
    since_ms: int
    times: int = 1

    @property
    def again_ms(self) -> int:
        """When it is tried again; a model that drifts is not tried, it is compared."""
        return self.since_ms + min(FIRST_MS << min(self.times - 1, 10), LONGEST_MS)


def benched(cause: Cause, why: str, now_ms: int, before: Bench | None, served_ms: int) -> Bench:
    """Bench a model. `before`: how it gave way the last time, `served_ms`: since when it has served after that."""
    again = before is not None and now_ms - served_ms < FORGIVEN_MS
    return Bench(cause, why, now_ms, before.times + 1 if again and before else 1)
