"""Where tasks are run: in processes of this machine, or on a Dask cluster. Both are executors of futures."""

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
        waiting, tries = deque(tasks), Counter[str]()
        flying: dict[Future[Row], Task] = {}
        while waiting or flying:
            while waiting and len(flying) < self._room(waiting[0], flying.values(), tries):
                task = waiting.popleft()
                tries[task.key] += 1
                self._executor = self._executor or self.start()
                flying[self._executor.submit(self.work, task)] = task
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                task = flying.pop(future)
                try:
                    yield future.result()
                except Unfit as error:
                    raise ConfigError(f"a worker is not like the others: {error}") from None
                except CancelledError:
                    raise ConfigError("the cluster is gone; start the same sweep again to go on") from None
                except BrokenProcessPool:  # one worker died, and all tasks under way with it
                    self._executor = None
                    if tries[task.key] < TRIES:
                        waiting.appendleft(task)
                    else:
                        yield _lost(task, f"its process died {TRIES} times")
                except Exception as error:  # the cluster gave it up: it does not count as finished either
                    yield _lost(task, f"{type(error).__name__}: {error}")

    def _room(self, task: Task, flying: Iterable[Task], tries: Mapping[str, int]) -> int:
        """Return how many tasks may be under way; one whose worker died is tried alone: it may be the one to blame."""
        suspect = tries[task.key] > 0 or any(tries[other.key] > 1 for other in flying)
        return 1 if suspect else self.slots()


def _lost(task: Task, error: str) -> Row:
    """Return the row of a task that could not be finished; it is tried again when the sweep is."""
    return {"key": task.key, "status": "lost", "seconds": 0.0, "error": error}


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
