"""Where tasks are run: in processes of this machine, or on a Dask cluster. Both are executors of futures."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from hedged.domain.errors import ConfigError
from hedged.sweep.identity import Unfit
from hedged.sweep.plan import Task
from hedged.sweep.task import Row, run_task

TRIES = 3
"""A task whose worker died so often is given up: it may be what kills them."""


@dataclass(slots=True)
class Workers:
    """`start` makes an executor (again, when it broke); `slots`: how many tasks run at a time, as of now."""

    start: Callable[[], Executor]
    slots: Callable[[], int]
    work: Callable[[Task], Row] = run_task
    _executor: Executor | None = None

    def run(self, tasks: Sequence[Task]) -> Iterator[Row]:
        """Yield the row of each task as it is finished. Raises ConfigError when the workers are of no use."""
        waiting, tries = deque(tasks), dict.fromkeys((task.key for task in tasks), 0)
        flying: dict[Future[Row], Task] = {}
        while waiting or flying:
            while waiting and len(flying) < self.slots():
                task = waiting.popleft()
                tries[task.key] += 1
                self._executor = self._executor or self.start()
                flying[self._executor.submit(self.work, task)] = task
            broken = False
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                task = flying.pop(future)
                try:
                    yield future.result()
                except Unfit as error:
                    raise ConfigError(f"a worker is not like the others: {error}") from None
                except CancelledError:
                    raise ConfigError("the cluster is gone; start the same sweep again to go on") from None
                except Exception as error:  # the worker died: with a pool all of its others too
                    broken |= isinstance(error, BrokenProcessPool)
                    if tries[task.key] < TRIES:
                        waiting.appendleft(task)
                    else:
                        yield _lost(task, error)
            if broken:
                waiting.extendleft(flying.values())
                flying.clear()
                self._executor = None


def _lost(task: Task, error: Exception) -> Row:
    """Return the row of a task that took its workers with it; it is tried again when the sweep is."""
    return {
        "key": task.key,
        "status": "lost",
        "seconds": 0.0,
        "error": f"its worker died {TRIES} times: {error!r}",
    }


@contextmanager
def local(jobs: int) -> Iterator[Workers]:
    """Run tasks in `jobs` processes of this machine; none of them outlives the block, nor this process."""
    before = set(multiprocessing.active_children())
    pools: list[ProcessPoolExecutor] = []

    def start() -> Executor:
        # a fork would carry along the locks of libraries that run threads
        pools.append(ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_prepare))
        return pools[-1]

    try:
        yield Workers(start, lambda: jobs)
    finally:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
            process.join()


def _prepare() -> None:
    """Make a process a worker: Ctrl-C is its parent's business, and it ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    """End this process when its parent has, however that ended; a pool's worker would wait for work for ever."""
    parent.join()
    os._exit(1)
