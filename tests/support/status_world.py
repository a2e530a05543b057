"""Status documents of a daemon that lives through a few hours of a small world, hedges included."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from worlds import START_MS, app_on, config, dear, tables, world_of

from hedged.app import App
from hedged.backtest.virtual_time import run_virtually
from hedged.domain.clock import HOUR_MS, MINUTE_MS, LoopClock
from hedged.execution.journal.thread import Journal
from hedged.process import Process
from hedged.sandbox.markets import VENUES
from hedged.status.board import Board
from hedged.status.document import Status
from hedged.status.records import Records

LASTS_MS = 4 * HOUR_MS + 20 * MINUTE_MS
"""Four settlements on Injective, one of INJ on Bybit, whose rate this forecaster tells beforehand, and some minutes."""


@dataclass
class Life:
    """What the board told: before there was an app, once it was prepared, after the first cycle, and at the end."""

    before: Status
    prepared: Status
    first: Status
    last: Status
    board: Board
    app: App
    journal: Path


def live(journal: Path, lasts_ms: int = LASTS_MS, start_ms: int = START_MS) -> Life:
    """Let a daemon live on a world in which hedging pays at once."""
    settings = config(hedge={"forecaster": "nowcast"})
    world = world_of(dear(tables(1)))
    sources: dict[str, Any] = world.venues(VENUES)

    async def main() -> Life:
        clock, kept = LoopClock(start_ms), Journal.open(journal, durable=False)
        process = Process(settings, CollectorRegistry())
        board = Board(process, clock, records=Records(kept))
        told = [await board.status()]
        app = app_on(settings, sources, world, clock, kept, "nowcast")
        app.parts.on_cycle = board.on_cycle
        process.runs(app)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(board.run())
            await app.prepare()
            await asyncio.sleep(2)
            told.append(await board.status())
            await app.attempt(clock.now_ms())
            await asyncio.sleep(2)
            told.append(await board.status())
            await app.run(start_ms + lasts_ms)
            told.append(await board.status())
            keeping.cancel()
        kept.close()
        return Life(*told, board, app, journal)

    return run_virtually(main)
