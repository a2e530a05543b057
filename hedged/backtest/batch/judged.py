"""Which series are not believed at which bars: what the judge says of a window, kept for every run that plays it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hedged.adapters.replay.venue import Block, observe_at
from hedged.backtest.batch.bars import Instants, chunks, followed
from hedged.backtest.runner import Window
from hedged.backtest.world import World
from hedged.collectors.quality.judge import Judge
from hedged.config import Config
from hedged.domain.bars import Field, Observation
from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Quarantine


class Doubt(NamedTuple):
    """A series in quarantine at one bar, and the mark by which what is held may be reduced; NaN and 0 where none is."""

    quarantine: Quarantine
    mark: float
    mark_ms: int


Doubts = Mapping[int, Mapping[SeriesKey, Doubt]]
"""By bar, its end in ms, the series in quarantine; bars without any are missing."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What does not depend on what is held, so that a second run need not judge again. It holds for one world, one
    window, one list of markets and one configuration of `quality` and `cycle`.
    """

    keys: tuple[SeriesKey, ...]
    doubts: Doubts = field(default_factory=dict)


def judge_world(
    world: World,
    config: Config,
    symbols: Collection[str],
    window: Window,
    on_chunk: Callable[[int], None] = lambda _: None,
) -> Judgement:
    """Judge every bar of a window and of the past that fills the buffer before it, as the daemon does."""
    keys = tuple(followed(world, config, symbols))
    judge = Judge(config.quality, config.clock.speed)
    doubts: dict[int, Mapping[SeriesKey, Doubt]] = {}
    for times_ms in chunks(config, window):
        doubts.update(
            judged(judge, keys, [observe_at(world.series, key, times_ms) for key in keys], times_ms)
        )
        on_chunk(int(times_ms[-1]))
    return Judgement(keys, doubts)


def judged(judge: Judge, keys: Sequence[SeriesKey], told: Sequence[Block], times_ms: Instants) -> Doubts:
    """Judge the bars of a chunk one after another."""
    doubts = {}
    for bar, now_ms in enumerate(times_ms.tolist()):
        seen = [Observation(key, now_ms, v[bar], k[bar]) for key, (v, k) in zip(keys, told, strict=True)]
        latest = {one.key: one for one in judge.look(now_ms, seen).latest}
        if held := judge.quarantined:
            doubts[now_ms] = {
                key: Doubt(
                    one, float(latest[key].values[Field.MARK]), int(latest[key].known_at_ms[Field.MARK])
                )
                for key, one in held.items()
            }
    return doubts
