"""Time is passed in, never read from the air.

Instants are integers: milliseconds since 1970-01-01 UTC (`ts_ms`). Waiting goes through asyncio, so that a virtual
event loop can make 30 days pass in seconds; this is the only module of the package that reads the wall clock.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
HOURS_A_YEAR = 365 * 24


class Clock(Protocol):
    """What the daemon knows of time."""

    def now_ms(self) -> int:
        """Return the current instant, ms since the epoch (UTC)."""
        ...

    @property
    def slice_s(self) -> float:
        """Longest wait, in seconds, after which the time should be read again."""
        ...


class SystemClock:
    """The real clock. Long waits are cut in slices so that a stepped or suspended clock is noticed."""

    slice_s = 1.0

    def now_ms(self) -> int:
        """Return the wall-clock time in ms."""
        return time.time_ns() // 1_000_000


class FastClock:
    """A clock that runs `speed` times as fast as another, from the instant `from_ms` on, at which both agree.

    Two processes that name the same speed and instant share their time: a local chain and the daemon rehearsing on it.
    """

    def __init__(self, clock: Clock, speed: float, from_ms: int) -> None:
        self._clock, self._speed, self._from_ms = clock, speed, from_ms
        self.slice_s = max(0.02, clock.slice_s / speed)

    def now_ms(self) -> int:
        """Return the accelerated time in ms."""
        return self._from_ms + round((self._clock.now_ms() - self._from_ms) * self._speed)


class LoopClock:
    """A clock that reads the running event loop's own time: `start_ms` + seconds since the loop started.

    On a virtual loop this is virtual time; `start_ms` is the instant at which the loop's time is zero.
    """

    slice_s = float("inf")

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms

    def now_ms(self) -> int:
        """Return the loop's time in ms."""
        return self._start_ms + round(asyncio.get_running_loop().time() * 1_000)


def elapsing_ms(speed: float = 1.0) -> int:
    """Return ms since some instant, at the clock's speed: for waiting, as no step of the clock moves it. It is the
    running loop's own time.
    """
    return round(asyncio.get_running_loop().time() * speed * SECOND_MS)


def next_boundary_ms(now_ms: int, period_ms: int) -> int:
    """Return the first instant strictly after `now_ms` that is a multiple of `period_ms` since the epoch (UTC)."""
    return (now_ms // period_ms + 1) * period_ms


def ms_of(text: str) -> int:
    """Read an instant that `iso` wrote, ms. Raises ValueError."""
    return round(datetime.fromisoformat(text).timestamp() * SECOND_MS)


def iso(ts_ms: int) -> str:
    """Write an instant as ISO 8601 UTC with seconds, e.g. `2025-09-01T00:00:00Z`."""
    return datetime.fromtimestamp(ts_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def perf_s() -> float:
    """Read a monotonic stopwatch in seconds, for measuring durations only (never for decisions)."""
    return time.perf_counter()
