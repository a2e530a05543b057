"""Exactly what was tested runs: whatever changes under a decision, nothing is opened on it, and stops go through."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from shocks import FAR, SHOCK_MS, Shocked
from worlds import START_MS, app_on, config, dear, tables, world_of

from hedged.app import App
from hedged.backtest.virtual_time import run_virtually
from hedged.cycle import Cycle, CycleReport
from hedged.domain.clock import MINUTE_MS, LoopClock
from hedged.domain.orders import Fill, Purpose
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.forecast.ewma import EwmaConfig, EwmaForecaster
from hedged.risk.verdict import Reason
from hedged.sandbox.markets import VENUES
from hedged.serve import watch
from hedged.thinking import Thinking

OTHER = EwmaConfig(half_lives_h=(24.0,))


class Liar(EwmaForecaster):
    """Its forecasts are of another model than it says it is, from the so manieth on."""

    def __init__(self, first: int = 0) -> None:
        super().__init__()
        self.first, self.asked = first, 0

    def forecast(self, grid: Any, now_ms: int, horizon_h: int) -> Any:
        told = super().forecast(grid, now_ms, horizon_h)
        self.asked += 1
        return replace(told, model_hash="another") if self.asked > self.first else told


class Foreign(EwmaForecaster):
    """Made for another feature schema, and loaded all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_hash = "another"


def lived(forecaster: Any, minutes: float) -> tuple[list[Fill], list[dict[str, Any]], list[CycleReport], App]:
    """Run cycles and the fast loop for some minutes in a world that is hit after seven."""
    settings, world = config(), world_of(dear(tables(1)))
    sources: dict[str, Any] = {name: Shocked(source) for name, source in world.venues(VENUES).items()}
    reports, made = list[CycleReport](), list[App]()

    async def main() -> tuple[list[Fill], list[dict[str, Any]]]:
        clock, journal = LoopClock(START_MS), Journal.open(None, durable=False)
        app = app_on(settings, sources, world, clock, journal, forecaster)
        app.parts.on_cycle = reports.append
        made.append(app)
        await app.prepare()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(app, guarding=True))
            end = group.create_task(asyncio.sleep(minutes * 60))
            end.add_done_callback(lambda _: app.stop())
            await app.run()
            watching.cancel()
        try:
            return await journal(JournalStore.fills), await journal(JournalStore.decisions)
        finally:
            journal.close()

    fills, decisions = run_virtually(main)
    return fills, decisions, reports, made[0]


def swapped_while_it_thinks(m: pytest.MonkeyPatch, once: Callable[[], bool]) -> None:
    """Nobody holds the desk."""
    decided = Cycle._decided

    async def under(self: Cycle, *told: Any) -> CycleReport:
        if once():
            self.exchange(EwmaForecaster(OTHER))
        return await decided(self, *told)

    m.setattr(Cycle, "_decided", under)


def swapped_under_a_plan(m: pytest.MonkeyPatch, once: Callable[[], bool]) -> None:
    """After the plan was made, before the gate looks at it."""
    decide = Cycle._decide

    async def under(self: Cycle, *told: Any) -> Any:
        plan = await decide(self, *told)
        if once():
            self.exchange(EwmaForecaster(OTHER))
        return plan

    m.setattr(Cycle, "_decide", under)


def features_other(m: pytest.MonkeyPatch, once: Callable[[], bool]) -> None:
    """A model of another feature schema takes over while it is thought."""
    of = Thinking.of

    async def under(self: Thinking, forecaster: Any, *more: Any) -> Any:
        return await of(self, Foreign() if once() else forecaster, *more)

    m.setattr(Thinking, "of", under)


def reloaded_under_a_plan(m: pytest.MonkeyPatch, once: Callable[[], bool]) -> None:
    """The configuration changes after the plan was made."""
    decide = Cycle._decide

    async def under(self: Cycle, *told: Any) -> Any:
        plan = await decide(self, *told)
        if once():
            self.reconfigure(config(risk={"max_market_usd": 900_000}))
        return plan

    m.setattr(Cycle, "_decide", under)


ATTACKS = (swapped_while_it_thinks, swapped_under_a_plan, features_other, reloaded_under_a_plan)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_was_decided_with_something_else_than_is_loaded_opens_nothing(
    attack: Callable[[pytest.MonkeyPatch, Callable[[], bool]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a hedge is opened on the word of a model, features or a configuration that is not what runs; or
    a swap leaves the gate shut.
    """
    times = iter([True])
    attack(monkeypatch, lambda: next(times, False))
    fills, decisions, (first, second, *_), app = lived(EwmaForecaster(), 17)
    assert not first.review.approved
    assert {one.reason for one in first.review.refused} == {Reason.HASH_MISMATCH}
    assert not [fill for fill in fills if fill.execution.ts_ms < START_MS + 15 * MINUTE_MS]
    assert second.review.approved, "the next cycle decides anew"
    assert {one.intent.hashes for one in second.review.approved} == {app.cycle.desk.hashes}
    assert all(body[f"{name}_hash"] for body in decisions for name in ("model", "feature", "config"))


def test_a_model_that_lies_about_its_hash_opens_nothing_and_stops_go_through() -> None:
    """If this fails, a forecast of unknown origin sizes hedges, or such a model keeps a stop from being sent."""
    fills, decisions, reports, _ = lived(Liar(), 2)
    assert not fills
    assert {one.reason for one in reports[0].review.refused} == {Reason.HASH_MISMATCH}
    assert {body["model_hash"] for body in decisions} == {"another"}

    fills, decisions, _, app = lived(Liar(first=1), 17)
    stops = [fill for fill in fills if fill.purpose is Purpose.STOP]
    opened = [fill for fill in fills if fill.purpose is not Purpose.STOP]
    assert any(fill.key.venue == FAR for fill in opened)
    assert all(fill.execution.ts_ms < SHOCK_MS for fill in opened)
    assert stops
    assert sum(fill.signed_quantity for fill in fills if fill.key.symbol == "INJ") == 0
    assert {body["model_hash"] for body in decisions if body["action"] == "stop"} == {
        app.cycle.desk.hashes.model
    }
