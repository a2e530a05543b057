"""The watchdog: a thread that notices when the event loop stands, says where, and in the end ends the process.

What ended is started again by whoever started it (systemd, a container engine), and a restart reconciles: that is
better than a process that looks alive and protects nothing. The sign of life of the lease is the loop's, not this
thread's.
"""

import faulthandler
import os
import threading
from collections.abc import Callable

import structlog

from hedged.domain.clock import perf_s

EXIT_STALLED = 70
"""Exit code of a process whose event loop stood too long (EX_SOFTWARE)."""
EVERY_S = 0.5
STDERR = 2
SPARE_S = 5.0
"""So long after the watchdog's own end the interpreter's ends it, which needs no lock of Python's."""

log = structlog.get_logger(__name__)


class Watchdog:
    """Petted by the event loop; a context manager, running between enter and exit."""

    def __init__(
        self,
        told_s: float,
        exit_s: float | None,
        on_stall: Callable[[], None] = lambda: None,
        leave: Callable[[int], None] = os._exit,
        every_s: float = EVERY_S,
    ) -> None:
        """`told_s`: how long the loop stands until stacks are written; `exit_s`: until `leave` is called."""
        self._told_s, self._exit_s, self._on_stall, self._leave = told_s, exit_s, on_stall, leave
        self._every_s, self._petted_s = every_s, perf_s()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self.pet()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)
        faulthandler.cancel_dump_traceback_later()

    def pet(self) -> None:
        """Say that the loop runs. Called from the loop, every second or so."""
        self._petted_s = perf_s()
        if self._exit_s is not None and self._leave is os._exit:
            faulthandler.dump_traceback_later(self._exit_s + SPARE_S, exit=True, file=STDERR)

    def _watch(self) -> None:
        told, looked_s = False, perf_s()
        while not self._over.wait(self._every_s):
            now_s = perf_s()
            if now_s - looked_s > self._every_s + self._told_s / 2:
                self._petted_s = now_s  # the whole process stood (stopped, suspended), not the loop alone
            looked_s = now_s
            stood_s = now_s - self._petted_s
            if stood_s < self._told_s:
                told = False
                continue
            if not told:
                told = True
                self._on_stall()
                self._say("event_loop_stands", stood_s)
                faulthandler.dump_traceback(file=STDERR, all_threads=True)
            if self._exit_s is not None and stood_s >= self._exit_s:
                self._say("event_loop_stands_too_long", stood_s, exit_code=EXIT_STALLED)
                self._leave(EXIT_STALLED)
                return

    def _say(self, event: str, stood_s: float, **more: object) -> None:
        try:
            log.error(event, stood_s=round(stood_s, 1), **more)
        except Exception:  # noqa: S110 (whatever a log raises, the watchdog goes on)
            pass
