"""The app when its clock is set under way."""

import asyncio
from decimal import Decimal

import pytest
from worlds import START_MS, config

from hedged.app import App, Parts
from hedged.backtest.virtual_time import run_virtually
from hedged.cycle import CycleReport
from hedged.domain.clock import MINUTE_MS, LoopClock
from hedged.domain.errors import HedgedError, NoJournal
from hedged.execution.journal.thread import Journal
from hedged.execution.turn import Yielded
from hedged.forecast.registry import make_forecaster


class SetClock(LoopClock):
    """Virtual time that can be set."""

    slice_s = 1.0
    off_ms = 0

    def now_ms(self) -> int:
        """Return the time it was set to, and what has passed since."""
        return super().now_ms() + self.off_ms


@pytest.mark.parametrize("broke", [Yielded("a kill is first"), NoJournal("the disk is full")])
def test_a_cycle_that_broke_off_is_not_repeated_by_a_clock_set_back(broke: HedgedError | Yielded) -> None:
    """If this fails, cycles run anew for instants before one that began already, and may have sent its orders."""
    settings = config(cycle={"interval_s": 300})
    begun: list[int] = []

    class Breaks(App):
        async def step(self, now_ms: int) -> CycleReport:
            begun.append(now_ms - START_MS)
            if len(begun) == 1:
                clock.off_ms = -12 * MINUTE_MS
            raise broke

    async def main() -> None:
        journal = Journal.open(None, durable=False)
        app = Breaks(
            Parts(settings, clock, {}, {}, journal, make_forecaster("ewma", None), (), Decimal(100_000))
        )
        await app.attempt(START_MS)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(app.run())
            await asyncio.sleep(23 * 60)
            app.stop()
            await running
        journal.close()

    clock = SetClock(START_MS)
    run_virtually(main)
    assert begun == [0, 5 * MINUTE_MS, 10 * MINUTE_MS]
