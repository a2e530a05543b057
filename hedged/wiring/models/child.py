"""The process that trains, seen by whoever started it: one call that lasts as long as the process does.

Called in a thread. The process has a clean environment and no file of ours, leads a group of its own, and dies with the
thread. Its memory is looked at twice a second; what it prints is kept up to a bound, with no secret that was read here.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import hedged
from hedged.directories import private
from hedged.forecast.models.trainings import Order, Outcome, Trainings
from hedged.secret import redact

MODULE = "hedged.training.worker"
OUT_OF_MEMORY, BUSY = 71, 72
"""Exit codes of it."""
LOOK_S = 0.5
MOST_LOG = 256 << 10
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
"""Of our environment the process gets these alone: what else stands there may be a key."""
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
_PAGE = os.sysconf("SC_PAGE_SIZE")
OnProgress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended. `outcome`: None where it ended as it should, and a result was written."""

    outcome: Outcome | None
    why: str
    peak_mb: float


def train_in_child(
    trainings: Trainings, order: Order, hours: float, on_progress: OnProgress, stop: threading.Event
) -> Ending:
    """Have a process carry out the order at hand; returns when it has ended. `stop` ends it."""
    directory = trainings.directory.resolve()
    started_s, watched = time.monotonic(), _Watched(order.memory_mb)
    with _Log(directory / "training.log") as log:
        with subprocess.Popen(  # noqa: S603 (our own program, by paths that the configuration names)
            [sys.executable, "-m", MODULE, str(directory / "order.json"), str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory,
            env=environment(order.threads, directory), start_new_session=True,
        ) as process:  # fmt: skip
            try:
                outcome, why = _follow(process, watched, log, on_progress, stop, started_s + hours * 3_600)
            finally:
                _end(process)
        last = log.last
    if outcome is not None:
        return Ending(outcome, why, watched.peak_mb)
    code = process.returncode
    if code == 0 and trainings.result(order) is not None:
        return Ending(None, "", watched.peak_mb)
    if code == BUSY:
        return Ending("interrupted", "another training is at work here", watched.peak_mb)
    if code == OUT_OF_MEMORY:
        return Ending("memory", f"it asked for more than models.memory_mb allows ({last})", watched.peak_mb)
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return Ending("failed", f"the process ended by {how}: {last or 'it said nothing'}", watched.peak_mb)


def environment(threads: int, home: Path) -> dict[str, str]:
    """Return the environment of the process: no secret, no proxy, and this very program."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    program = str(Path(hedged.__file__).parents[1])
    limits = dict.fromkeys(THREADS, str(threads))
    # of glibc's arenas each thread would keep one of its own
    return kept | limits | {"HOME": str(home), "PYTHONPATH": program, "MALLOC_ARENA_MAX": "2"}


def _follow(
    process: "subprocess.Popen[bytes]",
    watched: "_Watched",
    log: "_Log",
    on_progress: OnProgress,
    stop: threading.Event,
    until_s: float,
) -> tuple[Outcome | None, str]:
    """Read what the process says until it has ended, or has to."""
    assert process.stdout is not None
    assert process.stderr is not None
    lines = _Lines(on_progress)
    takers: dict[int, Callable[[bytes], None]] = {
        process.stdout.fileno(): lines.take,
        process.stderr.fileno(): log.take,
    }
    with selectors.DefaultSelector() as selector:
        for number in takers:
            selector.register(number, selectors.EVENT_READ)
        looked_s = 0.0
        while takers:
            for key, _ in selector.select(LOOK_S):
                said = os.read(key.fd, 1 << 16)
                if said:
                    takers[key.fd](said)
                else:
                    selector.unregister(key.fd)
                    del takers[key.fd]
            if time.monotonic() - looked_s < LOOK_S:
                continue
            looked_s = time.monotonic()
            if stop.is_set():
                return "interrupted", "the daemon ended"
            if looked_s > until_s:
                return "late", "it took longer than models.hours"
            if beyond := watched.beyond(process.pid):
                return "memory", beyond
    process.wait()
    return None, ""


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and all that it may have started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


class _Watched:
    """The memory of a process and of what it started, resident, in MB."""

    def __init__(self, most_mb: int) -> None:
        self._most_mb, self.peak_mb = most_mb, 0.0

    def beyond(self, pid: int) -> str:
        """Look; say what is wrong, empty where nothing is."""
        used_mb = sum(resident(one) for one in _family(pid)) / 2**20
        self.peak_mb = max(self.peak_mb, used_mb)
        if used_mb <= self._most_mb:
            return ""
        return f"it used {used_mb:,.0f} MB, models.memory_mb allows {self._most_mb:,}"


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds; 0 where that is not told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except (OSError, ValueError):
            continue
    return found


class _Lines:
    """Lines of JSON about the progress; what is none is left out."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress, self._rest = on_progress, b""

    def take(self, said: bytes) -> None:
        """Take what was said."""
        *lines, self._rest = (self._rest + said).split(b"\n")
        self._rest = self._rest[-4_096:]
        for line in lines:
            try:
                told = json.loads(line)
                stage, share = str(told["stage"])[:80], float(told["share"])
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
            if 0.0 <= share <= 1.0:
                self._on_progress(stage, share)


class _Log:
    """What the process prints, for its owner alone, up to a bound; the log of the one before is kept beside it."""

    def __init__(self, path: Path) -> None:
        self._path, self._left, self._rest, self.last = path, MOST_LOG, b"", ""
        self._file: IO[str] | None = None

    def __enter__(self) -> "_Log":
        try:
            if self._path.exists():
                self._path.replace(self._path.with_name("training.log.1"))
            self._file = open(self._path, "w", opener=private)  # closed by __exit__
        except OSError:
            self._file = None  # a full disk ends the training, not the look at it
        return self

    def __exit__(self, *_: object) -> None:
        if self._rest:
            self._line(self._rest)
        if self._file is not None:
            self._file.close()

    def take(self, said: bytes) -> None:
        """Take what was printed."""
        *lines, self._rest = (self._rest + said).split(b"\n")
        if len(self._rest) > 4_096:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        text = redact(line.decode(errors="replace")).strip()
        if not text:
            return
        self.last = text[:300]
        if self._file is None or self._left <= 0:
            return
        self._left -= len(line) + 1
        try:
            self._file.write((text if self._left > 0 else "… the rest is left out") + "\n")
            self._file.flush()
        except OSError:
            self._left = 0
