"""What lasts beside the cycles in a simulation: the kill switch, and a task that fails now and then."""

import asyncio
from typing import TYPE_CHECKING

from hedged.control.switch import Switch
from hedged.domain.errors import NoJournal
from hedged.simulate.faults import Fault

if TYPE_CHECKING:
    from hedged.simulate.life import Life

ROUND_S = (30, 600)
STREAK = 8
"""Failures in a row, where it does not fail but once: more than the supervisor puts up with."""
AGAIN_S = 5.0


class WatchedSwitch(Switch):
    """The kill switch, looked at when it is turned: looks that would find nothing are left out."""

    async def begin(self) -> None:
        """Read the latch, once the journal can be read."""
        while True:
            try:
                return await self.follow()
            except NoJournal:
                await asyncio.sleep(AGAIN_S)
                await self.journal.mend()

    def wake(self) -> None:
        """Look now."""
        self._woken.set()


class Failing:
    """A task beside the cycles, as live data are: it fails now and then, sometimes over and over."""

    def __init__(self, life: "Life") -> None:
        self._life = life
        self._streak = 0

    async def run(self) -> None:
        """Run until cancelled, or until it fails."""
        life, world = self._life, self._life.world
        while True:
            if self._streak:
                self._streak -= 1
                raise RuntimeError("it fails still")
            await life.wait(world.dice.between(*ROUND_S))
            if world.faults.strikes(Fault.TASK_FAILS, world.now_ms()):
                self._streak = STREAK if world.dice.chance(0.1) else 0
                raise RuntimeError("it fails")


class Restarts:
    """The metric of tasks that were started again, written into the history: a bug there ends no life."""

    def __init__(self, life: "Life", name: str = "") -> None:
        self._life, self._name = life, name

    def labels(self, name: str) -> "Restarts":
        """Return the metric of one task."""
        return Restarts(self._life, name)

    def inc(self) -> None:
        """Count one."""
        self._life.note("task_failed", name=self._name)
