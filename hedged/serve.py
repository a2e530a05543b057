"""The app at work: one TaskGroup that owns every task, each lasting one supervised, and the orderly end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import structlog

from hedged.app import App
from hedged.control.hand import Hand
from hedged.control.reload import Reloader
from hedged.control.supervise import Supervisor
from hedged.control.switch import Switch
from hedged.domain.lasting import Lasting
from hedged.process import Process

LEAST_WATCH_S = 0.5
"""However fast the clock runs, the fast loop comes round no more often, wall time."""

log = structlog.get_logger(__name__)


async def serve(
    process: Process,
    app: App,
    switch: Switch,
    until_ms: int | None,
    beside: Sequence[Lasting],
    path: Path | None,
    rng: np.random.Generator | None = None,
) -> None:
    """Run the app with all that lasts beside it, each supervised; leave in order, whatever ends it.

    `rng`: for how long a task that failed waits before it is started again.
    """
    supervisor = Supervisor(
        process.config.control, rng or np.random.default_rng(), process.give_up,
        lambda name: app.metrics.task_restarts.labels(name).inc(),
    )  # fmt: skip
    rehearsed = until_ms is not None
    try:
        async with asyncio.TaskGroup() as group:

            def keep(name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
                app.metrics.task_restarts.labels(name)  # 0, from which Prometheus can count the first one
                return group.create_task(supervisor.keep(name, run), name=name)

            lasting = [keep(type(one).__name__, one.run) for one in beside]
            lasting.append(keep("switch", switch.run))
            app.owed = switch.look
            async with process.starting():
                await app.prepare()
            if app.progress.prepared:
                switch.prepared(Hand(lambda: app.cycle.desk, app.cycle.poller, app.parts.trading, _say))
                lasting.append(keep("kill", switch.act))
                lasting.append(keep("watch", partial(watch, app, guarding=not rehearsed)))
                process.reloader = reloader = Reloader(path, app, process.reconfigured)
                lasting.append(keep("reload", partial(_reload, process, reloader)))
            if not app.stopping:
                # a first look at once: the operator sees the book, not a wait
                await app.attempt(app.parts.clock.now_ms())
            await app.run(until_ms)
            if not rehearsed:
                await process.ending.leave(switch, process.config.control)
            for task in lasting:
                task.cancel()
    except Exception:
        await process.ending.leave(switch, process.config.control)
        raise
    if process.failure is not None:
        raise process.failure


def _say(step: str) -> None:
    log.warning("kill_step", step=step)


async def _reload(process: Process, reloader: Reloader) -> None:
    """Reload whenever it was asked for."""
    while True:
        await process.reload_asked.wait()
        process.reload_asked.clear()
        await reloader.reload()


async def watch(app: App, *, guarding: bool) -> None:
    """The fast loop: measure how late it wakes up, look at the stops, keep readiness current.

    Over recorded data, not `guarding`, the app looks at the stops by itself, with every bar.
    """
    loop = asyncio.get_running_loop()
    while True:
        config = app.parts.config
        # virtual time has no need to be watched more often than it is acted on
        every_s = config.cycle.guard_interval_s if guarding else config.cycle.interval_s
        interval_s = max(LEAST_WATCH_S, every_s / config.clock.speed)
        due_s = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        app.metrics.loop_lag.set(max(0.0, loop.time() - due_s))
        if guarding:
            await app.guard(app.parts.clock.now_ms())
        app.metrics.ready.set(0 if app.not_ready() else 1)
