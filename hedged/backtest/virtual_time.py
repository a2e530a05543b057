"""A virtual event loop: asyncio as ever, but waiting takes no time.

When nothing is ready to run, the loop's clock jumps to the next timer. While a thread works for the loop (inference,
journal) time stands still, so results do not depend on how fast the machine is. Tasks hash by order of creation, so
that sets of tasks (TaskGroup, asyncio.wait) are walked in the same order in every process.

Two options make it a tool that looks for bugs: what is ready at one instant runs in an order of somebody's choice, and
what is meant for a thread is done on the loop itself, some virtual time later.
"""

import asyncio
import itertools
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
Shuffle = Callable[[list[Any]], None]
"""Reorders a list in place."""
FOREIGN_WAIT_S = 5.0
RESOLUTION_S = 1e-9
DEADLOCK = "deadlock: no task can run, no timer is set and no thread works"


class _OrderedTask(asyncio.Task[Any]):
    """A task whose hash is its number within its loop, not its address."""

    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self._number = number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class _JumpingSelector:
    """Wraps a selector: with nothing ready and no thread at work, time jumps instead of passing."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.alone:  # nobody outside can wake it
            if timeout is None:
                raise RuntimeError(DEADLOCK)
            self._loop.jump(timeout)
            return []
        events = self._selector.select(0)
        if events or timeout == 0:
            return events
        if self._loop.threads_at_work:
            return self._selector.select(None)  # a finished thread wakes the loop through its self-pipe
        if timeout is not None:
            self._loop.jump(timeout)
            return events
        events = self._selector.select(
            FOREIGN_WAIT_S
        )  # a thread that the loop does not know may still wake it
        if not events:
            raise RuntimeError(DEADLOCK)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at zero and jumps from timer to timer."""

    def __init__(self, shuffle: Shuffle | None = None, off_loop_s: Callable[[], float] | None = None) -> None:
        """`shuffle`: reorders what is ready to run at one instant.

        `off_loop_s`: how many seconds the next piece of work takes that is meant for a thread. It is then done by the
        loop itself at the end of that time: no thread runs, and a crash in between leaves it undone.
        """
        self._shuffle, self._off_loop_s = shuffle, off_loop_s
        self.alone = off_loop_s is not None
        self._virtual_s = 0.0
        self.threads_at_work = 0
        super().__init__(_JumpingSelector(self))  # type: ignore[arg-type]  # duck-typed: all else is delegated
        self._clock_resolution = RESOLUTION_S
        numbers = itertools.count()
        self.set_task_factory(
            lambda loop, coro, **kwargs: _OrderedTask(next(numbers), coro, loop=loop, **kwargs)
        )

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual_s

    def jump(self, seconds: float) -> None:
        """Advance the clock."""
        self._virtual_s += seconds
        # what is due within the resolution is run: below the distance of two floats nothing ever would be
        self._clock_resolution = max(RESOLUTION_S, 2 * math.ulp(self._virtual_s))

    def run_in_executor(  # type: ignore[override]  # typeshed's overloads say the same less readably
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run in a thread, for which virtual time stands still; or on the loop, after some virtual time."""
        if self._off_loop_s is not None:
            told: asyncio.Future[T] = self.create_future()
            self.call_later(self._off_loop_s(), _settle, told, func, args)
            return told
        self.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _run_once(self) -> None:
        if self._shuffle is not None and len(self._ready) > 1:  # type: ignore[attr-defined]  # of BaseEventLoop
            ready: list[Any] = list(self._ready)  # type: ignore[attr-defined]
            self._shuffle(ready)
            self._ready.clear()  # type: ignore[attr-defined]
            self._ready.extend(ready)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]

    def _thread_done(self, _: object) -> None:
        self.threads_at_work -= 1


def _settle(told: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
    """Do the work of a thread; whoever waited for it may be gone, as it is done all the same."""
    try:
        result = func(*args)
    except Exception as error:
        if not told.cancelled():
            told.set_exception(error)
        return
    if not told.cancelled():
        told.set_result(result)


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on a fresh virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
