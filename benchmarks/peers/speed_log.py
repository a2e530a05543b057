"""What one speed run says: one JSON line of CPU seconds (user and system), peak memory and what was done."""

import json
import platform
import resource
import time
from typing import Any


class Phases:
    """CPU seconds of each phase of this process, threads included."""

    def __init__(self) -> None:
        self._last = 0.0  # the interpreter's start counts to the first phase
        self._spent: dict[str, float] = {}

    def end(self, name: str) -> None:
        now = time.process_time()
        self._spent[name] = round(now - self._last, 4)
        self._last = now

    def say(self, engine: str, version: str, **more: Any) -> None:
        peak_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        told = {
            "engine": engine,
            "version": version,
            "python": platform.python_version(),
            "cpu_s": self._spent,
        }
        print(json.dumps(told | {"peak_mb": peak_mb} | more), flush=True)
