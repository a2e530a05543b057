"""A kill in the middle of a cycle of the whole daemon: it does not wait, and no fill and no payment is lost by it."""

import asyncio
from typing import Any

import pytest
from slow_thinking import think_slowly
from worlds import START_MS, app_on, config, dear, tables, world_of

from hedged.backtest.virtual_time import run_virtually
from hedged.control.hand import Hand
from hedged.cycle import CycleReport
from hedged.domain.clock import HOUR_MS, SECOND_MS, LoopClock
from hedged.domain.market import INJECTIVE
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.risk.gate import KillLevel
from hedged.sandbox.markets import VENUES

THINKS_S = 30.0


def test_a_cycle_that_thinks_yields_to_a_flatten_and_its_news_are_told_by_the_next(
    logs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a kill waits for a forecast of half a minute, or what was filled and paid meanwhile is lost."""
    settings, world = config(), world_of(dear(tables(1)))
    sources: dict[str, Any] = dict(world.venues(VENUES))

    async def main() -> tuple[list[CycleReport], Any, Any]:
        clock, journal = LoopClock(START_MS), Journal.open(None, durable=False)
        app = app_on(settings, sources, world, clock, journal)
        reports: list[CycleReport] = []
        app.parts.on_cycle = reports.append
        await app.prepare()
        loop, desk = asyncio.get_running_loop(), app.cycle.desk
        await app.attempt(START_MS)
        assert any(key.venue != INJECTIVE for key, q in desk.accounts.attributed.items() if q)

        await asyncio.sleep((START_MS + HOUR_MS - clock.now_ms()) / SECOND_MS)
        thinks = think_slowly(monkeypatch, THINKS_S)
        async with asyncio.TaskGroup() as group:
            cycle = group.create_task(app.attempt(clock.now_ms()))
            await thinks.wait()
            began_s = loop.time()
            await journal(JournalStore.set_kill, clock.now_ms(), int(KillLevel.FLATTEN), "drill")
            desk.kill = KillLevel.FLATTEN
            hand = Hand(lambda: desk, app.cycle.poller, app.parts.trading)
            await hand.act(KillLevel.FLATTEN)
            assert loop.time() - began_s < THINKS_S
            await cycle
        assert len(reports) == 1, "nothing was decided"
        assert not [q for key, q in desk.accounts.attributed.items() if q and key.venue != INJECTIVE]
        monkeypatch.undo()
        await asyncio.sleep((START_MS + 2 * HOUR_MS - clock.now_ms()) / SECOND_MS)
        await app.attempt(clock.now_ms())
        try:
            return reports, await journal(JournalStore.fills), await journal(JournalStore.funding)
        finally:
            journal.close()

    (first, second), fills, payments = run_virtually(main)
    assert [line["event"] for line in logs if line["event"] == "cycle_yielded"] == ["cycle_yielded"]
    told = [fill.execution.execution_id for report in (first, second) for fill in report.fills]
    assert sorted(told) == sorted(fill.execution.execution_id for fill in fills)
    paid = [one.settlement for report in (first, second) for one in report.payments]
    assert payments
    assert sorted((s.ts_ms, s.key) for s in paid) == sorted(
        (p.settlement.ts_ms, p.settlement.key) for p in payments
    )
