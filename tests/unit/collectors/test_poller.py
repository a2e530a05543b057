"""The poller: what is believed goes into the bars, what was received to the recorder, and the log is told once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from observations import START_MS, VENUES, Planted, told

from hedged.buffer.ring import RingBuffer
from hedged.collectors.poller import Poller
from hedged.collectors.quality.judge import Judge
from hedged.config import QualityConfig
from hedged.domain.bars import BAR_MS, Field, Observation
from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Doubted

BAD = SeriesKey("bybit", "BTC")
SYMBOLS = ("BTC", "INJ")


class Telling:
    """A venue that tells what a test plants."""

    def __init__(self, venue: str, planted: dict[int, Planted]) -> None:
        self._venue, self._planted = venue, planted

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        bar = (now_ms - START_MS) // BAR_MS
        return told(bar, self._planted.get(bar), (self._venue,))[1]


class Late:
    """A clock that says what a test sets."""

    at_ms, slice_s = 0, 1.0

    def now_ms(self) -> int:
        return self.at_ms


def polled(
    planted: dict[int, Planted], bars: int, doubted: Doubted | None = None
) -> tuple[Poller, RingBuffer, list[Sequence[Observation]]]:
    """Poll so many bars of all venues."""
    keys = [SeriesKey(venue, symbol) for venue in VENUES for symbol in SYMBOLS]
    buffer, recorded = RingBuffer(keys, 64, BAR_MS), list[Sequence[Observation]]()
    clock = Late()
    sources: dict[str, Any] = {venue: Telling(venue, planted) for venue in VENUES}
    poller = Poller(
        sources,
        buffer,
        Judge(QualityConfig()),
        clock,
        on_bar=lambda _, seen: recorded.append(seen),
        doubted=doubted,
    )

    async def main() -> None:
        for bar in range(bars):
            clock.at_ms = START_MS + bar * BAR_MS
            await poller.poll(START_MS + bar * BAR_MS)

    asyncio.run(main())
    return poller, buffer, recorded


def test_what_is_not_believed_is_unknown_in_the_bar_and_recorded_as_it_came() -> None:
    """If this fails, a bad value trains and decides, or the recording hides what a venue really said."""
    planted: dict[int, Planted] = {3: {BAD: {Field.MARK: 60e6}}}
    poller, buffer, recorded = polled(planted, 4)
    row = buffer.keys.index(BAD)
    assert np.isnan(buffer.window().values[row, -1]).all()
    assert not np.isnan(buffer.window().values[row, -2, Field.MARK])
    assert [o.values[Field.MARK] for o in recorded[-1] if o.key == BAD] == [60e6]
    now_ms = START_MS + 3 * BAR_MS
    mark = poller.fresh_marks(now_ms, 1_800_000)[BAD]
    assert 59_000 < mark < 61_000, "there is a price to reduce by"
    assert poller.ages_s(now_ms)[BAD] == 0, "the venue is not late, it is wrong"


def test_a_quarantine_is_logged_once_and_its_end_once(logs: list[dict[str, Any]]) -> None:
    """If this fails, the log is silent about data that are not believed, or drowns in it."""
    planted: dict[int, Planted] = {bar: {BAD: {Field.MARK: 60e6}} for bar in (3, 4, 5)}
    polled(planted, 14)
    lines = [(line["event"], line["venue"], line["symbol"], line["fault"]) for line in logs]
    assert lines == [
        ("series_quarantined", *BAD, "price_unit"),
        ("series_released", *BAD, "price_unit"),
    ]
    assert "mark 6e+07" in logs[0]["figures"]


def test_a_glance_doubts_what_a_poll_would_and_remembers_nothing() -> None:
    """If this fails, the fast loop believes a wrong price, or looking often releases a series from quarantine."""
    planted: dict[int, Planted] = {4: {BAD: {Field.MARK: 60e6}}}
    doubted: Doubted = {}
    poller, buffer, recorded = polled(planted, 4, doubted)
    at_ms = START_MS + 4 * BAR_MS
    believed = asyncio.run(poller.glance(at_ms, {"BTC"}))
    assert set(believed.marks) == {SeriesKey("injective", "BTC"), SeriesKey("binance", "BTC")}
    assert believed.doubts[BAD].startswith("price_unit: mark 6e+07")
    assert set(believed.known_ms.values()) == {at_ms}
    assert 59_000 < (doubted[BAD] or 0) < 61_000, "who fills on paper goes by the last good price"
    assert poller.quarantined == {}
    assert (len(recorded), buffer.last_ms) == (4, START_MS + 3 * BAR_MS)
    sound = asyncio.run(poller.glance(at_ms + BAR_MS, {"BTC"}))
    assert BAD in sound.marks
    assert doubted == {}


def test_many_glances_release_nothing() -> None:
    """If this fails, a price in quarantine is a stop's measure again after some seconds."""
    planted: dict[int, Planted] = {3: {BAD: {Field.MARK: 60e6}}}
    poller, _, _ = polled(planted, 4)
    for bar in range(4, 14):
        believed = asyncio.run(poller.glance(START_MS + bar * BAR_MS, {"BTC"}))
        assert BAD not in believed.marks
        assert "in quarantine since" in believed.doubts[BAD]
    assert BAD not in poller.believed(START_MS + 3 * BAR_MS).marks
