"""Bounds that a training's process puts on itself: it yields to everything else, and dies before and with the daemon.

`RLIMIT_DATA` counts the private writable memory that was asked for, used or not: an allocation beyond it fails inside
the process. What is really used is watched by whoever started it (`hedged/wiring/models/child.py`). `RLIMIT_AS` would
count the mapped libraries too, some gigabytes of torch's.
"""

import ctypes
import os
import platform
import resource
import signal
from contextlib import suppress
from pathlib import Path

SLACK = 2.0
"""Asked for ÷ used: threads' stacks and allocators ask for more than they touch."""
ROOM_MB = 1_024
_PR_SET_PDEATHSIG = 1
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IDLE = 3 << 13
"""Reads and writes when nobody else does."""


def bind(memory_mb: int, nice: int, parent: int | None) -> None:
    """Bind this process, before it imports anything large. Where the system refuses a bound, the others hold.

    `parent`: the process that it must not outlive, None: nobody's. Raises SystemExit where that is gone already.
    """
    if parent is not None:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit("whoever ordered this training is gone")
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).syscall(number, 1, 0, _IDLE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    most = round(memory_mb * SLACK + ROOM_MB) << 20
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
