"""A virtual loop that can die: between any two of its steps, without a word to anybody."""

from typing import Any

from hedged.backtest.virtual_time import VirtualLoop


class Died(BaseException):
    """The process was killed."""


class MortalLoop(VirtualLoop):
    """`fuse`: after so many more steps the process is killed; None: it is not. `broke`: what a callback raised."""

    fuse: int | None = None
    broke: BaseException | None = None

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
