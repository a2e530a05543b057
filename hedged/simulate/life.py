"""One life of the daemon, from its start to a stop, a crash or a fatal error."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import SECOND_MS
from hedged.domain.errors import HedgedError
from hedged.simulate.faults import Fault
from hedged.simulate.mortal import Died, MortalLoop

if TYPE_CHECKING:
    from hedged.simulate.lasting import WatchedSwitch
    from hedged.simulate.world import World


class Life:
    """`stop`: asks the daemon to end; `dead`: whatever is left of it does nothing any more."""

    def __init__(self, world: "World", number: int) -> None:
        self.world, self.number = world, number
        self.from_ms, self.dead, self._woken_ms = world.now_ms(), False, 0
        self.writing = False  # the next piece of work for a thread is the journal's
        self.loop = MortalLoop(world.interleavings.shuffle, self._off_loop_s)
        self.stop: Callable[[], None] = lambda: None
        self.switch: WatchedSwitch | None = None

    def _off_loop_s(self) -> float:
        """Return how long a piece of work in a thread takes: the journal's, or the model, the plan, the gate."""
        world, writes, self.writing = self.world, self.writing, False
        if self.loop.forecasts and world.faults.strikes(Fault.MODEL_HANGS, world.now_ms()):
            return world.dice.between(60, 4_000)
        if not writes and world.faults.strikes(Fault.MODEL_SLOW, world.now_ms()):
            return world.dice.between(1, 30)
        return world.interleavings.between(0.0, 0.02)

    def now_ms(self) -> int:
        """Return the world's time."""
        return self.from_ms + round(self.loop.time() * SECOND_MS)

    def note(self, kind: str, /, **what: Any) -> None:
        """Write into the history; the dead write nothing."""
        if not self.dead:
            self.world.history.note(self.now_ms(), self.number, kind, what)

    def alive(self) -> None:
        """Stop whatever a dead life still tries to do."""
        if self.dead:
            raise asyncio.CancelledError

    async def wait(self, seconds: float) -> None:
        """Wait for the network or the disk."""
        self.alive()
        await asyncio.sleep(seconds)
        self.alive()

    def wake_at(self, at_ms: int) -> None:
        """Let the world go on at an instant."""
        self.loop.call_at((at_ms - self.from_ms) / SECOND_MS, self._woken)

    def _woken(self) -> None:
        if self.dead:
            return
        self.world.pump()
        following_ms = self.world.next_ms()
        if following_ms is not None and following_ms != self._woken_ms:
            self._woken_ms = following_ms
            self.wake_at(following_ms)

    def sent(self, venue: str, approved: ApprovedIntent, *, rests: bool) -> None:
        """Note an order that leaves the daemon."""
        self.alive()
        self.note(
            "send", venue=venue, client_id=approved.client_id, intent=approved.intent, rests=rests,
            clock_ms=self.world.clock.now_ms(),
        )  # fmt: skip
        self.world.light_fuse(0.05)
        if rests:
            self.world.set_clock(0.05)

    def run(self, main: Callable[["Life"], Coroutine[Any, Any, None]]) -> str:
        """Live; return how it ended."""
        world = self.world
        world.life = self
        self.note("begin")
        first_ms = world.next_ms()
        if first_ms is not None:
            self.wake_at(max(first_ms, self.from_ms))
        try:
            self.loop.run_until_complete(main(self))
            how = _ended_by(self.loop.broke) if self.loop.broke else "stopped"
        except Died:
            how = "crash"
            world.faults.counts[Fault.CRASH] += 1
        except Exception as error:
            how = _ended_by(error)
        self.note("end", how=how)
        ended_ms = self.now_ms()
        self._bury()
        world.life = None
        world.pass_time(ended_ms)
        return how

    def _bury(self) -> None:
        """Take the tasks apart, without any of them doing anything any more."""
        self.dead = True
        loop = self.loop
        loop.fuse = None
        while left := asyncio.all_tasks(loop):  # whoever is cancelled may have started somebody else
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left))
            for task in left:
                if not task.cancelled():
                    task.exception()  # nobody is left to be told
        loop.close()


def _ended_by(error: BaseException) -> str:
    """Say what ended a life: an error that was made for the operator, or a bug and where it is."""
    if isinstance(error, BaseExceptionGroup):
        _, others = error.split(HedgedError)
        return _ended_by((others or error).exceptions[0])
    if isinstance(error, HedgedError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "hedged" in frame.filename] or frames
    where = f"{ours[-1].filename.rpartition('hedged/')[2]}:{ours[-1].name}"
    return f"bug: {error!r} in {where}"
