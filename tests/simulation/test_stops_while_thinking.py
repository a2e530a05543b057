"""A stop in the middle of a cycle of the whole daemon that waits for its model."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from slow_thinking import think_slowly
from worlds import START_MS, app_on, config, dear, tables, world_of

from hedged.backtest.virtual_time import run_virtually
from hedged.cycle import CycleReport
from hedged.domain.clock import HOUR_MS, SECOND_MS, LoopClock
from hedged.domain.market import SeriesKey
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.sandbox.markets import VENUES

THINKS_S = 60.0


def test_a_hedge_is_stopped_while_the_cycle_waits_for_a_forecast(
    monkeypatch: pytest.MonkeyPatch, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a model that hangs keeps a stop waiting for a minute, or the cycle then trades on what it knew."""
    settings, world = config(), world_of(dear(tables(1)))
    sources: dict[str, Any] = dict(world.venues(VENUES))

    async def main() -> tuple[CycleReport, list[Any]]:
        clock, journal = LoopClock(START_MS), Journal.open(None, durable=False)
        app = app_on(settings, sources, world, clock, journal)
        reports: list[CycleReport] = []
        app.parts.on_cycle = reports.append
        await app.prepare()
        loop, desk = asyncio.get_running_loop(), app.cycle.desk
        await app.attempt(START_MS)

        def legs() -> set[SeriesKey]:
            return {key for key, q in desk.accounts.attributed.items() if q}

        hedged = {key.symbol for key in legs()}
        assert hedged
        await asyncio.sleep((START_MS + HOUR_MS - clock.now_ms()) / SECOND_MS)
        thinks = think_slowly(monkeypatch, THINKS_S)
        async with asyncio.TaskGroup() as group:
            cycle = group.create_task(app.attempt(clock.now_ms()))
            await thinks.wait()
            began_s = loop.time()
            for symbol in hedged:
                desk.stops.episodes[symbol] = replace(desk.stops.episodes[symbol], costs_usd=1e6)
            await asyncio.sleep(5)
            await app.guard(clock.now_ms())
            assert not legs(), "the stop has closed them"
            assert loop.time() - began_s < THINKS_S
            await cycle
        assert not legs(), "the cycle knows of the stop"
        try:
            return reports[-1], list(await journal(JournalStore.fills))
        finally:
            journal.close()

    last, fills = run_virtually(main)
    assert [line["event"] for line in logs if line["event"] == "cycle_yielded"] == []
    assert {body["action"] for body in last.decisions.values()} <= {"stop", "none"}
    stopped = [fill for fill in fills if fill.purpose == "stop"]
    assert stopped
    assert {f.execution.execution_id for f in stopped} == {f.execution.execution_id for f in last.fills}
