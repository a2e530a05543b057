"""What outside sources said about a market's fields, and for how long each saying counts.

They fill fields that the venue itself never tells. One that it tells is left alone even while it is silent: two sources
count differently, and a change of source would look like a move. A saying that has outlived its time is unknown again:
a source that fails takes nothing with it but its own fields.
"""

from bisect import bisect_right, insort
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hedged.domain.bars import Field, Observation
from hedged.domain.funding import Settlement
from hedged.domain.market import Market, SeriesKey
from hedged.domain.ports import MarketData

KEPT = 4_000
"""Sayings kept per field and market: more than 400 days of four-hourly ones, 40 days of 15-minute ones."""

ABSURD = 1e18


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """`known_ms`: receipt; `until_ms`: from then on it says nothing; `of_ms`: end of the time it is about."""

    known_ms: int
    of_ms: int
    until_ms: int
    value: float


class Readings:
    """All that is known from outside, by market and field."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[SeriesKey, Field], list[Reading]] = {}

    def put(self, key: SeriesKey, field: Field, readings: Iterable[Reading]) -> None:
        """Add what is new. A time that was told of before keeps its first value: a revision was not known then.

        Values that are not finite, negative or absurdly large say nothing.
        """
        track = self._tracks.setdefault((key, field), [])
        told = {reading.of_ms for reading in track}
        for reading in readings:
            if 0 <= reading.value < ABSURD and reading.of_ms not in told:
                told.add(reading.of_ms)
                insort(track, reading)
        del track[:-KEPT]

    def empty(self, key: SeriesKey, field: Field) -> bool:
        """Tell whether nothing was ever said about it."""
        return not self._tracks.get((key, field))

    def at(self, key: SeriesKey, field: Field, ts_ms: int) -> Reading | None:
        """Return what counts at an instant: the last saying known then, if it has not outlived its time."""
        track = self._tracks.get((key, field), [])
        index = bisect_right(track, ts_ms, key=lambda reading: reading.known_ms) - 1
        return track[index] if index >= 0 and ts_ms < track[index].until_ms else None

    def fill(self, seen: Observation, own: Container[Field] = ()) -> Observation:
        """Fill unknown fields of an observation, except the venue's `own`."""
        values, known_ms = seen.values.copy(), seen.known_at_ms.copy()
        filled = False
        for field in Field:
            if field in own or not np.isnan(values[field]):
                continue
            reading = self.at(seen.key, field, seen.ts_ms)
            if reading is not None:
                values[field], known_ms[field], filled = reading.value, reading.known_ms, True
        return Observation(seen.key, seen.ts_ms, values, known_ms) if filled else seen


class Filled:
    """A venue's data with the gaps filled from outside. A `MarketData`."""

    def __init__(self, inner: MarketData, readings: Readings, ready: Callable[[], Awaitable[None]]) -> None:
        """`ready` waits, not for long, until the sources were asked once: a start should know their past too."""
        self._inner, self._readings, self._ready = inner, readings, ready
        self._own: dict[SeriesKey, set[Field]] = {}

    @property
    def venue(self) -> str:
        """Name of the venue."""
        return self._inner.venue

    async def markets(self) -> Mapping[str, Market]:
        """Return the venue's markets."""
        return await self._inner.markets()

    async def observe(self, now_ms: int) -> Sequence[Observation]:
        """Return what the venue says, filled up."""
        (filled,) = self._fill([await self._inner.observe(now_ms)])
        return filled

    async def history(self, times_ms: Sequence[int]) -> Sequence[Sequence[Observation]]:
        """Return what the venue says of the past, filled up with what was known then."""
        told = await self._inner.history(times_ms)
        await self._ready()
        return self._fill(told)

    def _fill(self, bars: Sequence[Sequence[Observation]]) -> list[list[Observation]]:
        for bar in bars:
            for seen in bar:
                told = (field for field in Field if not np.isnan(seen.values[field]))
                self._own.setdefault(seen.key, set()).update(told)
        return [[self._readings.fill(seen, self._own[seen.key]) for seen in bar] for bar in bars]

    async def settlements(self, since_ms: int, until_ms: int) -> Sequence[Settlement]:
        """Return the venue's funding prints."""
        return await self._inner.settlements(since_ms, until_ms)
