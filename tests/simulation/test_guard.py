"""The fast loop beside the cycles, in the whole daemon on virtual time."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
from shocks import FAR, SHOCK_MS, Shocked
from worlds import START_MS, app_on, config, dear, diverging_world, run, tables, world_of

from hedged.adapters.paper import PaperVenue
from hedged.app import App
from hedged.backtest.virtual_time import run_virtually
from hedged.backtest.world import World
from hedged.config import Config
from hedged.cycle import Cycle
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import MINUTE_MS, SECOND_MS, LoopClock
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.domain.orders import Fill, OrderState, Purpose
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.sandbox.markets import VENUES
from hedged.serve import watch as watching


def daemon(
    settings: Config, minutes: float, *, guarding: bool = True, world: World | None = None
) -> tuple[list[Fill], list[dict[str, Any]], App]:
    """Run cycles and the fast loop for some minutes; return the journal's fills and decisions."""
    world = world or world_of(dear(tables(1)))
    sources: dict[str, Any] = {name: Shocked(source) for name, source in world.venues(VENUES).items()}
    made: list[App] = []

    async def main() -> tuple[list[Fill], list[dict[str, Any]]]:
        clock, journal = LoopClock(START_MS), Journal.open(None, durable=False)
        app = app_on(settings, sources, world, clock, journal)
        made.append(app)
        await app.prepare()
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(watching(app, guarding=guarding))
            end = group.create_task(asyncio.sleep(minutes * 60))
            end.add_done_callback(lambda _: app.stop())
            await app.run()
            watch.cancel()
        try:
            return await journal(JournalStore.fills), await journal(JournalStore.decisions)
        finally:
            journal.close()

    fills, decisions = run_virtually(main)
    return fills, decisions, made[0]


def test_a_blow_out_between_two_cycles_is_unwound_within_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a hedge bleeds for up to fifteen minutes, or is stopped by figures that are not the rule's."""
    seen: dict[int, dict[SeriesKey, float]] = {}
    plain = Shocked.observe

    async def noting(self: Shocked, now_ms: int) -> Sequence[Observation]:
        told = await plain(self, now_ms)
        seen.setdefault(now_ms, {}).update({o.key: float(o.values[Field.MARK]) for o in told})
        return told

    monkeypatch.setattr(Shocked, "observe", noting)
    fills, decisions, app = daemon(config(), 12)
    opened = [f for f in fills if f.key.symbol == "INJ" and f.purpose.value != "stop"]
    stops = [f for f in fills if f.key.symbol == "INJ" and f.purpose.value == "stop"]
    assert {f.key.venue for f in opened} >= {INJECTIVE, FAR}
    assert {f.key for f in stops} == {f.key for f in opened}
    assert all(SHOCK_MS < f.execution.ts_ms <= SHOCK_MS + 6 * SECOND_MS for f in stops)
    assert sum(f.signed_quantity for f in opened + stops) == 0

    (stop,) = [d for d in decisions if d["symbol"] == "INJ" and d["action"] == "stop"]
    then, now = seen[START_MS], seen[stop["ts_ms"]]
    here = SeriesKey(INJECTIVE, "INJ")
    lost = sum(
        float(f.signed_quantity) * (float(f.execution.price) - now[f.key] + now[here] - then[here])
        + float(f.execution.fee_usd)
        for f in opened
    )
    said = re.match(r"stop: the hedge has lost ([\d,.]+) USD", stop["reason"])
    assert said is not None
    assert float(said[1].replace(",", "")) == pytest.approx(lost, abs=0.006)
    assert app.metrics.registry.get_sample_value("hedged_stop_unwinding", {"symbol": "INJ"}) == 0
    assert not app.cycle.desk.stops.unvalued


def test_a_divergence_trade_is_stopped_between_two_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a basis that blows out under a divergence trade takes fifteen minutes of losses (E7)."""
    monkeypatch.setattr(Shocked, "times", 1.08)  # the short leg's exchange
    settings = config(strategies={"divergence": {"enabled": True, "symbols": ["IMX"]}})
    fills, decisions, app = daemon(settings, 32, world=diverging_world(1))
    mine = [f for f in fills if f.key.symbol == "IMX"]
    opened = [f for f in mine if f.purpose is Purpose.DIVERGENCE_OPEN]
    closed = [f for f in mine if f.purpose is Purpose.DIVERGENCE_CLOSE]
    assert {(f.key.venue, f.signed_quantity > 0) for f in opened} == {("binance", True), (FAR, False)}
    assert {f.key for f in closed} == {f.key for f in opened}
    assert all(SHOCK_MS < f.execution.ts_ms <= SHOCK_MS + 6 * SECOND_MS for f in closed)
    assert len(mine) == 4, "and it is not opened again at the next two cycles"
    (stop,) = [d for d in decisions if d["symbol"] == "IMX" and d["action"] == "stop"]
    said = re.match(r"stop: price took ([\d,.]+) USD, more than the ([\d,.]+) that", stop["reason"])
    assert said is not None
    took, allowed = (float(text.replace(",", "")) for text in said.groups())
    (short,) = [f for f in opened if f.key.venue == FAR]
    assert took == pytest.approx(0.08 * float(-short.signed_quantity * short.reference_price), rel=0.1)
    assert took > allowed
    assert app.cycle.memory.divergence["IMX"].waits_until_ms > SHOCK_MS


def test_the_same_seconds_are_lived_alike_twice() -> None:
    """If this fails, a stop in a simulation cannot be repeated."""
    (first, decided, _), (second, again, _) = (daemon(config(), 10) for _ in range(2))
    assert {fill.purpose.value for fill in first} >= {"relocate", "stop"}
    assert first == second
    assert decided == again


def test_guard_and_cycle_never_trade_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, orders of two decisions cross each other, each made without the other."""
    place, decided = PaperVenue.place, Cycle._decided
    at_work: list[str] = []
    most, cycling = 0, False

    async def slow(self: PaperVenue, approved: Any) -> OrderState:
        nonlocal most
        at_work.append(approved.intent.purpose.value)
        most = max(most, len(at_work))
        assert (approved.intent.cycle_ts_ms % (30 * SECOND_MS) == 0) is cycling, "an order of the other's"
        await asyncio.sleep(8)  # longer than the fast loop takes to come round
        state = await place(self, approved)
        at_work.pop()
        return state

    async def noted(self: Cycle, *told: Any) -> Any:
        nonlocal cycling
        cycling = True
        try:
            return await decided(self, *told)
        finally:
            cycling = False

    monkeypatch.setattr(PaperVenue, "place", slow)
    monkeypatch.setattr(Cycle, "_decided", noted)
    # an hour is no longer than the cycles: they and the looks get into each other's way as often as can be
    often = config(cycle={"interval_s": 30, "bar_s": 900, "history_days": 12})
    fills, _, _ = daemon(often, 9)
    purposes = {f.purpose.value for f in fills}
    assert "stop" in purposes
    assert len(purposes) > 1
    assert most == 1


def test_recorded_hours_are_looked_at_with_every_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a backtest with a cycle an hour stops its hedges later than the daemon will."""
    looks: list[int] = []
    guard = App.guard

    async def noted(self: App, now_ms: int) -> None:
        looks.append(now_ms)
        await guard(self, now_ms)

    monkeypatch.setattr(App, "guard", noted)
    hourly = config(cycle={"interval_s": 3_600, "history_days": 12})
    run(world_of(tables(1)), hourly, 3 / 24)
    assert looks == [START_MS + bar * 15 * MINUTE_MS for bar in range(12) if bar % 4]
    looks.clear()
    run(world_of(tables(1)), config(), 1 / 24)
    assert looks == []
