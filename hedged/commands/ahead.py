"""What a takeover needs, made ready while it is not known yet whether there will be one: the imports take a second."""

import asyncio
import importlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hedged.config import Config
    from hedged.wiring.reaching import Reaching


@dataclass(slots=True)
class Ahead:
    """`group` owns the tasks, `cleanup` closes what they open."""

    config: "Config"
    group: asyncio.TaskGroup
    cleanup: AsyncExitStack
    _task: "asyncio.Task[Reaching] | None" = None

    def begin(self) -> None:
        """Begin, once."""
        if self._task is None:
            self._task = self.group.create_task(self._prepare())

    async def ready(self) -> "Reaching":
        """Wait for the imports; venues are still being reached then."""
        self.begin()
        assert self._task is not None
        return await self._task

    def end(self) -> None:
        """Give up what is still under way."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result().end()
        elif self._task is not None:
            self._task.cancel()

    async def _prepare(self) -> "Reaching":
        # in a thread: the daemon's silence is measured meanwhile
        await asyncio.get_running_loop().run_in_executor(
            None, importlib.import_module, "hedged.control.takeover"
        )
        from hedged.wiring.reaching import Reaching

        reaching = Reaching(self.config, self.config.clock.make(), self.cleanup)
        reaching.begin(self.group)
        return reaching
