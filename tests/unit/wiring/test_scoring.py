"""The daemon scores its own forecasts: a few times a day, off the loop, kept in the journal."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from observations import START_MS, observation

from hedged.buffer.ring import RingBuffer
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS, ForecastSet, RateForecast
from hedged.domain.market import SeriesKey
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models.scoring import STATE, Scoring

KEY = SeriesKey("injective", "INJ")
FROM_H, TO_H = 144, 208  # the EWMA needs four days


class Daemon:
    """What Scoring sees of an app: a buffer that fills hour by hour, the latest forecast, a journal."""

    def __init__(self) -> None:
        self.buffer = RingBuffer([KEY], 24 * 30, HOUR_MS)
        self.kept: dict[str, Any] = {}
        self.saves = 0
        self.cycle = SimpleNamespace(buffer=self.buffer)
        self.progress = SimpleNamespace(last=None)
        self.parts = SimpleNamespace(journal=self.journal)

    async def journal(self, what: Any, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if body is not None:
            self.kept[name], self.saves = dict(body), self.saves + 1
        return dict(self.kept.get(name, {}))

    def hour(self, hour: int, error: float) -> None:
        """Settle an hour, and forecast the mean of what comes to within `error` times its usual swing."""
        now_ms = START_MS + hour * HOUR_MS
        values = {
            Field.MARK: 25.0, Field.FUNDING_SETTLED: rate(hour),
            Field.SETTLED_INTERVAL_H: 1.0, Field.SETTLED_AGO_S: 0.0,
        }  # fmt: skip
        self.buffer.append(now_ms, [observation(KEY, now_ms, values)])
        mean = np.mean([rate(hour + h) for h in range(1, 25)]) + error * 1e-5
        law = RateForecast(KEY, now_ms, 24, mean, np.full(len(LEVELS), mean), 0.5)
        made = ForecastSet(now_ms, 24, (KEY,), {KEY: law}, np.empty((1, 1)), "m", "f")
        self.progress.last = SimpleNamespace(now_ms=now_ms, forecasts=made)


def rate(hour: int) -> float:
    return float(2e-5 * (1 + np.sin(hour / 20)))


@pytest.mark.parametrize(("error", "better"), [(0.01, True), (5.0, False)])
def test_a_model_is_told_apart_from_one_that_has_drifted(error: float, *, better: bool) -> None:
    """If this fails, the alert on drift fires for a good model or stays silent for a bad one, or a restart forgets."""
    daemon, metrics = Daemon(), Metrics()

    def told(name: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"venue": "injective"})

    async def main() -> None:
        scoring = Scoring(lambda: daemon, metrics)  # type: ignore[arg-type, return-value]
        await scoring.look()  # before the first cycle there is nothing
        for hour in range(TO_H):
            daemon.hour(hour, error)
            if hour >= FROM_H:
                await scoring.look()

    asyncio.run(main())
    assert daemon.saves == (TO_H - FROM_H) // 8, "three a day"
    ratio, scored = told("hedged_forecast_loss_ratio"), told("hedged_forecasts_scored")
    assert ratio is not None
    assert (ratio < 0.1) if better else (ratio > 2)
    assert scored == (TO_H - FROM_H - 24) // 8

    again = Metrics()
    asyncio.run(Scoring(lambda: daemon, again).look())  # type: ignore[arg-type, return-value]
    assert again.registry.get_sample_value("hedged_forecast_loss_ratio", {"venue": "injective"}) == ratio
    assert STATE in daemon.kept
