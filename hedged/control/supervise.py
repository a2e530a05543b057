"""The supervisor of the lasting tasks: one that fails is started again, with back-off; one that keeps failing ends all.

A task that says Fatal is believed at once, and what it says is raised. So is a cancellation.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
import structlog

from hedged.config.control import ControlConfig
from hedged.domain.errors import Fatal
from hedged.secret import redact

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Keeps tasks going. `give_up`: told why, once one fails too often; `failed`: the name of each that is started
    again.
    """

    config: ControlConfig
    rng: np.random.Generator
    give_up: Callable[[Fatal], None]
    failed: Callable[[str], None] = lambda _: None

    async def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run something that lasts until it is cancelled, or fails too often: then the daemon is to end in order.

        To end without being asked to is a failure too: a feed that has died silently is the worst of all.
        """
        loop, window_s = asyncio.get_running_loop(), self.config.restart_window_s
        failures: deque[float] = deque(maxlen=self.config.restarts + 1)
        while True:
            try:
                await run()
                why = "it ended by itself"
            except Fatal:
                raise
            except Exception as error:  # the one place that lets a task fail: here stands its supervisor
                if isinstance(error, ExceptionGroup) and (fatal := error.subgroup(Fatal)) is not None:
                    raise fatal from None
                why = redact(f"{type(error).__name__}: {error}")  # it is told on, beside the log
                log.error("task_failed", task=name, why=why, exc_info=True)
            else:
                log.error("task_failed", task=name, why=why)
            now_s = loop.time()
            failures.append(now_s)
            recent = sum(1 for at_s in failures if now_s - at_s <= window_s)
            if recent > self.config.restarts:
                text = f"{name} failed {recent} times within {window_s:.0f} s, last: {why}; see the log"
                return self.give_up(Fatal(text))
            self.failed(name)
            limit_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (recent - 1))
            await asyncio.sleep(float(self.rng.uniform(0.5, 1.0)) * limit_s)
