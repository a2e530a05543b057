"""The supervisor: what is started again, how often, and what ends the daemon."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from hedged.backtest.virtual_time import run_virtually
from hedged.config.control import ControlConfig
from hedged.control.supervise import Supervisor
from hedged.domain.errors import Fatal

CONFIG = ControlConfig(restarts=3, restart_window_s=100)


class Watched:
    """A supervisor, and what it said."""

    def __init__(self) -> None:
        self.given_up: list[Fatal] = []
        self.restarted: list[str] = []
        self.begun_s: list[float] = []
        self.one = Supervisor(CONFIG, np.random.default_rng(3), self.given_up.append, self.restarted.append)

    def keep(self, run: Callable[[int], Awaitable[None]]) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()

            async def begun() -> None:
                self.begun_s.append(loop.time())
                await run(len(self.begun_s))

            await self.one.keep("feed", begun)

        run_virtually(main)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_task_that_keeps_failing_ends_the_daemon_in_order(
    watched: Watched, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a broken task is started again for ever, or takes the process down in the middle of an order."""

    async def run(_: int) -> None:
        raise KeyError("a column")

    watched.keep(run)
    assert len(watched.begun_s) == 4
    assert watched.restarted == ["feed"] * 3
    (failure,) = watched.given_up
    assert "feed failed 4 times within 100 s, last: KeyError: 'a column'" in str(failure)
    assert [line["event"] for line in logs] == ["task_failed"] * 4
    waits = [later - earlier for earlier, later in zip(watched.begun_s, watched.begun_s[1:], strict=False)]
    for wait_s, limit_s in zip(waits, (0.5, 1.0, 2.0), strict=True):
        assert limit_s / 2 <= wait_s <= limit_s


def test_failures_long_apart_are_forgiven(watched: Watched) -> None:
    """If this fails, five faults in a year end a daemon."""

    async def run(number: int) -> None:
        await asyncio.sleep(60)
        if number == 20:
            raise Fatal("enough")
        raise ValueError

    with pytest.raises(Fatal, match="enough"):
        watched.keep(run)
    assert watched.given_up == []


def test_a_task_that_ends_by_itself_has_failed(watched: Watched) -> None:
    """If this fails, a feed dies silently and nobody starts it again."""

    async def run(number: int) -> None:
        if number == 3:
            raise Fatal("the journal")

    with pytest.raises(Fatal, match="the journal"):
        watched.keep(run)
    assert len(watched.begun_s) == 3


def test_fatal_is_believed_at_once_also_out_of_a_group(watched: Watched) -> None:
    """If this fails, a daemon without a journal goes on as if a feed had hiccuped."""

    async def run(_: int) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    async def fail() -> None:
        raise Fatal("no journal, no send")

    with pytest.raises(ExceptionGroup) as caught:
        watched.keep(run)
    assert caught.group_contains(Fatal, match="no journal")
    assert watched.restarted == []


def test_a_cancellation_is_no_failure(watched: Watched) -> None:
    """If this fails, a stop starts tasks again."""

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watched.one.keep("feed", lambda: asyncio.sleep(1_000)))
            await asyncio.sleep(1)
            task.cancel()

    run_virtually(main)
    assert watched.restarted == []
