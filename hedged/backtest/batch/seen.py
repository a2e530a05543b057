"""What the daemon's poller would have seen at every bar: told by the same series, judged by the same judge.

Nothing here depends on what is held. Time comes in chunks, so that memory grows with the series alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.venue import Block, observe_at
from hedged.backtest.batch.bars import Floats, Instants, Singles, chunks
from hedged.backtest.batch.judged import Doubt, Doubts, Judgement, judged
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.domain.bars import Field
from hedged.domain.clock import MINUTE_MS, SECOND_MS
from hedged.domain.market import SeriesKey

NOBODY: Mapping[SeriesKey, Doubt] = {}


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
    doubts: Doubts
    bar_mark: Singles
    bar_rate: Singles
    bar_hours: Singles
    bar_ago_s: Singles

    def doubts_at(self, bar: int) -> Mapping[SeriesKey, Doubt]:
        """Return the series in quarantine at a bar."""
        return self.doubts.get(int(self.times_ms[bar]), NOBODY) if self.doubts else NOBODY


def seen_by_chunk(
    world: World,
    keys: tuple[SeriesKey, ...],
    config: Config,
    window: Window,
    judgement: Judgement | None = None,
) -> Iterator[Seen]:
    """Walk over the bars of a window and of the past before it. `judgement`: what was judged before, else it is now."""
    judge = Judge(config.quality, config.clock.speed)
    for times_ms in chunks(config, window):
        told = [observe_at(world.series, key, times_ms) for key in keys]
        doubts = judgement.doubts if judgement else judged(judge, keys, told, times_ms)
        yield _seen(keys, times_ms, told, doubts)


def _seen(keys: tuple[SeriesKey, ...], times_ms: Instants, told: list[Block], doubts: Doubts) -> Seen:
    names = (
        Field.MARK, Field.FUNDING_SETTLED, Field.SETTLED_INTERVAL_H, Field.SETTLED_AGO_S, Field.SETTLES_IN_S,
    )  # fmt: skip
    fields = np.stack([values[:, names] for values, _ in told])  # (series, bars, fields)
    mark_ms = np.stack([known_ms[:, Field.MARK] for _, known_ms in told])
    row = {key: index for index, key in enumerate(keys)}
    marks, doubted = fields[:, :, 0].copy(), np.zeros(mark_ms.shape, dtype=bool)
    if doubts:
        for bar, now_ms in enumerate(times_ms.tolist()):
            for key, one in doubts.get(now_ms, NOBODY).items():
                at = row[key], bar
                fields[at], marks[at], mark_ms[at] = np.nan, one.mark, one.mark_ms
                doubted[at] = one.quarantine.fault.doubts_price
    bar_mark, bar_rate, bar_hours, bar_ago_s = (fields[:, :, i].astype(np.float32) for i in range(4))
    _, rate, hours, ago_s, left_s = np.moveaxis(fields, -1, 0)
    known, due = ~np.isnan(rate + hours + ago_s), left_s >= 0
    settled = np.round((times_ms - np.where(known, ago_s, 0.0) * SECOND_MS) / MINUTE_MS).astype(np.int64)
    left_ms = np.round(np.where(due, left_s, 0.0) * SECOND_MS).astype(np.int64)
    return Seen(
        keys, times_ms, np.where(marks > 0, marks, np.nan), mark_ms, doubted,
        np.where(known, settled * MINUTE_MS, 0), np.where(known, rate, np.nan), np.where(known, hours, np.nan),
        np.where(due, times_ms + left_ms, -1), doubts, bar_mark, bar_rate, bar_hours, bar_ago_s,
    )  # fmt: skip
