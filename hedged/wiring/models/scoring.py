"""Scores of the running daemon's forecasts: taken a few times a day, kept in the journal, told as metrics."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from hedged.app import App
from hedged.buffer.ring import BarWindow
from hedged.domain.clock import DAY_MS
from hedged.domain.errors import NoJournal
from hedged.domain.forecast import ForecastSet
from hedged.execution.journal.store import JournalStore
from hedged.features.resample import HourlyGrid, hourly
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.scores import Scores
from hedged.telemetry.metrics import Metrics

STATE = "forecast_scores"
EVERY_S = 60.0
WINDOW_MS = 30 * DAY_MS
"""Of the past, so much is laid out: the EWMA learns its bands from it."""


@dataclass(slots=True)
class Scoring:
    """`app`: returns what is scored, None before there is any; `in_real_time`: else looked at with every cycle.

    `run` is one task with one owner.
    """

    app: Callable[[], App | None]
    metrics: Metrics
    in_real_time: bool = True
    _scores: Scores | None = None
    _ewma: EwmaForecaster = field(default_factory=EwmaForecaster)

    async def run(self) -> None:
        """Look every minute until cancelled; mostly there is nothing to do."""
        while True:
            app = self.app()
            every_s = EVERY_S if self.in_real_time or app is None else app.parts.config.cycle.interval_s
            await asyncio.sleep(every_s)
            with suppress(
                NoJournal
            ):  # told by the journal; what was not kept is judged again after a restart
                await self.look()

    async def look(self) -> None:
        """Take the latest forecasts where they are due, and tell how earlier ones have done. Raises NoJournal."""
        app = self.app()
        last = app.progress.last if app else None
        if app is None or last is None or not last.forecasts.keys:
            return
        if self._scores is None:
            self._scores = Scores.from_json(await app.parts.journal(JournalStore.load_state, STATE))
            self._tell()
        if not self._scores.due(last.now_ms):
            return
        buffer = app.cycle.buffer
        if buffer.last_ms is not None and buffer.last_ms > last.now_ms:
            return  # a cycle is running: the EWMA would know more than the forecasts did
        seen = buffer.window(WINDOW_MS // buffer.bar_ms)
        # a copy: the buffer goes on while it is read
        copied = replace(seen, times_ms=seen.times_ms.copy(), values=seen.values.copy())
        grid, ewma = await asyncio.get_running_loop().run_in_executor(
            None, _ewma_of, self._ewma, copied, last.forecasts
        )
        self._scores.take(grid, last.forecasts, ewma)
        self._tell()
        await app.parts.journal(JournalStore.save_state, STATE, self._scores.to_json())

    def _tell(self) -> None:
        assert self._scores is not None
        self.metrics.loss_ratio.clear()
        self.metrics.scored.clear()
        for venue, score in self._scores.of_venues().items():
            self.metrics.scored.labels(venue).set(score.of)
            if score.ratio is not None:
                self.metrics.loss_ratio.labels(venue).set(score.ratio)


def _ewma_of(ewma: EwmaForecaster, window: BarWindow, told: ForecastSet) -> tuple[HourlyGrid, ForecastSet]:
    grid = hourly(window)
    return grid, ewma.forecast(grid, told.made_at_ms, round(told.horizon_h))
