"""The window before the first cycle: what an earlier run kept, and from the venues what is missing of it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hedged.buffer.ring import BarWindow, RingBuffer
from hedged.domain.bars import Observation
from hedged.domain.clock import DAY_MS, HOUR_MS, SECOND_MS
from hedged.domain.market import SeriesKey
from hedged.domain.ports import MarketData

CHUNK_BARS = 96
AT_ONCE_BARS = 12
"""Bars that are judged before others have their turn."""
REMEMBERED_MS = 30 * DAY_MS
Judged = Callable[[int, list[Observation]], Sequence[Observation]]
"""What is left of a bar's observations once they were judged; takes the bar's end and what was told."""


async def backfill(
    buffer: RingBuffer,
    times_ms: Sequence[int],
    sources: Mapping[str, MarketData],
    held: BarWindow | None,
    on_share: Callable[[float], bool],
    judged: Judged = lambda _ts_ms, told: told,
) -> None:
    """Fill an empty buffer with bars that end at `times_ms`, ascending and without a gap.

    `held`: bars of an earlier run; a venue is asked for those of its series that are not among them, and for what
    came after them. The last month's full hours of these bars are shown to `judged`, which knows nothing of an earlier
    run, and stay as they are. `on_share` is told the share that is done and answers whether to go on. Raises Retryable.
    """
    known = buffer.restore(held) if held is not None else frozenset()
    held = None  # the buffer has its bars now: of a hundred series they are a hundred megabytes
    held_to_ms = buffer.last_ms or 0
    for at in range(0, len(times_ms), CHUNK_BARS):
        chunk = times_ms[at : at + CHUNK_BARS]
        late = chunk[-1] > held_to_ms
        asked = [
            source for venue, source in sources.items()
            if late or any(key.venue == venue and key not in known for key in buffer.keys)
        ]  # fmt: skip
        by_venue = await asyncio.gather(*(source.history(chunk) for source in asked))
        for i, ts_ms in enumerate(chunk):
            if i % AT_ONCE_BARS == 0:
                await asyncio.sleep(
                    0
                )  # judging a hundred series takes its time: venues are polled, the page answers
            seen = [one for venue in by_venue for one in venue[i] if one.key in buffer]
            if ts_ms > held_to_ms:
                buffer.append(ts_ms, judged(ts_ms, seen))
            else:
                seen = [one for one in seen if one.key not in known]
                if known and ts_ms % HOUR_MS == 0 and held_to_ms - ts_ms < REMEMBERED_MS:
                    seen += _bar(buffer.window(), ts_ms, known)
                buffer.amend(ts_ms, [one for one in judged(ts_ms, seen) if one.key not in known])
        if not on_share((at + len(chunk)) / len(times_ms)):
            return


def _bar(held: BarWindow, ts_ms: int, keys: frozenset[SeriesKey]) -> list[Observation]:
    """Return what a held bar says of these series; nothing of a bar, or a series, that is a gap."""
    at = int(np.searchsorted(held.times_ms, ts_ms))
    if at == len(held.times_ms) or held.times_ms[at] != ts_ms:
        return []
    found = []
    for row, key in enumerate(held.keys):
        values = held.values[row, at].astype(np.float64)
        told = ~np.isnan(values)
        if key in keys and told.any():
            ages_ms = np.where(told, held.ages_s[row, at], 0).astype(np.float64) * SECOND_MS
            known_ms = np.where(told, ts_ms - np.rint(ages_ms).astype(np.int64), 0)
            found.append(Observation(key, ts_ms, values, known_ms))
    return found
