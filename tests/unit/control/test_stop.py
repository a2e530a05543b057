"""How a daemon ends: what it still does, in which time, and what a second request cuts short."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import THERE
from guarded import OPPOSITE, Life, Rig

from hedged.app import App
from hedged.config.control import ControlConfig
from hedged.control.hand import Hand
from hedged.control.stop import Ending
from hedged.control.switch import Switch
from hedged.domain.errors import Fatal, Retryable
from hedged.execution.journal.latch import Latch
from hedged.execution.under_way import UnderWay
from hedged.risk.gate import KillLevel
from hedged.telemetry.metrics import Metrics

CONFIG = ControlConfig(stop_within_s=20)
FLATTEN = ControlConfig(stop_within_s=20, on_stop="flatten")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "journal.sqlite")


def leave(
    rig: Rig,
    config: ControlConfig,
    level: KillLevel = KillLevel.NONE,
    meanwhile: Callable[[Ending], Awaitable[None]] | None = None,
) -> tuple[float, dict[Any, Any]]:
    """Open a hedge, end; return the seconds that took, and what is held after it."""
    took: list[tuple[float, dict[Any, Any]]] = []

    async def script(life: Life) -> None:
        await life.open(OPPOSITE)
        switch = Switch(rig.config(), life.desk.journal, life.clock, Metrics())
        switch.latch = Latch(1, 0, level)
        switch.hand = Hand(lambda: life.desk, rig.prices, life.venues)  # type: ignore[arg-type]
        loop, ending = asyncio.get_running_loop(), Ending()
        ending.ask()
        begun_s = loop.time()
        async with asyncio.TaskGroup() as group:
            group.create_task(ending.leave(switch, config))
            if meanwhile:
                group.create_task(meanwhile(ending))  # type: ignore[arg-type]
        took.append((loop.time() - begun_s, life.held()))

    rig.life(script)
    return took[0]


def test_hedges_are_kept_or_closed_as_configured(rig: Rig) -> None:
    """If this fails, a restart for an update gives hedges up, or leaves those that were to be closed."""
    assert leave(rig, CONFIG)[1] == {THERE: -4}


def test_they_are_closed_where_that_is_wanted(rig: Rig, logs: list[dict[str, Any]]) -> None:
    """If this fails, on_stop: flatten leaves the hedges behind, or does not say what stays."""
    assert leave(rig, FLATTEN)[1] == {}
    (said,) = [line for line in logs if line["event"] == "held_at_the_end"]
    assert (said["hedges"], said["unresolved"]) == ({}, 0)


@pytest.mark.parametrize("level", [KillLevel.PAUSE, KillLevel.CANCEL])
def test_an_operator_who_wants_no_order_gets_none(rig: Rig, level: KillLevel) -> None:
    """If this fails, a stop trades against a pause."""
    assert leave(rig, FLATTEN, level)[1] == {THERE: -4}


def test_a_flatten_that_is_latched_is_still_done(rig: Rig) -> None:
    """If this fails, a stop in the middle of a flatten leaves half a book."""
    assert leave(rig, CONFIG, KillLevel.FLATTEN)[1] == {}


def test_a_venue_that_does_not_answer_costs_no_more_than_the_time_there_is(
    rig: Rig, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a container is killed in the middle of its end."""
    rig_venue = rig.venues["binance"]

    async def broken(_: Ending) -> None:
        rig_venue.broken["executions"] = Retryable("maintenance")

    took_s, held = leave(rig, FLATTEN, meanwhile=broken)
    assert took_s <= 20
    assert held == {THERE: -4}
    (said,) = [line for line in logs if line["event"] == "stop_not_done"]
    assert said["why"] == "no time left"
    assert "binance:BTC: -4 coins: binance does not answer" in said["left"]


def test_asked_twice_it_ends_at_once(rig: Rig, logs: list[dict[str, Any]]) -> None:
    """If this fails, an operator in a hurry has to kill the process."""
    rig_venue = rig.venues["binance"]

    async def hurry(ending: Ending) -> None:
        rig_venue.broken["executions"] = Retryable("maintenance")
        await asyncio.sleep(3)
        assert ending.ask()

    took_s, _ = leave(rig, FLATTEN, meanwhile=hurry)
    assert took_s == pytest.approx(3)
    (said,) = [line for line in logs if line["event"] == "stop_not_done"]
    assert said["why"] == "asked again"


def test_a_journal_that_fails_at_the_end_is_said_and_ends_it(rig: Rig, logs: list[dict[str, Any]]) -> None:
    """If this fails, a full disk hides the reason for the stop behind another error."""

    async def script(life: Life) -> None:
        async def full(*_: Any) -> None:
            raise Fatal("the disk is full")

        switch = Switch(rig.config(), life.desk.journal, life.clock, Metrics())
        switch.hand = Hand(lambda: life.desk, rig.prices, life.venues)  # type: ignore[arg-type]
        life.desk.journal = full  # type: ignore[assignment]
        await Ending().leave(switch, CONFIG)

    rig.life(script)
    assert [line["event"] for line in logs] == ["stop_not_done", "held_at_the_end"]


def test_what_is_under_way_can_be_ended_but_orders_are_let_finish(rig: Rig) -> None:
    """If this fails, a stop waits for a forecast, or tears an order in two."""

    async def script(life: Life) -> None:
        app = App.__new__(App)
        app._under_way, app._cycle = UnderWay(), type("Cycle", (), {"desk": life.desk})()
        done = []

        async def long() -> None:
            async with app._under_way.doing("cycle"):
                await asyncio.sleep(1_000)
                done.append("whole")
            done.append("ended")

        async with asyncio.TaskGroup() as group:
            group.create_task(long())
            await asyncio.sleep(1)
            life.desk.sending = True
            app.abandon()
            await asyncio.sleep(1)
            assert done == []
            life.desk.sending = False
            app.abandon()
            app.abandon()
            await asyncio.sleep(1)
            assert done == ["ended"]

        with pytest.raises(TimeoutError):
            async with app._under_way.doing("cycle"):
                raise TimeoutError  # of its own: no abandonment

    rig.life(script)
