"""The batch engine: every bar of a window decided by the daemon's own functions, in the daemon's order.

What does not depend on what is held is reckoned for a chunk of bars at once (`seen`, `movements`, `record`); the
forecasts are there before (`backtest.laws`). What is left is the daemon's cycle without waiting for anybody (`cycle`),
and the bars at which it would change nothing are passed over (`skipping`). See docs/adr/0013.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from hedged.adapters.paper.course import LATE_MS
from hedged.backtest.batch.cycle import BatchCycle
from hedged.backtest.batch.judged import Judgement
from hedged.backtest.batch.law_arrays import LawArrays, Tells
from hedged.backtest.batch.movements import Movements, Past
from hedged.backtest.batch.seen import Seen, seen_by_chunk
from hedged.backtest.batch.skipping import Skipping
from hedged.backtest.batch.supported import check_supported
from hedged.backtest.runner import RunResult, Window
from hedged.backtest.world import World
from hedged.config import Config

Book = Mapping[str, tuple[Decimal, Decimal]]


def run_batch(
    config: Config,
    world: World,
    book: Book,
    window: Window,
    laws: Tells,
    on_bar: Callable[[int], None] = lambda _: None,
    *,
    judgement: Judgement | None = None,
    every_ms: int = 0,
    told: dict[str, int] | None = None,
    keep_in: Path | None = None,
) -> RunResult:
    """Play a window; fills, funding and decisions are those of `run_window` on the same world and forecasts.

    `book`: signed coins and first price by symbol; `laws`: forecasts from the window's first bar on; `judgement`: what
    was judged of the world before. `every_ms`: decisions of all coins are told so often, and between that those of the
    coins that may change; 0: at every bar, like the daemon. Laws that are arrays (`LawArrays`) let bars pass unplanned
    at which nothing can change. `told`: counts what became of the bars.
    `keep_in`: a folder for what a long run decides and forecasts, as long as its result lives; None: the system's for
    temporary files. Raises ConfigError for what is not played here.
    """
    check_supported(config)
    cycle = BatchCycle.begin(config, world, book, window, laws, keep_in)
    past = Past(cycle.keys, cycle.bar_ms, config.cycle.history_days * 24, config.hedge.horizon_h)
    bars: Plain | Skipping = Plain(cycle)
    if every_ms > 0 and isinstance(laws, LawArrays) and cycle.may_skip:
        bars = Skipping(cycle, laws, every_ms, {} if told is None else told)
    for seen in seen_by_chunk(world, cycle.keys, config, window, judgement):
        movements = past.then(seen)
        if seen.times_ms[0] >= window.from_ms:
            for source in cycle.desk.account.sources.values():
                source.then(seen, cycle.desk.orders.clock.ms - LATE_MS, cycle.bar_ms)
            bars.play(seen, movements, on_bar)
            cycle.desk.account.bring_up()
    return cycle.result(window)


@dataclass(slots=True)
class Plain:
    """Every bar is a cycle."""

    cycle: BatchCycle

    def play(self, seen: Seen, movements: Movements, on_bar: Callable[[int], None]) -> None:
        """Play the bars of a chunk."""
        for bar, now_ms in enumerate(seen.times_ms.tolist()):
            self.cycle.run(bar, seen, movements)
            on_bar(now_ms)
