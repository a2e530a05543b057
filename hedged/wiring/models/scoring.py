"""Scores of the running daemon's forecasts: taken a few times a day, kept in the journal, told as metrics.

The model that serves, the EWMA and whoever runs in shadow forecast from the same grid. One that fails costs its own
scores alone.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from hedged.app import App
from hedged.buffer.ring import BarWindow
from hedged.cycle import CycleReport
from hedged.domain.clock import DAY_MS, HOUR_MS, iso
from hedged.domain.errors import NoJournal
from hedged.domain.forecast import STAND_IN, ForecastSet
from hedged.execution.journal.score_table import Row, drop_state, load_sheets, save_sheets
from hedged.features.resample import hourly
from hedged.forecast.ewma import EwmaForecaster
from hedged.forecast.port import Forecaster
from hedged.forecast.record.book import ScoreBook
from hedged.forecast.record.measures import Reckoning, reckoned
from hedged.forecast.record.settled import Settlements, tallied
from hedged.forecast.record.sheet import Sheet
from hedged.forecast.record.stored import StoredSheet, restored, stored
from hedged.telemetry.metrics import Metrics
from hedged.telemetry.scores import publish_scores
from hedged.wiring.models.asking import Asking
from hedged.wiring.models.serving import Served
from hedged.wiring.models.threads import off_loop

EARLIER_STATE = "forecast_scores"
"""Where journals of version 4 kept sums of losses."""
EVERY_S, FIRST_S = 60.0, 2.0
WINDOW_MS = 30 * DAY_MS
"""Of the past, so much is laid out: the EWMA learns its bands from it. Shadows read all."""
EARLIER_MS = 2 * DAY_MS

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Scoring:
    """`app`: returns what is scored, None before there is any; `served`: who forecasts; `in_real_time`: else looked at
    with every cycle; `shadows`: whom else to ask, by name.

    `book`, `told`: None until they have been read; `failed`: who of those that were asked last said nothing of use, and
    why. `run` is one task with one owner.
    """

    app: Callable[[], App | None]
    metrics: Metrics
    served: Callable[[], Served]
    in_real_time: bool = True
    shadows: Callable[[], Mapping[str, Forecaster]] = dict
    book: ScoreBook | None = None
    told: Reckoning | None = None
    failed: dict[str, str] = field(default_factory=dict)
    _ewma: EwmaForecaster = field(default_factory=EwmaForecaster)
    _asking: Asking = field(default_factory=Asking)
    _settlements: Settlements = field(default_factory=Settlements)
    _seen: CycleReport | None = None
    _judged_bar_ms: int = 0
    _unsaved: dict[int, Sheet] = field(default_factory=dict)

    async def run(self) -> None:
        """Look every minute until cancelled, at first more often; mostly there is nothing to do."""
        while True:
            app = self.app()
            every_s = FIRST_S if self.in_real_time and self.book is None else EVERY_S
            if not self.in_real_time and app is not None:
                every_s = app.parts.config.cycle.interval_s
            await asyncio.sleep(every_s)
            with suppress(NoJournal):  # told by the journal; what was not kept is kept at the next look
                await self.look()

    async def look(self) -> None:
        """Judge what has come, take the latest forecasts where they are due, and tell how all did. Raises NoJournal."""
        app = self.app()
        last = app.progress.last if app else None
        if app is None or last is None:
            return
        book, last_ms = self.book or await self._read(app, last.now_ms), app.cycle.buffer.last_ms
        if last is self._seen or last_ms is None or last_ms > last.now_ms:
            return  # or a cycle is running: the others would know more than the forecasts did
        self._seen = last
        name = self._name(last.forecasts)
        if name is not None:
            self._settle(app, last, name)
        await self._judge(app, book, last.now_ms, last_ms)
        if name is not None and book.due(last.now_ms) and app.cycle.buffer.last_ms == last_ms:
            await self._take(app, book, last, name)
        name = name or (self.told.serving if self.told else STAND_IN)
        if self._unsaved or self.told is None or self.told.serving != name:
            await self._tell(book, last.now_ms, name)
        if self._unsaved:
            await self._keep(app, book)

    async def _read(self, app: App, now_ms: int) -> ScoreBook:
        """Read what an earlier run has kept."""
        if await app.parts.journal(drop_state, EARLIER_STATE):
            log.info("forecast_scores_begin_anew", why="an earlier version kept sums, which name no model")
        rows = await app.parts.journal(load_sheets)
        self.book = ScoreBook(await off_loop(lambda: list(_restored(rows, now_ms))))
        return self.book

    def _name(self, told: ForecastSet) -> str | None:
        """Return who made forecasts, as the registry calls it; None where it serves no more."""
        made_by = told.model_hash.split("+")[0]
        if made_by == self._ewma.model_hash:
            return STAND_IN
        served = self.served()
        return served.scored_as if served.forecaster.model_hash == told.model_hash else None

    def _settle(self, app: App, last: CycleReport, name: str) -> None:
        """Score the settlements that have come since the last cycle."""
        assert self.book is not None
        latest = list(app.cycle.poller.latest.values())
        found = self._settlements.look(last.now_ms, latest, name, last.forecasts.coming)
        if found and self.book.sheets:
            sheet = tallied(self.book.sheets[-1], name, found)
            self.book.put(sheet)
            self._unsaved[sheet.origin_ms] = sheet

    async def _judge(self, app: App, book: ScoreBook, now_ms: int, bar_ms: int) -> None:
        """Judge what is over; a bar has nothing new to say a second time."""
        since_ms = book.awaited_ms(now_ms)
        if since_ms is None or bar_ms == self._judged_bar_ms:
            return
        self._judged_bar_ms = bar_ms
        window = _window(app, now_ms - since_ms + DAY_MS)
        changed = await off_loop(lambda: book.judge(hourly(window), now_ms))
        self._unsaved |= {one.origin_ms: one for one in changed}

    async def _take(self, app: App, book: ScoreBook, last: CycleReport, name: str) -> None:
        """Ask everybody about the hour of the latest forecasts, and write down what they say."""
        shadows = self.shadows()
        # days more than are read: a print of before them is known at their beginning, with shadows or without
        window = _window(app, None if shadows else WINDOW_MS + EARLIER_MS)
        grid = await off_loop(lambda: hourly(window))
        short = grid.last(WINDOW_MS // HOUR_MS)
        told = {name: last.forecasts}
        asked = {STAND_IN: (self._ewma, short)} | {other: (one, grid) for other, one in shadows.items()}
        said, failed = await self._asking.all(asked, told)
        self._tell_failures(failed)
        if any(forecasts.keys for forecasts in said.values()):
            sheet = await off_loop(book.take, short, round(last.forecasts.horizon_h), said)
            self._unsaved |= {sheet.origin_ms: sheet} if sheet else {}

    def _tell_failures(self, failed: dict[str, str]) -> None:
        """Say once who begins to fail, and who works again."""
        for name in failed.keys() - self.failed.keys():
            log.error("forecaster_not_scored", model=name, why=failed[name], does="the others are scored")
        for name in self.failed.keys() - failed.keys():
            log.warning("forecaster_scored_again", model=name)
        self.failed = failed

    async def _tell(self, book: ScoreBook, now_ms: int, name: str) -> None:
        self.told = await off_loop(reckoned, book.sheets, name, now_ms)
        publish_scores(self.told, self.metrics)

    async def _keep(self, app: App, book: ScoreBook) -> None:
        """Write down what has changed. Raises NoJournal; it is tried again then."""
        kept = dict(self._unsaved)
        rows = await off_loop(lambda: [stored(one) for one in kept.values()])
        await app.parts.journal(save_sheets, rows, book.since_ms)
        self._unsaved = {ms: one for ms, one in self._unsaved.items() if kept.get(ms) is not one}


def _restored(rows: Iterable[Row], now_ms: int) -> Iterator[Sheet]:
    """Read sheets; one that cannot be read, or is from after now, is left out: scores are not worth a halt."""
    for row in rows:
        try:
            sheet = restored(StoredSheet(*row))
        except ValueError as error:
            log.warning("forecast_scores_unreadable", of=iso(row[0]), why=str(error))
            continue
        if sheet.origin_ms <= now_ms:
            yield sheet


def _window(app: App, span_ms: int | None) -> BarWindow:
    """Return the end of the buffer, all of it for None. Views: what is appended meanwhile does not change them."""
    buffer = app.cycle.buffer
    return buffer.window(None if span_ms is None else span_ms // buffer.bar_ms)
