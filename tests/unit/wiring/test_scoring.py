"""The daemon scores its own forecasts and those in shadow: a few times a day, off the loop, kept in the journal."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from observations import START_MS, observation

from hedged.buffer.ring import RingBuffer
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.errors import NoJournal
from hedged.domain.forecast import LEVELS, STAND_IN, ForecastSet, RateForecast
from hedged.domain.market import SeriesKey
from hedged.execution.journal.score_table import load_sheets, save_sheets
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.features.resample import HourlyGrid
from hedged.telemetry.metrics import Metrics
from hedged.wiring.models import asking
from hedged.wiring.models.scoring import EARLIER_STATE, Scoring
from hedged.wiring.models.serving import Served

Logs = list[dict[str, Any]]
KEYS = [SeriesKey("injective", symbol) for symbol in ("ATOM", "BTC", "ETH", "INJ", "SOL")]
FROM_H, TO_H = 144, 208  # the EWMA needs four days
TAKEN, JUDGED = (TO_H - FROM_H) // 8, (TO_H - FROM_H - 24) // 8


def rate(hour: int) -> float:
    return float(2e-5 * (1 + np.sin(hour / 20)))


class Speaker:
    """Forecasts the mean of what comes, off by `error` times 1e-5; the law of the next settlement is as sure."""

    feature_hash = "f"

    def __init__(self, model_hash: str, error: float) -> None:
        self.model_hash, self.error = model_hash, error

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        hour = (now_ms - START_MS) // HOUR_MS
        mean = np.mean([rate(hour + h) for h in range(1, horizon_h + 1)]) + self.error * 1e-5
        up = 1.0 if mean > rate(hour) else 0.0
        law = np.full(len(LEVELS), mean)
        coming = dict.fromkeys(KEYS, np.full(len(LEVELS), rate(hour + 1) + self.error * 1e-5))
        made = {key: RateForecast(key, now_ms, horizon_h, float(mean), law.copy(), up) for key in KEYS}
        return ForecastSet(
            now_ms,
            horizon_h,
            tuple(KEYS),
            made,
            np.empty((1, len(KEYS))),
            self.model_hash,
            "f",
            coming=coming,
        )


class Broken(Speaker):
    """Raises, or tells no numbers."""

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        if not self.error:
            raise RuntimeError("no graph")
        told = super().forecast(grid, now_ms, horizon_h)
        told.marginals[KEYS[0]].quantiles[0] = np.nan
        return told


class Daemon:
    """What Scoring sees of an app: a buffer that fills hour by hour, the latest forecast, a journal."""

    def __init__(self, speaker: Speaker) -> None:
        self.buffer = RingBuffer(KEYS, 24 * 30, HOUR_MS)
        self.poller = SimpleNamespace(latest={})
        self.cycle = SimpleNamespace(buffer=self.buffer, poller=self.poller)
        self.progress = SimpleNamespace(last=None)
        self.journal = Journal.open(None)
        self.parts = SimpleNamespace(journal=self.journal)
        self.served = Served("shipped", speaker)
        self.metrics = Metrics()

    def scoring(self, shadows: Mapping[str, Speaker] | None = None) -> Scoring:
        self.metrics = Metrics()
        return Scoring(
            lambda: self,  # type: ignore[arg-type, return-value]
            self.metrics, lambda: self.served, shadows=lambda: shadows or {},
        )  # fmt: skip

    def hour(self, hour: int) -> None:
        """Settle an hour, and forecast what comes."""
        now_ms = START_MS + hour * HOUR_MS
        values = {
            Field.MARK: 25.0, Field.FUNDING_SETTLED: rate(hour),
            Field.SETTLED_INTERVAL_H: 1.0, Field.SETTLED_AGO_S: 0.0,
        }  # fmt: skip
        seen = [observation(key, now_ms, values) for key in KEYS]
        self.buffer.append(now_ms, seen)
        self.poller.latest = {one.key: one for one in seen}
        made = self.served.forecaster.forecast(None, now_ms, 24)  # type: ignore[arg-type]
        self.progress.last = SimpleNamespace(now_ms=now_ms, forecasts=made)

    def live(self, scoring: Scoring, hours: range) -> None:
        async def main() -> None:
            for hour in hours:
                self.hour(hour)
                if hour >= FROM_H:
                    await scoring.look()

        asyncio.run(main())

    def told(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"hedged_{name}", labels)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon(Speaker("m+x", 0.01))
    yield made
    made.journal.close()


@pytest.mark.parametrize(("error", "better"), [(0.01, True), (5.0, False)])
def test_a_model_is_told_apart_from_one_that_has_drifted(
    daemon: Daemon, error: float, *, better: bool
) -> None:
    """If this fails, the alert on drift fires for a good model or stays silent for a bad one, or a restart forgets."""
    daemon.served = Served("shipped", Speaker("m", error))
    scoring = daemon.scoring()
    asyncio.run(scoring.look())  # before the first cycle there is nothing
    daemon.live(scoring, range(TO_H))
    ratio = daemon.told("forecast_loss_ratio", venue="injective")
    assert ratio is not None
    assert (ratio < 0.1) if better else (ratio > 2)
    assert daemon.told("forecasts_scored", venue="injective") == JUDGED * len(KEYS)
    assert daemon.told("model_loss_ratio", model="shipped") == ratio
    assert daemon.told("forecast_error_ratio", venue="injective", symbol="all") == pytest.approx(
        ratio, rel=0.5
    )
    assert daemon.told("forecast_error_ratio", venue="injective", symbol="INJ") is None, "too few"
    direction = daemon.told("settlement_direction_right_ratio", venue="injective")
    assert direction is not None
    assert (direction > 0.95) if better else (direction < 0.7)
    assert scoring.book is not None
    assert len(scoring.book.sheets) == len(asyncio.run(daemon.journal(load_sheets))) == TAKEN, "three a day"
    sums = np.nansum([sheet.settled["shipped"][0] for sheet in scoring.book.sheets], axis=0)
    assert sums[0] == TO_H - FROM_H - 1, "every settlement after the first sheet, each once"

    again = daemon.scoring()
    asyncio.run(again.look())
    assert daemon.told("forecast_loss_ratio", venue="injective") == ratio
    assert daemon.told("settlement_direction_right_ratio", venue="injective") == direction


def test_shadows_are_scored_and_one_that_fails_costs_nobody_else(daemon: Daemon, logs: Logs) -> None:
    """If this fails, a challenger is never compared, or a broken one stops the scores of the model that serves."""
    scoring = daemon.scoring({"raises": Broken("r", 0.0), "nan": Broken("n", 1.0), "good": Speaker("g", 2.0)})
    daemon.live(scoring, range(TO_H))
    book = scoring.book
    assert book is not None
    assert len(book.paired("shipped", STAND_IN)) == JUDGED
    assert len(book.paired("raises", STAND_IN)) == 0
    assert book.paired("nan", STAND_IN).of.tolist() == [len(KEYS) - 1] * JUDGED, (
        "all but what is not a number"
    )
    pair = book.paired("good", "shipped")
    assert pair.of.tolist() == [len(KEYS)] * JUDGED
    assert pair.ratio > 10
    failures = [one for one in logs if one["event"] == "forecaster_not_scored"]
    assert {one["model"]: one["why"] for one in failures} == {
        "raises": "RuntimeError: no graph",
        "nan": "1 of 5 forecasts are no law, that of injective:ATOM first",
    }
    assert len(failures) == 2, "told once each"
    assert scoring.failed.keys() == {"raises", "nan"}
    assert daemon.told("model_loss_ratio", model="good") is not None


class Hanging(Speaker):
    """Answers only when it is let go."""

    def __init__(self) -> None:
        super().__init__("h", 1.0)
        self.let_go, self.asked = threading.Event(), 0

    def forecast(self, grid: HourlyGrid, now_ms: int, horizon_h: int) -> ForecastSet:
        self.asked += 1
        self.let_go.wait()
        return super().forecast(grid, now_ms, horizon_h)


def test_a_shadow_that_hangs_is_waited_for_once(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, one challenger that hangs ends all scoring, or keeps the daemon from its end."""
    monkeypatch.setattr(asking, "PATIENCE_S", 1.5)
    hanging = Hanging()
    scoring = daemon.scoring({"hangs": hanging})
    daemon.live(scoring, range(FROM_H + 9))
    book = scoring.book
    assert book is not None
    assert [list(sheet.laws) for sheet in book.sheets] == [["shipped", STAND_IN]] * 2
    assert hanging.asked == 1
    assert scoring.failed == {"hangs": "TimeoutError: it is still at an earlier hour"}
    hanging.let_go.set()


def test_a_swap_keeps_the_scores_of_both_names(daemon: Daemon) -> None:
    """If this fails, a promoted model has no record, or the one before it has lost its own: no way to compare them."""
    scoring = daemon.scoring({"abcd": Speaker("abcd", 2.0), STAND_IN: Speaker("never", 0.0)})
    half = TO_H - 24
    daemon.live(scoring, range(half))
    daemon.served = Served("abcd", Speaker("abcd", 2.0))
    daemon.progress.last = SimpleNamespace(
        now_ms=daemon.progress.last.now_ms, forecasts=daemon.progress.last.forecasts
    )
    asyncio.run(scoring.look())  # what the one before has said is nobody's now
    daemon.live(scoring, range(half, TO_H))
    book = scoring.book
    assert book is not None
    assert book.names() == (STAND_IN, "shipped", "abcd")
    assert len(book.paired("abcd", STAND_IN)) == JUDGED
    assert len(book.paired("shipped", STAND_IN)) == JUDGED, "each until its horizon was over"
    assert scoring.told is not None
    assert scoring.told.serving == "abcd"
    assert daemon.told("model_loss_ratio", model="shipped") is not None
    assert daemon.told("forecast_loss_ratio", venue="injective") == daemon.told(
        "model_loss_ratio", model="abcd"
    )


def test_while_the_stand_in_serves_it_is_scored_alone(daemon: Daemon) -> None:
    """If this fails, a demoted model's successor is compared with itself, and looks as good as any model."""
    scoring = daemon.scoring()
    daemon.served = Served("shipped", Speaker(scoring._ewma.model_hash, 1.0))
    daemon.live(scoring, range(TO_H))
    assert scoring.book is not None
    assert scoring.book.names() == (STAND_IN,)
    assert daemon.told("forecast_loss_ratio", venue="injective") is None


def test_old_or_damaged_scores_are_dropped_with_a_word(daemon: Daemon, logs: Logs) -> None:
    """If this fails, an update or one bad row stops scoring, or scores of another kind are taken for these."""
    later = START_MS + 10**6 * HOUR_MS

    async def before() -> None:
        await daemon.journal(JournalStore.save_state, EARLIER_STATE, {"model": "m", "judged": []})
        await daemon.journal(save_sheets, [(8, "{}", b""), (16, "[", b"12"), (later, "{}", b"")], 0)

    asyncio.run(before())
    daemon.live(daemon.scoring(), range(FROM_H + 1))
    told = [one["event"] for one in logs]
    assert told == ["forecast_scores_begin_anew", *["forecast_scores_unreadable"] * 3]
    assert asyncio.run(daemon.journal(JournalStore.load_state, EARLIER_STATE)) == {}


def test_what_could_not_be_kept_is_kept_later(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a full disk loses the scores of the hours in which it was full."""
    scoring, journal = daemon.scoring(), daemon.journal

    async def full(method: Any, *args: Any) -> Any:
        if method is save_sheets:
            raise NoJournal("full")
        return await journal(method, *args)

    daemon.live(scoring, range(FROM_H))
    daemon.parts.journal = full
    with pytest.raises(NoJournal):
        daemon.live(scoring, range(FROM_H, FROM_H + 1))
    daemon.parts.journal = journal
    daemon.live(scoring, range(FROM_H + 1, FROM_H + 2))
    assert len(asyncio.run(journal(load_sheets))) == 1
