"""A virtual loop that can die: between any two of its steps, without a word to anybody."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from hedged.backtest.virtual_time import VirtualLoop
from hedged.thinking import OwnThreads

T = TypeVar("T")


class Died(BaseException):
    """The process was killed."""


class MortalLoop(VirtualLoop):
    """`fuse`: after so many more steps the process is killed; None: it is not. `broke`: what a callback raised;
    `forecasts`: whether the latest work for a thread was a forecast."""

    fuse: int | None = None
    broke: BaseException | None = None
    forecasts: bool = False

    def run_in_executor(  # type: ignore[override]  # as in VirtualLoop
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Tell a forecast from other work."""
        self.forecasts = isinstance(executor, OwnThreads)
        return super().run_in_executor(executor, func, *args)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody can be told of; that a task's error was never asked for is heard by the task's owner."""
        if "handle" in context:
            self.broke = context.get("exception")

    def _run_once(self) -> None:
        if self.fuse is not None:
            ready = len(self._ready)  # type: ignore[attr-defined]  # of BaseEventLoop
            if ready >= self.fuse:
                self.fuse = None
                raise Died
            self.fuse -= max(1, ready)
        super()._run_once()
