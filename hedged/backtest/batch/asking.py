"""Forecasts asked for as a run comes by: the forecaster sees what the daemon's buffer would hold at that instant."""

from collections.abc import Collection, Iterator

from hedged.adapters.replay.venue import observe_at
from hedged.backtest.batch.bars import chunks, followed
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.buffer.ring import RingBuffer
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.cycle import grid_mark
from hedged.domain.bars import Observation
from hedged.domain.clock import DAY_MS, SECOND_MS
from hedged.domain.forecast import ForecastSet
from hedged.features.resample import hourly
from hedged.forecast.port import Forecaster


class Asking:
    """Tells the law of one instant after another, never of an earlier one; memory does not grow with the window."""

    def __init__(
        self, forecaster: Forecaster, world: World, config: Config, symbols: Collection[str], window: Window
    ) -> None:
        self._forecaster, self._config = forecaster, config
        self._keys = tuple(followed(world, config, symbols))
        bar_ms = config.cycle.bar_s * SECOND_MS
        self._buffer = RingBuffer(self._keys, config.cycle.history_days * DAY_MS // bar_ms, bar_ms)
        self._bars = self._judged(world, window)
        self._now_ms, self._mark = 0, b""
        self._said: ForecastSet | None = None

    def at(self, now_ms: int) -> ForecastSet:
        """Return the law that stands at a bar's end. Raises ValueError for one that is past."""
        if now_ms < self._now_ms:
            raise ValueError("forecasts that are asked for cannot be asked for again")
        while self._now_ms < now_ms:
            self._now_ms, seen = next(self._bars)
            self._buffer.append(self._now_ms, seen)
        window = self._buffer.window()
        if self._said is None or grid_mark(window) != self._mark:
            self._mark = grid_mark(window)
            self._said = self._forecaster.forecast(hourly(window), now_ms, self._config.hedge.horizon_h)
        return self._said

    def _judged(self, world: World, window: Window) -> Iterator[tuple[int, list[Observation]]]:
        judge = Judge(self._config.quality, self._config.clock.speed)
        for times_ms in chunks(self._config, window):
            told = [(key, *observe_at(world.series, key, times_ms)) for key in self._keys]
            for bar, ts_ms in enumerate(times_ms.tolist()):
                seen = [Observation(key, ts_ms, values[bar], known_ms[bar]) for key, values, known_ms in told]
                yield ts_ms, judge.look(ts_ms, seen).bars
