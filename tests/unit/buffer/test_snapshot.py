"""The buffer's snapshot: what comes back is what was held, and whatever is odd costs a cold start alone."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from hedged.buffer.backfill import backfill
from hedged.buffer.keeper import Keeper, restored
from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.buffer.snapshot import read_snapshot, write_snapshot
from hedged.domain.bars import BAR_MS, Field, Observation, blank_observation
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey

KEYS = (SeriesKey("binance", "BTC"), SeriesKey("injective", "BTC"))
NEW = SeriesKey("binance", "INJ")
START_MS = 1_756_684_800_000
BARS = 40
END_MS = START_MS + BARS * BAR_MS


def seen(key: SeriesKey, ts_ms: int, value: float, age_ms: int = 1_500) -> Observation:
    told = blank_observation(key, ts_ms)
    told.values[[Field.MARK, Field.OPEN_INTEREST]] = value, value * 2
    told.known_at_ms[[Field.MARK, Field.OPEN_INTEREST]] = ts_ms - age_ms, ts_ms - 7 * age_ms
    return told


def held(keys: Sequence[SeriesKey] = KEYS, bars: int = BARS) -> BarWindow:
    buffer = RingBuffer(keys, BARS, BAR_MS)
    for n in range(1, bars + 1):
        ts_ms = START_MS + n * BAR_MS
        buffer.append(ts_ms, [seen(key, ts_ms, n + i * 0.5) for i, key in enumerate(keys) if n % 7])
    return buffer.window()


def read(path: Path, **changes: object) -> BarWindow | None:
    wanted = {"bar_ms": BAR_MS, "origin": "here", "from_ms": START_MS, "now_ms": END_MS}
    return read_snapshot(path, **{**wanted, **changes})  # type: ignore[arg-type]


def same(one: BarWindow, other: BarWindow) -> None:
    assert (one.keys, one.bar_ms) == (other.keys, other.bar_ms)
    np.testing.assert_array_equal(one.times_ms, other.times_ms)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.ages_s, other.ages_s)


def test_what_comes_back_is_what_was_held(tmp_path: Path) -> None:
    """If this fails, a warm restart decides on other numbers than the daemon had, or on some from the future."""
    path, window = tmp_path / "s", held()
    write_snapshot(path, window, "here")
    found = read(path)
    assert found is not None
    same(found, window)
    buffer = RingBuffer(KEYS, BARS, BAR_MS)
    assert buffer.restore(found) == set(KEYS)
    same(buffer.window(), window)
    buffer.append(END_MS + BAR_MS, [seen(KEYS[0], END_MS + BAR_MS, 3.0)])  # and it goes on as it would have
    assert buffer.window().times_ms[0] == START_MS + 2 * BAR_MS
    assert read(tmp_path / "none") is None


def torn(raw: bytes) -> bytes:
    return raw[:-40]


def flipped(raw: bytes) -> bytes:
    return raw[:-40] + bytes([raw[-40] ^ 1]) + raw[-39:]


def headed(raw: bytes, **changes: object) -> bytes:
    line, _, body = raw.partition(b"\n")
    return json.dumps({**json.loads(line), **changes}).encode() + b"\n" + body


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (torn, "torn"),
        (flipped, "torn"),
        (lambda raw: b"", "does not begin"),
        (lambda raw: b"PAR1" + raw, "does not begin"),
        (lambda raw: raw[:20], "does not begin"),
        (lambda raw: headed(raw, format=0), "format is 0"),
        (lambda raw: headed(raw, fields="other"), "fields is"),
        (lambda raw: headed(raw, origin="elsewhere"), "origin is 'elsewhere'"),
        (lambda raw: headed(raw, bar_ms=60_000), "bar_ms is 60000"),
        (lambda raw: headed(raw, bars=7), "cannot be read"),
        (lambda raw: headed(raw, bars=10**15), "cannot be read"),
        (lambda raw: headed(raw, keys=[["binance", "BTC"]] * 2), "cannot be read"),
        (lambda raw: headed(raw, keys=3), "cannot be read"),
        (lambda raw: headed(raw, first_ms=START_MS + 1), "cannot be read"),
    ],
)
def test_an_odd_file_is_ignored(tmp_path: Path, spoil, why: str) -> None:
    """If this fails, a torn, foreign or older snapshot stops the daemon, or becomes its past."""
    path = tmp_path / "s"
    write_snapshot(path, held(), "here")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=why):
        read(path)
    assert asyncio.run(restored(path, BAR_MS, "here", START_MS, END_MS)) is None


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ({"from_ms": END_MS, "now_ms": END_MS + 1}, "too old"),
        ({"from_ms": START_MS - 2 * BAR_MS}, "begins too late"),
        ({"now_ms": END_MS - 1}, "after the present"),
    ],
)
def test_a_snapshot_of_another_time_is_ignored(tmp_path: Path, times: dict, why: str) -> None:
    """If this fails, the window has a hole that nobody fills, or bars that have not happened yet."""
    write_snapshot(tmp_path / "s", held(), "here")
    with pytest.raises(DataError, match=why):
        read(tmp_path / "s", **times)


def test_a_value_from_the_future_is_refused(tmp_path: Path) -> None:
    """If this fails, a damaged age lets a decision see what was not known."""
    window = held()
    window.ages_s[0, 3, Field.MARK] = -1.0
    write_snapshot(tmp_path / "s", window, "here")
    with pytest.raises(DataError, match="from the future"):
        read(tmp_path / "s")


class Venue:
    """A source that counts which bars it was asked about."""

    def __init__(self, venue: str, symbols: Sequence[str]) -> None:
        self.venue, self.symbols, self.asked = venue, symbols, []

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        self.asked += times_ms
        return [[seen(SeriesKey(self.venue, s), ts, ts / 1e9) for s in self.symbols] for ts in times_ms]


def fill(window: BarWindow | None, keys: Sequence[SeriesKey], end_ms: int) -> tuple[RingBuffer, dict]:
    sources = {
        venue: Venue(venue, [key.symbol for key in keys if key.venue == venue])
        for venue in ("binance", "injective")
    }
    buffer, shares = RingBuffer(sorted(keys), BARS, BAR_MS), []
    times = range(end_ms - (BARS - 1) * BAR_MS, end_ms + 1, BAR_MS)
    asyncio.run(backfill(buffer, times, sources, window, lambda share: shares.append(share) is None))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    return buffer, {venue: source.asked for venue, source in sources.items()}


def test_only_the_tail_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a restart takes as long as the first start, or leaves the time in between unknown."""
    monkeypatch.setattr("hedged.buffer.backfill.CHUNK_BARS", 4)
    window, end_ms = held(), END_MS + 3 * BAR_MS
    buffer, asked = fill(window, KEYS, end_ms)
    filled = buffer.window()
    assert len(filled.times_ms) == BARS
    assert filled.times_ms[-1] == end_ms
    np.testing.assert_array_equal(filled.values[:, :-3], window.values[:, 3:])
    assert not np.isnan(filled.field(Field.MARK)[:, -3:]).any()
    assert all(len(times) == 4 for times in asked.values())  # the one chunk in which they lie


def test_a_new_series_gets_its_whole_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a position opened while the daemon was down is never forecast, or costs everybody a cold start."""
    monkeypatch.setattr("hedged.buffer.backfill.CHUNK_BARS", 4)
    window = held()
    buffer, asked = fill(window, (*KEYS, NEW), END_MS)
    filled = buffer.window()
    row = {key: i for i, key in enumerate(filled.keys)}
    assert not np.isnan(filled.field(Field.MARK)[row[NEW]]).any()
    for i, key in enumerate(KEYS):
        np.testing.assert_array_equal(filled.values[row[key]], window.values[i])
    assert asked["injective"] == []
    assert len(asked["binance"]) == BARS


def test_who_judges_is_shown_what_was_held_and_it_stays_as_it_is() -> None:
    """If this fails, the judge of data quality knows no series' past after a restart, or judges the past anew."""
    window, shown = held(), list[Observation]()

    def judged(_: int, told: list[Observation]) -> list[Observation]:
        shown.extend(told)
        return [blank_observation(one.key, one.ts_ms) for one in told]

    buffer = RingBuffer(KEYS, BARS, BAR_MS)
    times = range(START_MS + BAR_MS, END_MS + 1, BAR_MS)
    asyncio.run(backfill(buffer, times, {}, window, lambda _: True, judged))
    same(buffer.window(), window)
    expected = [
        seen(key, START_MS + n * BAR_MS, n + i * 0.5)
        for n in range(4, BARS + 1, 4)
        if n % 7
        for i, key in enumerate(KEYS)
    ]
    assert [(one.key, one.ts_ms) for one in shown] == [(one.key, one.ts_ms) for one in expected]
    for one, other in zip(shown, expected, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-6)
        np.testing.assert_array_equal(one.known_at_ms, other.known_at_ms)


def test_without_a_snapshot_everything_is_asked_for() -> None:
    """If this fails, a cold start has holes."""
    buffer, asked = fill(None, KEYS, END_MS)
    assert not np.isnan(buffer.window().field(Field.MARK)).any()
    assert all(len(times) == BARS for times in asked.values())


def test_the_keeper_writes_at_first_by_the_hour_and_at_the_end(tmp_path: Path) -> None:
    """If this fails, a stop or a crash costs more than the last hour."""
    path = tmp_path / "s"

    def last_ms() -> int:
        window = read(path, now_ms=END_MS + 10 * BAR_MS, from_ms=START_MS + 5 * BAR_MS)
        assert window is not None
        return int(window.times_ms[-1])

    async def written(by_ms: int) -> None:
        async with asyncio.timeout(10):
            while not path.exists() or last_ms() != by_ms:  # noqa: ASYNC110 (a file tells nobody)
                await asyncio.sleep(0.01)

    async def main() -> None:
        buffer = RingBuffer(KEYS, BARS, BAR_MS)
        buffer.restore(held())
        keeper = Keeper(path, "here")
        running = asyncio.create_task(keeper.run())
        keeper.keep(buffer)
        await written(END_MS)
        for n in range(1, 4):
            buffer.append(END_MS + n * BAR_MS, ())
            keeper.take(END_MS + n * BAR_MS)
        await asyncio.sleep(0.05)  # none of the three ends at a full hour
        assert last_ms() == END_MS
        buffer.append(END_MS + 4 * BAR_MS, ())
        keeper.take(END_MS + 4 * BAR_MS)
        await written(END_MS + 4 * BAR_MS)
        buffer.append(END_MS + 5 * BAR_MS, ())
        running.cancel()
        await asyncio.wait([running])
        assert last_ms() == END_MS + 5 * BAR_MS

    asyncio.run(main())


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_snapshot import held
from hedged.buffer.snapshot import write_snapshot
window = held()
write_snapshot(Path(sys.argv[1]), window, "here")
print("first", flush=True)
while True:
    write_snapshot(Path(sys.argv[1]), window, "here")
"""


@pytest.mark.parametrize("after_s", [0.0, 0.013, 0.031])
def test_a_kill_leaves_a_whole_snapshot(tmp_path: Path, after_s: float) -> None:
    """If this fails, the daemon that is killed while it writes starts cold, or on half of the numbers."""
    path = tmp_path / "s"
    command = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        with suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
        process.kill()
    found = read(path)
    assert found is not None
    same(found, held())
    write_snapshot(path, held(), "here")  # what was left half written is in nobody's way
    assert [one.name for one in tmp_path.iterdir()] == ["s"]
