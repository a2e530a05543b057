"""The app when its configuration changes under way."""

import asyncio
from pathlib import Path
from typing import Any

from worlds import START_MS, app_on, config, dear, tables, world_of

from hedged.backtest.virtual_time import run_virtually
from hedged.domain.clock import MINUTE_MS, LoopClock
from hedged.execution.journal.thread import Journal
from hedged.sandbox.markets import VENUES


class SlicedClock(LoopClock):
    """Virtual time that is waited for in slices, as the machine's is."""

    slice_s = 1.0


def test_a_changed_interval_does_not_wait_for_the_end_of_the_old_one(tmp_path: Path) -> None:
    """If this fails, a daemon reloaded to a shorter interval says that it hangs, and is restarted for it."""
    settings = config(hedge={"forecaster": "persistence"})
    hourly, often = (
        settings.model_copy(update={"cycle": settings.cycle.model_copy(update={"interval_s": interval_s})})
        for interval_s in (3_600, 300)
    )
    world = world_of(dear(tables(1)))
    sources: dict[str, Any] = world.venues(VENUES)

    async def main() -> tuple[int, list[str], int]:
        clock, journal = SlicedClock(START_MS), Journal.open(tmp_path / "journal.sqlite", durable=False)
        app = app_on(hourly, sources, world, clock, journal, "persistence")
        await app.prepare()
        await app.attempt(START_MS)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(app.run())
            await asyncio.sleep(17 * 60)
            await app.reconfigure(often)
            await asyncio.sleep(13 * 60 + 30)
            assert app.progress.last is not None
            found = app.progress.last.now_ms - START_MS, app.not_alive(), app.progress.missed
            app.stop()
            await running
        journal.close()
        return found

    assert run_virtually(main) == (30 * MINUTE_MS, [], 0)
