"""What a cycle does on its own: a model that fails is told of, and ends nothing."""

from typing import Any

from fakes import HERE, THERE

from hedged.backtest.virtual_time import run_virtually
from hedged.buffer.ring import RingBuffer
from hedged.domain.bars import Field, blank_observation
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.forecast import ForecastSet
from hedged.features.moments import Moments
from hedged.features.resample import FEATURE_HASH, HourlyGrid
from hedged.forecast.models.fitness import Heard
from hedged.thinking import Thinking


class Broken:
    """A model whose input has not the shape that it was made for."""

    model_hash, feature_hash = "broken", FEATURE_HASH

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> Any:
        raise ValueError("expected 48 rows, got 24")


def test_a_forecaster_that_raises_forecasts_nothing_and_ends_nothing() -> None:
    """If this fails, one bad input to the model ends the daemon, and with it stops and kill switch."""
    buffer = RingBuffer([HERE, THERE], 96, 15 * MINUTE_MS)
    for bar in range(1, 9):
        seen = [blank_observation(key, bar * 15 * MINUTE_MS) for key in (HERE, THERE)]
        for one in seen:
            one.values[Field.MARK] = 100.0
            one.known_at_ms[Field.MARK] = bar * 15 * MINUTE_MS
        buffer.append(bar * 15 * MINUTE_MS, seen)

    async def main() -> tuple[ForecastSet, Moments, Heard | None]:
        thinking = Thinking(slow_s=20)
        return *await thinking.of(Broken(), buffer.window(), 2 * HOUR_MS, 24), thinking.last

    told, moved, last = run_virtually(main)
    assert last is not None
    assert last.failed == "ValueError: expected 48 rows, got 24"
    assert (told.keys, told.scenarios.shape, told.model_hash) == ((), (1, 0), "broken")
    assert moved is not None
