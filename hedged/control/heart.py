"""The heart: the event loop's sign of life, written twice a second by the loop itself, and by nothing else."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hedged.control.lease import Lease
from hedged.control.switch import Switch
from hedged.domain.clock import Clock

EVERY_S = 0.5

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Heart:
    """No task, a timer: it beats while the loop turns. `also`: called with each beat; `url`: of the page."""

    lease: Lease
    clock: Clock
    doing: Callable[[], str]
    config: Callable[[], str]
    also: Callable[[], None] = lambda: None
    switch: Switch | None = None
    url: str = ""
    _timer: asyncio.TimerHandle | None = None
    _failing: bool = False

    def start(self) -> None:
        """Beat from now on."""
        self._beat()

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._beat)
        self.also()
        switch = self.switch
        hand = switch.hand if switch else None
        try:
            self.lease.beat(
                self.clock.now_ms(),
                switch.latch.turn if switch and hand else 0,
                self.doing(),
                tuple(hand.left) if hand else (),
                settled=bool(hand and hand.settled),
                config=self.config(),
                url=self.url,
            )
            self._failing = False
        except OSError as error:  # the disk: the journal will say more of it
            if not self._failing:
                log.error("sign_of_life_not_written", why=str(error))
            self._failing = True
