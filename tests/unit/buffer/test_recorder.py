"""The recorder: what becomes a row, since when it was known, and what happens when the disk or a venue fails."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hedged.adapters.replay.series import series_of
from hedged.adapters.replay.tables import load_tables
from hedged.adapters.replay.venue import observe_at
from hedged.buffer import recorder as module
from hedged.buffer.directory import TABLES, frame_of, write_part
from hedged.buffer.recorder import WAITING_BARS, Recorder, Reported
from hedged.domain.bars import BAR_MS, Field, Observation, blank_observation
from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from hedged.domain.errors import Retryable
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.market import SeriesKey

KEY = SeriesKey("bybit", "BTC")
NOON = 20_000 * DAY_MS + 12 * HOUR_MS


@dataclass
class FakeVenue:
    """Tells settlements; `away`: it does not answer."""

    prints: list[Settlement] = field(default_factory=list)
    away: bool = False
    venue: str = "bybit"

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        if self.away:
            raise Retryable("away")
        return [one for one in self.prints if since_ms < one.ts_ms <= until_ms]


def settlement(ts_ms: int, rate: str = "0.0001") -> Settlement:
    return Settlement(KEY, ts_ms, FundingRate("bybit", Decimal(rate), Decimal(8)), Decimal(50_000))


def seen(ts_ms: int, **values: tuple[float, int]) -> Observation:
    """A bar: by field, the value and how many seconds before the bar's end it was received."""
    told = blank_observation(KEY, ts_ms)
    for name, (value, ago_s) in values.items():
        told.values[Field[name]], told.known_at_ms[Field[name]] = value, ts_ms - ago_s * SECOND_MS
    return told


def settled(ts_ms: int, due_ms: int, told_s: int) -> Observation:
    """A bar that shows a settlement told `told_s` seconds after it was due."""
    ago_s = (ts_ms - due_ms) // SECOND_MS
    received = ago_s - told_s
    return seen(ts_ms, SETTLED_AGO_S=(ago_s, received), FUNDING_SETTLED=(1e-5, received), MARK=(5e4, 1))


def record(
    out: Path,
    bars: Sequence[Observation],
    venue: FakeVenue | None = None,
    history_ms: int = 0,
    **changes: Any,
) -> None:
    """Hand bars over one after the other, as a daemon does."""

    async def main() -> None:
        made = Recorder(out, {"bybit": venue or FakeVenue()}, ["BTC"], BAR_MS, history_ms, **changes)  # type: ignore[dict-item]
        task = asyncio.create_task(made.run())
        for bar in bars:
            made.take(bar.ts_ms, [bar])
            await until(lambda: not made.busy)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 (what is waited for is other code's state)
            await asyncio.sleep(0.001)


def funding(out: Path) -> list[tuple[int, int | None]]:
    """(due, told) in minutes from noon."""
    files = sorted((out / "funding").glob("*.parquet"))
    frame = pl.concat([pl.read_parquet(file) for file in files]).sort("ts")
    minutes = [(pl.col(c).dt.epoch("ms") - NOON) / MINUTE_MS for c in ("ts", "known_ts")]
    return frame.select(*minutes).rows()


def test_a_value_is_a_row_when_it_is_told_and_not_when_it_is_only_remembered(tmp_path: Path) -> None:
    """If this fails, the recording says that old open interest was told anew at every bar."""
    bars = [
        seen(NOON, OPEN_INTEREST=(100.0, 5), MARK=(5e4, 1)),
        seen(NOON + BAR_MS, OPEN_INTEREST=(100.0, 905), MARK=(5e4, 1)),
        seen(NOON + 2 * BAR_MS, OPEN_INTEREST=(100.0, 5), MARK=(5e4, 1)),
    ]
    record(tmp_path, bars)
    told = pl.read_parquet(next((tmp_path / "open_interest").iterdir()))
    assert told["ts"].dt.epoch("ms").to_list() == [NOON, NOON + 2 * BAR_MS]
    assert told["known_ts"].dt.epoch("ms").to_list() == [NOON - 5_000, NOON + 2 * BAR_MS - 5_000]
    assert told["open_interest_usd"].to_list() == [5e6, 5e6]
    assert len(pl.read_parquet(next((tmp_path / "ohlcv").iterdir()))) == 3
    assert not (tmp_path / "premium").exists()  # nobody told one


def test_a_settlement_is_recorded_with_the_moment_it_was_told(tmp_path: Path) -> None:
    """If this fails, a replay knows a rate before its venue printed it."""
    venue = FakeVenue([settlement(NOON - 8 * HOUR_MS), settlement(NOON)])
    bars = [
        settled(NOON - BAR_MS, NOON - 8 * HOUR_MS, 5),
        settled(NOON, NOON - 8 * HOUR_MS, 5),  # the venue tells it by now, the bar does not show it
        settled(NOON + BAR_MS, NOON, 120),
    ]
    record(tmp_path, bars, venue, history_ms=DAY_MS)
    assert funding(tmp_path) == [(-480, None), (0, 2)]
    series = series_of(load_tables(tmp_path, ["BTC"]))
    times = np.array([NOON, NOON + MINUTE_MS, NOON + 2 * MINUTE_MS, NOON + BAR_MS])
    values, known_ms = observe_at(series, KEY, times)
    assert values[:, Field.SETTLED_AGO_S].tolist() == [8 * 3_600, 8 * 3_600 + 60, 120, 900]
    assert known_ms[-1, Field.FUNDING_SETTLED] == NOON + 2 * MINUTE_MS
    # the mark that it was charged at was not known at noon either
    assert values[0, Field.MARK] == 5e4


def test_settlements_that_come_all_at_once_were_not_known_before(tmp_path: Path) -> None:
    """If this fails, what a venue told after an outage counts as known during it."""
    venue = FakeVenue()
    bars = [settled(NOON - HOUR_MS + i * BAR_MS, NOON - 8 * HOUR_MS, 5) for i in range(4)]

    async def main() -> None:
        made = Recorder(tmp_path, {"bybit": venue}, ["BTC"], BAR_MS)  # type: ignore[dict-item]
        task = asyncio.create_task(made.run())
        for bar in bars:
            made.take(bar.ts_ms, [bar])
            await until(lambda: not made.busy)
        venue.prints += [settlement(NOON - 30 * MINUTE_MS), settlement(NOON)]
        late = settled(NOON + BAR_MS, NOON, 600)
        made.take(late.ts_ms, [late])
        await until(lambda: not made.busy)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert funding(tmp_path) == [(-30, 10), (0, 10)]


def test_a_venue_without_an_answer_is_asked_again(tmp_path: Path) -> None:
    """If this fails, a settlement in an outage is missing in the recording for ever."""
    venue = FakeVenue([settlement(NOON)], away=True)

    async def main() -> None:
        made = Recorder(tmp_path, {"bybit": venue}, ["BTC"], BAR_MS)  # type: ignore[dict-item]
        task = asyncio.create_task(made.run())
        for i in range(3):
            bar = settled(NOON + i * BAR_MS, NOON, 0)
            venue.away = i < 2
            made.take(bar.ts_ms, [bar])
            await until(lambda: not made.busy)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert funding(tmp_path) == [(0, 0)]


def test_what_a_download_put_there_is_not_recorded_again(tmp_path: Path) -> None:
    """If this fails, the recorder's exact rate contradicts the downloaded one and the directory is refused."""
    row = {
        "ts": NOON, "venue": "bybit", "symbol": "BTC", "quote": "USDT", "funding_rate": 2e-4, "interval_hours": 8.0,
    }  # fmt: skip
    write_part(tmp_path / "funding" / "bybit" / "BTC.parquet", frame_of(TABLES["funding"], [row]))
    record(tmp_path, [settled(NOON, NOON, 0)], FakeVenue([settlement(NOON)]))
    assert load_tables(tmp_path, ["BTC"])["funding"]["funding_rate"].to_list() == [2e-4]


def test_a_full_disk_costs_no_bar_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a full disk ends the recording for good, or fills the log, or the daemon dies of it."""
    failing: list[bool] = []
    written: list[int] = []
    broken = threading.Event()
    broken.set()

    def write(path: Path, rows: pl.DataFrame, **_: Any) -> None:
        if broken.is_set():
            raise OSError(28, "No space left on device")
        write_part(path, rows)

    monkeypatch.setattr(module, "write_part", write)
    report = Reported(rows=written.append, failing=failing.append)

    async def main() -> None:
        made = Recorder(tmp_path, {"bybit": FakeVenue()}, ["BTC"], BAR_MS, report=report)  # type: ignore[dict-item]
        task = asyncio.create_task(made.run())
        for i in range(4):
            if i == 3:
                broken.clear()
            made.take(NOON + i * BAR_MS, [seen(NOON + i * BAR_MS, MARK=(5e4, 1))])
            await until(lambda: not made.busy)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert failing == [True, True, True, False]
    assert written == [4]
    assert [line["event"] for line in logs] == ["recording_failed", "recording_again"]
    assert len(pl.read_parquet(next((tmp_path / "ohlcv").iterdir()))) == 4


def test_a_disk_that_hangs_holds_nobody_up_and_memory_stays_bounded(tmp_path: Path) -> None:
    """If this fails, a hanging disk stops the cycles, or fills the memory."""
    given_up: list[int] = []
    report = Reported(given_up=lambda: given_up.append(1))

    async def main() -> None:
        made = Recorder(tmp_path, {}, ["BTC"], BAR_MS, report=report)
        for i in range(WAITING_BARS + 5):  # nobody writes
            made.take(NOON + i * BAR_MS, [seen(NOON + i * BAR_MS, MARK=(5e4, 1))])
        task = asyncio.create_task(made.run())
        await until(lambda: not made.busy)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert len(given_up) == 5
    assert sum(len(pl.read_parquet(f)) for f in (tmp_path / "ohlcv").iterdir()) == WAITING_BARS


def test_what_was_taken_over_is_written_when_the_daemon_ends(tmp_path: Path) -> None:
    """If this fails, the last bar before every stop is lost."""

    async def main() -> None:
        made = Recorder(tmp_path, {}, ["BTC"], BAR_MS)
        task = asyncio.create_task(made.run())
        await asyncio.sleep(0)
        made.take(NOON, [seen(NOON, MARK=(5e4, 1))])
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert len(pl.read_parquet(next((tmp_path / "ohlcv").iterdir()))) == 1


def test_a_file_holds_a_day(tmp_path: Path) -> None:
    """If this fails, every bar rewrites all that was ever recorded."""
    midnight = NOON + 12 * HOUR_MS
    bars = [seen(midnight + i * BAR_MS, MARK=(5e4, 1), PREMIUM=(1e-4, 1)) for i in range(-1, 3)]
    record(tmp_path, bars)
    counts = {
        (file.parent.name, file.stem): len(pl.read_parquet(file)) for file in tmp_path.rglob("*.parquet")
    }
    days = ("2024-10-04", "2024-10-05")
    assert counts == {
        ("ohlcv", days[0]): 2, ("ohlcv", days[1]): 2,  # by the open, as everywhere
        ("premium", days[0]): 1, ("premium", days[1]): 3,
    }  # fmt: skip


def test_an_answer_that_breaks_the_recorder_does_not_end_the_daemon(
    tmp_path: Path, logs: list[dict[str, Any]]
) -> None:
    """If this fails, an odd answer to the recorder stops hedging: the daemon ends with its tasks."""
    failing: list[bool] = []

    class Odd(FakeVenue):
        async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
            raise ValueError("what is this?")

    bars = [seen(NOON + i * BAR_MS, MARK=(5e4, 1)) for i in range(3)]
    record(tmp_path, bars, Odd(), report=Reported(failing=failing.append))
    assert failing == [True, True, True, False]  # what was told is written when it ends
    assert [line["event"] for line in logs] == ["recording_failed", "recording_again"]
    assert len(pl.read_parquet(next((tmp_path / "ohlcv").iterdir()))) == 3
