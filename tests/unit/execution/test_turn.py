"""Whose turn it is at the desk: who must not wait is next, and nothing that is being written is cut."""

import asyncio

import pytest

from hedged.backtest.virtual_time import run_virtually
from hedged.execution.turn import Turn, Yielded


def test_who_only_asks_yields_and_who_writes_is_let_finish() -> None:
    """If this fails, a kill waits for a cycle that asks, or ends one in the middle of what it writes down."""
    done: list[str] = []

    async def cycle(turn: Turn) -> None:
        async with turn:
            await asyncio.sleep(5)
            done.append("written")
            try:
                async with turn.yielding():
                    await asyncio.sleep(600)
            except Yielded:
                done.append("yielded")
                raise

    async def main() -> None:
        turn, loop = Turn(), asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            at_work = group.create_task(_caught(cycle(turn)))
            await asyncio.sleep(1)
            async with turn.at_once():
                done.append("killed")
                assert not turn.wanted
                assert loop.time() == pytest.approx(5)
            assert await at_work

    run_virtually(main)
    assert done == ["written", "yielded", "killed"]


def test_what_waits_already_is_cut_at_once_and_a_deadline_stays_a_deadline() -> None:
    """If this fails, a kill waits for a silent venue, or a venue's silence passes for a kill."""

    async def main() -> None:
        turn, loop = Turn(), asyncio.get_running_loop()

        async def ask(limit_s: float) -> None:
            async with turn, turn.yielding(), asyncio.timeout(limit_s):
                await asyncio.sleep(600)

        with pytest.raises(TimeoutError):
            await ask(3)
        async with asyncio.TaskGroup() as group:
            at_work = group.create_task(_caught(ask(500)))
            await asyncio.sleep(1)
            async with turn.at_once():
                assert loop.time() == pytest.approx(4)
            assert await at_work

    run_virtually(main)


def test_one_that_gives_up_waiting_leaves_no_trace() -> None:
    """If this fails, every later cycle yields to a kill that is long over."""

    async def main() -> None:
        turn = Turn()
        async with turn:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1), turn.at_once():
                    raise AssertionError("it was taken")
        assert not turn.wanted
        async with turn, turn.yielding():
            await asyncio.sleep(1)

    run_virtually(main)


def test_two_that_must_not_wait_do_not_cut_each_other_and_both_go_before_a_cycle() -> None:
    """If this fails, a stop in the midst of a flatten ends the flatten, and with it the daemon."""
    done: list[str] = []

    async def urgent(turn: Turn, name: str) -> None:
        async with turn.at_once(), turn.yielding():
            await asyncio.sleep(5)
            done.append(name)

    async def cycle(turn: Turn) -> None:
        async with turn, turn.yielding():
            done.append("cycle")

    async def main() -> None:
        turn = Turn()
        async with asyncio.TaskGroup() as group:
            group.create_task(urgent(turn, "kill"))
            await asyncio.sleep(1)
            between = group.create_task(_caught(cycle(turn)))
            await asyncio.sleep(1)
            group.create_task(urgent(turn, "stop"))
            assert await between
        assert not turn.wanted

    run_virtually(main)
    assert done == ["kill", "stop"]


def test_a_guest_works_where_the_turn_is_lent_and_is_waited_for() -> None:
    """If this fails, the stops wait for a model that thinks, or the cycle goes on while the stop is still trading."""
    done: list[str] = []

    async def cycle(turn: Turn) -> None:
        async with turn:
            assert turn.locked()
            async with turn.lent():
                await asyncio.sleep(5)
                done.append("thought")
            assert turn.locked()
            done.append("cycle")

    async def guest(turn: Turn, takes_s: float) -> None:
        async with turn.as_guest():
            await asyncio.sleep(takes_s)
            done.append("guest")

    async def main() -> None:
        turn, loop = Turn(), asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            group.create_task(cycle(turn))
            await asyncio.sleep(1)
            assert not turn.locked()
            await guest(turn, 1)
            late = group.create_task(guest(turn, 8))
            await asyncio.sleep(1)
            assert turn.locked(), "one guest at a time"
            await late
        assert loop.time() == pytest.approx(10)
        await guest(turn, 1)  # nobody is at work: it has the turn itself

    run_virtually(main)
    assert done == ["guest", "thought", "guest", "cycle", "guest"]


def test_a_kill_ends_what_thinks_but_not_what_a_guest_writes() -> None:
    """If this fails, a kill trades beside a stop that is under way, or waits for the model."""
    done: list[str] = []

    async def cycle(turn: Turn) -> None:
        async with turn, turn.lent(), turn.yielding():
            await asyncio.sleep(600)

    async def guest(turn: Turn) -> None:
        async with turn.as_guest():
            await asyncio.sleep(3)
            done.append("stop")

    async def main() -> None:
        turn, loop = Turn(), asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            at_work = group.create_task(_caught(cycle(turn)))
            await asyncio.sleep(1)
            group.create_task(guest(turn))
            await asyncio.sleep(1)
            async with turn.at_once():
                done.append("kill")
                assert loop.time() == pytest.approx(4)
            assert await at_work

    run_virtually(main)
    assert done == ["stop", "kill"]


async def _caught(work: "asyncio.Future[None] | object") -> bool:
    try:
        await work  # type: ignore[misc]
    except Yielded:
        return True
    return False
