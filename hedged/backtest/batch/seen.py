"""What the daemon's poller would have seen at every bar: told by the same series, judged by the same judge.

Nothing here depends on what is held. Time comes in chunks, so that memory grows with the series alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.venue import observe_at
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import DAY_MS, MINUTE_MS, SECOND_MS
from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Quarantine

CHUNK_MS = 20 * DAY_MS
Floats = NDArray[np.float64]
Instants = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seen:
    """Bars of one chunk, all (series, bars) but `times_ms` (bars,); NaN, or 0 for an instant, where unknown.

    `mark`, `mark_ms`: the price to go by and since when it was known; `doubted`: it is not believed. `settled_ms`,
    `rate` (per hour), `hours`: the last settlement; `settles_ms`: the next, −1 unknown. `quarantined`: by bar, where
    any series is. `bar_*`: the same as the ring buffer keeps them, float32, with what is in quarantine left out.
    """

    keys: tuple[SeriesKey, ...]
    times_ms: Instants
    mark: Floats
    mark_ms: Instants
    doubted: NDArray[np.bool_]
    settled_ms: Instants
    rate: Floats
    hours: Floats
    settles_ms: Instants
    quarantined: Mapping[int, Mapping[SeriesKey, Quarantine]]
    bar_mark: NDArray[np.float32]
    bar_rate: NDArray[np.float32]
    bar_hours: NDArray[np.float32]
    bar_ago_s: NDArray[np.float32]


def seen_by_chunk(
    world: World, keys: Sequence[SeriesKey], config: Config, past_ms: int, window: Window
) -> Iterator[Seen]:
    """Walk over the bars from `past_ms` on, judged one after another; no chunk reaches from the past into the window."""
    bar_ms = config.cycle.bar_s * SECOND_MS
    judge = Judge(config.quality, config.clock.speed)
    for from_ms, to_ms in ((past_ms, window.from_ms), (window.from_ms, window.to_ms)):
        bars_ms = np.arange(-(-from_ms // bar_ms) * bar_ms, to_ms, bar_ms, dtype=np.int64)
        for first in range(0, len(bars_ms), CHUNK_MS // bar_ms):
            yield _chunk(world, tuple(keys), bars_ms[first : first + CHUNK_MS // bar_ms], judge)


def _chunk(world: World, keys: tuple[SeriesKey, ...], times_ms: Instants, judge: Judge) -> Seen:
    told = [observe_at(world.series, key, times_ms) for key in keys]
    quarantined: dict[int, Mapping[SeriesKey, Quarantine]] = {}
    values = np.stack([value for value, _ in told])  # (series, bars, fields)
    mark_ms = np.stack([known_ms[:, Field.MARK] for _, known_ms in told])
    latest = values.copy()
    row = {key: index for index, key in enumerate(keys)}
    for bar, now_ms in enumerate(times_ms.tolist()):
        judged = judge.look(
            now_ms, [Observation(key, now_ms, v[bar], k[bar]) for key, (v, k) in zip(keys, told, strict=True)]
        )
        if judge.quarantined:
            quarantined[bar] = judge.quarantined
            for key in judge.quarantined:
                one = judged.latest[row[key]]
                latest[row[key], bar], mark_ms[row[key], bar] = one.values, one.known_at_ms[Field.MARK]
                values[row[key], bar] = np.nan
    return _seen(keys, times_ms, values, latest, mark_ms, quarantined)


def _seen(
    keys: tuple[SeriesKey, ...],
    times_ms: Instants,
    bars: Floats,
    latest: Floats,
    mark_ms: Instants,
    quarantined: Mapping[int, Mapping[SeriesKey, Quarantine]],
) -> Seen:
    doubted = np.zeros(latest.shape[:2], dtype=bool)
    row = {key: index for index, key in enumerate(keys)}
    for bar, held in quarantined.items():
        for key, one in held.items():
            doubted[row[key], bar] = one.fault.doubts_price
    small = bars.astype(np.float32)
    rate, hours = latest[:, :, Field.FUNDING_SETTLED], latest[:, :, Field.SETTLED_INTERVAL_H]
    ago_s, left_s = latest[:, :, Field.SETTLED_AGO_S], latest[:, :, Field.SETTLES_IN_S]
    known = ~np.isnan(rate + hours + ago_s)
    settled_ms = np.round((times_ms - np.where(known, ago_s, 0.0) * 1_000) / MINUTE_MS).astype(np.int64)
    due = left_s >= 0
    settles_ms = np.where(
        due, times_ms + np.round(np.where(due, left_s, 0.0) * SECOND_MS).astype(np.int64), -1
    )
    return Seen(
        keys, times_ms, np.where(latest[:, :, Field.MARK] > 0, latest[:, :, Field.MARK], np.nan), mark_ms, doubted,
        np.where(known, settled_ms * MINUTE_MS, 0), np.where(known, rate, np.nan), np.where(known, hours, np.nan),
        settles_ms, quarantined, small[:, :, Field.MARK], small[:, :, Field.FUNDING_SETTLED],
        small[:, :, Field.SETTLED_INTERVAL_H], small[:, :, Field.SETTLED_AGO_S],
    )  # fmt: skip
