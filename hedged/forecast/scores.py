"""How the forecasts that size hedges have done, beside an EWMA's of the same hours: what shows that a model drifts.

A forecast is the law of a mean rate over the horizon, so it is judged when the horizon is over and every settlement
within it is known. The loss is the pinball loss, mean over LEVELS, in rate per hour; a venue's ratio is the model's sum
over its markets and the last weeks ÷ the EWMA's. Below 1 the model is worth having; above it the simplest
forecaster would have done better. They are taken every few hours: neighbours have nearly one outcome.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.forecast import LEVELS, STAND_IN, ForecastSet
from hedged.domain.market import SeriesKey
from hedged.features.resample import HourlyGrid

EVERY_MS = 8 * HOUR_MS
KEPT_MS = 21 * DAY_MS
"""Three weeks of outcomes: at three forecasts a day, 63 of each market."""


class Score(NamedTuple):
    """`ratio`: loss ÷ the EWMA's, None where the EWMA lost nothing; `of`: how many forecasts that rests on."""

    ratio: float | None
    of: int


class Judged(NamedTuple):
    """A venue's losses of the forecasts that were made at one hour, summed over `of` markets."""

    origin_ms: int
    venue: str
    loss: float
    ewma_loss: float
    of: int


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A forecast whose horizon is not over: quantiles (len(LEVELS),) of the model and of the EWMA."""

    origin_ms: int
    horizon_h: int
    key: SeriesKey
    law: NDArray[np.float64]
    ewma_law: NDArray[np.float64]


class Scores:
    """Forecasts that wait for their outcome, and the losses of those that have it. Another model begins anew."""

    def __init__(
        self,
        model_hash: str = "",
        awaiting: Iterable[Awaiting] = (),
        judged: Iterable[Judged] = (),
        taken_ms: int = 0,
    ) -> None:
        """`taken_ms`: hour of the grid that was taken last."""
        self._model, self._awaiting, self._judged = model_hash, list(awaiting), list(judged)
        self._taken_ms = taken_ms

    def due(self, now_ms: int) -> bool:
        """Tell whether other forecasts are to be taken."""
        return now_ms // EVERY_MS != self._taken_ms // EVERY_MS

    def take(self, grid: HourlyGrid, told: ForecastSet, ewma: ForecastSet) -> None:
        """Judge what has come, and keep the forecasts of now for later: both were made of this grid.

        Series that the stand-in has forecast are left out: they would be compared with themselves.
        """
        if told.model_hash != self._model:
            self._model, self._awaiting, self._judged = told.model_hash, [], []
        if not len(grid.times_ms):
            return
        origin_ms = self._taken_ms = int(grid.times_ms[-1])
        self._judge(grid, origin_ms)
        for key in told.keys:
            if told.made_by.get(key) != STAND_IN and key in ewma.marginals:
                laws = (told.marginals[key].quantiles, ewma.marginals[key].quantiles)
                self._awaiting.append(Awaiting(origin_ms, round(told.horizon_h), key, *laws))

    def _judge(self, grid: HourlyGrid, now_ms: int) -> None:
        over = [one for one in self._awaiting if one.origin_ms + one.horizon_h * HOUR_MS <= now_ms]
        self._awaiting = [one for one in self._awaiting if one.origin_ms + one.horizon_h * HOUR_MS > now_ms]
        sums: dict[tuple[int, str], Judged] = {}
        for one in over:
            rate = _realised(grid, one)
            if np.isnan(rate):
                continue  # a settlement that is not known: not judged, never taken for zero
            at = (one.origin_ms, one.key.venue)
            before = sums.get(at, Judged(*at, 0.0, 0.0, 0))
            losses = (before.loss + pinball(one.law, rate), before.ewma_loss + pinball(one.ewma_law, rate))
            sums[at] = Judged(*at, *losses, before.of + 1)
        self._judged = [one for one in (*self._judged, *sums.values()) if one.origin_ms > now_ms - KEPT_MS]

    def of_venues(self) -> dict[str, Score]:
        """Return the score of every venue of which any forecast has been judged."""
        found = {}
        for venue in sorted({one.venue for one in self._judged}):
            here = [one for one in self._judged if one.venue == venue]
            ewma_loss = sum(one.ewma_loss for one in here)
            ratio = sum(one.loss for one in here) / ewma_loss if ewma_loss > 0 else None
            found[venue] = Score(ratio, sum(one.of for one in here))
        return found

    def to_json(self) -> dict[str, Any]:
        """Turn into a plain tree for the journal."""
        return {
            "model": self._model,
            "awaiting": [
                [one.origin_ms, one.horizon_h, *one.key, one.law.tolist(), one.ewma_law.tolist()]
                for one in self._awaiting
            ],
            "judged": [list(one) for one in self._judged],
            "taken_ms": self._taken_ms,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; empty for an empty tree."""
        awaiting = [
            Awaiting(origin_ms, horizon_h, SeriesKey(venue, symbol), np.array(law), np.array(ewma_law))
            for origin_ms, horizon_h, venue, symbol, law, ewma_law in body.get("awaiting", ())
        ]
        judged = [Judged(*one) for one in body.get("judged", ())]
        return cls(body.get("model", ""), awaiting, judged, body.get("taken_ms", 0))


def pinball(law: NDArray[np.float64], rate: float) -> float:
    """Return the mean pinball loss of quantiles at LEVELS. Source: Koenker & Bassett 1978."""
    beyond = rate - law
    return float(np.maximum(LEVELS * beyond, (LEVELS - 1.0) * beyond).mean())


def _realised(grid: HourlyGrid, one: Awaiting) -> float:
    """Return the mean rate per hour over a forecast's horizon; NaN unless every hour of it is known."""
    if one.key not in grid.row:
        return float("nan")
    end_ms = one.origin_ms + one.horizon_h * HOUR_MS
    within = (grid.times_ms > one.origin_ms) & (grid.times_ms <= end_ms)
    paid = grid.paid[grid.row[one.key], within]
    return float(paid.sum() / one.horizon_h) if len(paid) == one.horizon_h else float("nan")
