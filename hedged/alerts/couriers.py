"""The way of a message to one target: a bounded queue, a thread for the call, back-off while the service fails.

One target that is slow or down holds up nobody else, and the event loop never.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from hedged.alerts.targets import Letter, Target
from hedged.domain.clock import HOUR_MS, MINUTE_MS, Clock, iso

MOST_WAITING = 64
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 300.0
OLDEST_MS = 6 * HOUR_MS
"""A message that could not be delivered for so long is given up: what still stands is told again as a reminder."""
LATE_MS = 5 * MINUTE_MS
"""A message that comes later than this says when it was written."""
OUTCOMES = ("delivered", "failed", "dropped")
"""What becomes of a message; one that failed is tried again."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Courier:
    """`count`: told what became of a message: delivered, failed (and tried again) or dropped; `waiting`: the first one
    is on its way.
    """

    target: Target
    clock: Clock
    deadline_s: float
    count: Callable[[str], None] = lambda _: None
    first_wait_s: float = FIRST_WAIT_S
    waiting: list[Letter] = field(default_factory=list)
    failing: str = ""
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _flight: "asyncio.Future[str] | None" = None

    def put(self, letter: Letter) -> None:
        """Take a message; where too many wait the oldest of the least severe is dropped. Returns at once."""
        self.waiting.append(letter)
        if len(self.waiting) > MOST_WAITING:
            rest = range(1, len(self.waiting))
            del self.waiting[min(rest, key=lambda i: self.waiting[i].severity)]
            self.count("dropped")
        self._some.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        tries = 0
        while True:
            if not self.waiting:
                self._some.clear()
                await self._some.wait()
            if await self._deliver():
                tries = 0
                continue
            await asyncio.sleep(min(LONGEST_WAIT_S, self.first_wait_s * 2.0 ** min(tries, 10)))
            tries += 1

    async def empty(self) -> None:
        """Deliver what waits, each once and no more tries: for the end. The caller sets a limit on the time."""
        while self.waiting and await self._deliver():
            pass

    async def _deliver(self) -> bool:
        """Try the first message; tell whether the queue has moved on."""
        letter = self.waiting[0]
        why = await self._send(letter)
        if not why:
            self.waiting.remove(letter)
            self.count("delivered")
            self._works()
            return True
        self.count("failed")
        self._fails(why)
        if self.clock.now_ms() - letter.at_ms > OLDEST_MS:
            self.waiting.remove(letter)
            self.count("dropped")
        return False

    async def _send(self, letter: Letter) -> str:
        """Deliver in a thread that nobody waits for at the end. One that is late cannot be interrupted, and may yet
        succeed: what comes of it counts, so that nothing is sent twice.
        """
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_future()
            if self.clock.now_ms() - letter.at_ms > LATE_MS:
                letter = replace(letter, body=f"{letter.body} (written {iso(letter.at_ms)})")
            threading.Thread(
                target=self._call, args=(letter, self._flight), name=f"alert-{self.target.name}", daemon=True
            ).start()
        try:
            async with asyncio.timeout(self.deadline_s):
                why = await asyncio.shield(self._flight)
        except TimeoutError:
            self._fails(f"no answer within {self.deadline_s:g} s")
            why = await asyncio.shield(self._flight)
        self._flight = None
        return why

    def _call(self, letter: Letter, flight: "asyncio.Future[str]") -> None:
        why = self.target.send(letter)

        def land() -> None:
            if not flight.done():
                flight.set_result(why)

        with suppress(RuntimeError):  # the loop has ended meanwhile
            flight.get_loop().call_soon_threadsafe(land)

    def _fails(self, why: str) -> None:
        if not self.failing:
            log.error(
                "alerts_not_delivered", target=self.target.name, why=why, next="they wait and are tried again"
            )
        self.failing = why

    def _works(self) -> None:
        if self.failing:
            log.warning("alerts_delivered_again", target=self.target.name, failed_with=self.failing)
        self.failing = ""


async def deliver_within(couriers: Sequence[Courier], seconds: float) -> None:
    """Deliver what waits at all targets at once, as far as the time reaches; the rest keeps waiting."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(courier.empty() for courier in couriers))
