"""Inside a daemon that is to die: it kills itself with -9 in the midst of what was planned, and decides as planned.

A kill from outside falls between two system calls about as often as one from within; only this one finds the few
milliseconds in which a registry is written.
"""

import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hedged.domain.clock import SystemClock
from hedged.forecast.models.contest import Standing, Verdict
from hedged.wiring.models import child, contests, drift, follower, life, retraining, scoring, shadows

DISK = ("fsync", "replace", "unlink", "rmdir")
"""Each may be the last that is done."""


@dataclass(frozen=True)
class Plan:
    """`within`: `module:function` in which it dies, the `time`-th time that it is called, after `after` more `steps`:
    changes of the disk, or calls; empty: it lives. `about`: what it is called with has to hold that. `wants`: what is
    decided about models. `shift_ms`: of its clock.
    """

    shift_ms: int
    within: str = ""
    time: int = 1
    steps: str = "disk"
    after: int = 0
    about: str = ""
    wants: str = ""


def arm(plan: Plan) -> None:
    """Make this process one that dies as planned. It looks at everything many times a second."""
    real = SystemClock.now_ms
    setattr(SystemClock, "now_ms", lambda self: real(self) + plan.shift_ms)  # noqa: B010  (a method)
    child.MODULE = "tests.support.model_crash_trainer"
    child.LOOK_S = 0.1
    for module in (contests, drift, follower, retraining, scoring, shadows):
        module.EVERY_S = 0.2
    scoring.FIRST_S = 0.2
    retraining.unable = lambda *_: ""
    _decide(plan.wants)
    if plan.within:
        _mortal(plan)


def _decide(wants: str) -> None:
    """Plant what the evidence of months would say."""
    plain = contests.Contests._judged

    def judged(self: Any, book: Any, history: Any, *more: Any) -> dict[str, Verdict]:
        standing = Standing.WORSE if wants == "retire" else Standing.BETTER
        returns = {"rollback": True, "promote": False, "retire": False}.get(wants)
        return {
            model: Verdict(standing, "planted", 0.9, 20, 30.0, 20.0)
            if returns is (model not in history.challengers)
            else verdict
            for model, verdict in plain(self, book, history, *more).items()
        }

    contests.Contests._judged = judged
    begin = life.ModelLife.__init__

    def begun(self: Any, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        demotion = self.follower.demotion
        demotion.drifts = lambda _: "planted" if wants == "demote" else ""
        demotion.better = lambda *_: "planted" if wants == "restore" else ""

    life.ModelLife.__init__ = begun


def _mortal(plan: Plan) -> None:
    """Have the planned function kill."""
    name, _, path = plan.within.partition(":")
    holder: Any = import_module(name)
    *parents, last = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    plain, death = getattr(holder, last), _Death(plan)

    async def waited(*args: Any, **options: Any) -> Any:
        with death.near(args):
            return await plain(*args, **options)

    def called(*args: Any, **options: Any) -> Any:
        with death.near(args):
            return plain(*args, **options)

    setattr(holder, last, waited if inspect.iscoroutinefunction(plain) else called)


class _Death:
    """Counts down from when its time has come; whoever leaves the function alive dies there."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._times, self._left, self._inside = plan, plan.time, plan.after, False
        self._lock = threading.Lock()
        if plan.steps == "disk":
            for name in DISK:
                setattr(os, name, self._counted(getattr(os, name)))

    def near(self, args: tuple[Any, ...]) -> "_Death":
        if self._plan.about in repr(args[1:]):
            self._times -= 1
        return self

    def __enter__(self) -> None:
        if self._times <= 0:
            self._inside = True
            if self._plan.steps == "calls":
                sys.setprofile(lambda *_: self._step())

    def __exit__(self, *_: object) -> None:
        if self._inside:
            die()

    def _step(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left < 0:
                die()

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self._inside:
                self._step()
            return real(*args, **options)

        return call


def die() -> None:
    """Kill this process, as the kernel does."""
    os.kill(os.getpid(), signal.SIGKILL)
