"""When the cycles are due: at every boundary of the interval, once each, and never made up for late."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hedged.config import Config
from hedged.domain.clock import SECOND_MS, Clock, next_boundary_ms

Act = Callable[[int], Awaitable[None]]


@dataclass(slots=True)
class Schedule:
    """`config`: returns the one in force; `stop`: set when the daemon is asked to end; `on_missed`: told how many fell
    out, and when the next is due (ms). `begun_ms`: the latest cycle, which may have sent orders even if it broke off.
    """

    clock: Clock
    config: Callable[[], Config]
    stop: asyncio.Event
    on_missed: Callable[[int, int], None]
    begun_ms: int = 0

    async def run(self, cycle: Act, guard: Act, until_ms: int | None) -> None:
        """Run cycles from now (if now is a boundary) until `until_ms` or a stop; in rehearsed time, with `until_ms`,
        look at the stops between them.
        """
        due_ms = self._next_ms()
        while not self.stop.is_set() and (until_ms is None or due_ms < until_ms):
            if until_ms is not None:
                await self.guard_till(due_ms, guard)
            interval_ms = self._interval_ms
            if not await self.wait_until(due_ms, interval_ms):
                break
            if self._interval_ms != interval_ms:  # a reload meanwhile
                due_ms = self._next_ms()
                continue
            latest_ms = self.clock.now_ms() // interval_ms * interval_ms
            if latest_ms > due_ms:  # the machine was suspended, or its clock set: what was due then is past
                due_ms = self._missed(due_ms, latest_ms, 0)
                continue
            await cycle(due_ms)
            now_ms, interval_ms = self.clock.now_ms(), self._interval_ms
            due_ms = self._missed(due_ms, next_boundary_ms(max(now_ms - 1, due_ms), interval_ms), 1)

    async def guard_till(self, due_ms: int, guard: Act) -> None:
        """Look at the stops at every bar until the next cycle: recorded data have no more to tell between them."""
        bar_ms = self.config().cycle.bar_s * SECOND_MS
        at_ms = next_boundary_ms(self.clock.now_ms(), bar_ms)
        while at_ms < due_ms and await self.wait_until(at_ms):
            await guard(at_ms)
            at_ms = next_boundary_ms(max(at_ms, self.clock.now_ms() - 1), bar_ms)

    async def wait_until(self, due_ms: int, interval_ms: int | None = None) -> bool:
        """Wait until due, or until the interval is another one than this; False when asked to stop meanwhile."""
        while not self.stop.is_set() and (left_ms := due_ms - self.clock.now_ms()) > 0:
            if interval_ms is not None and interval_ms != self._interval_ms:
                break
            try:
                async with asyncio.timeout(min(left_ms / SECOND_MS, self.clock.slice_s)):
                    await self.stop.wait()
            except TimeoutError:
                continue
        return not self.stop.is_set()

    @property
    def _interval_ms(self) -> int:
        return self.config().cycle.interval_s * SECOND_MS

    def _next_ms(self) -> int:
        """Return the coming boundary, or this instant where it is one, after all that began: even what broke off."""
        return next_boundary_ms(max(self.clock.now_ms() - 1, self.begun_ms), self._interval_ms)

    def _missed(self, due_ms: int, following_ms: int, done: int) -> int:
        """Say how many cycles fell out between two instants, of which `done` ran; return when the next is due."""
        missed = (following_ms - due_ms) // self._interval_ms - done
        if missed:
            self.on_missed(missed, following_ms)
        return following_ms
