"""A virtual event loop: asyncio as ever, but waiting takes no time.

When nothing is ready to run, the loop's clock jumps to the next timer. While a thread works for the loop (inference,
journal) time stands still, so results do not depend on how fast the machine is. Tasks hash by order of creation, so
that sets of tasks (TaskGroup, asyncio.wait) are walked in the same order in every process.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
FOREIGN_WAIT_S = 5.0


class _OrderedTask(asyncio.Task[Any]):
    """A task whose hash is its number, not its address."""

    _created = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _OrderedTask._created += 1
        self._number = _OrderedTask._created
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
            raise RuntimeError("deadlock: no task can run, no timer is set and no thread works")
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at zero and jumps from timer to timer."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        self.threads_at_work = 0
        super().__init__(_JumpingSelector(self))  # type: ignore[arg-type]  # duck-typed: all else is delegated
        self._clock_resolution = 1e-9
        self.set_task_factory(lambda loop, coro, **kwargs: _OrderedTask(coro, loop=loop, **kwargs))

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual_s

    def jump(self, seconds: float) -> None:
        """Advance the clock."""
        self._virtual_s += seconds

    def run_in_executor(  # type: ignore[override]  # typeshed's overloads say the same less readably
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run in a thread; virtual time stands still until it is done."""
        self.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self.threads_at_work -= 1


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on a fresh virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
