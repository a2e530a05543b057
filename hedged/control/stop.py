"""How the daemon ends: the running cycle first, then what rests is cancelled, hedges are kept or closed, and said."""

import asyncio
from dataclasses import dataclass

import structlog

from hedged.config.control import ControlConfig
from hedged.control.hand import Hand, hedge_legs
from hedged.control.switch import Switch
from hedged.domain.errors import HedgedError
from hedged.risk.kill import KillLevel

CYCLE_SHARE, SENDING_SHARE = 0.5, 0.75
"""Of the time there is: by then a cycle is abandoned that sends nothing; by then also one that does."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Ending:
    """One end of the process. `at_once`: it was asked twice."""

    asked_s: float | None = None
    at_once: bool = False
    _scope: asyncio.Timeout | None = None

    def ask(self) -> bool:
        """Take a request to end, by the loop's time; True for a repeated one, which means at once."""
        loop = asyncio.get_running_loop()
        if self.asked_s is None:
            self.asked_s = loop.time()
            return False
        self.at_once = True
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(loop.time())
        return True

    async def leave(self, switch: Switch, config: ControlConfig) -> None:
        """Do what is left to do before the end, within the time there is; then say what stays. Never raises."""
        hand = switch.hand
        if hand is None:
            return
        loop = asyncio.get_running_loop()
        until_s = (self.asked_s or loop.time()) + config.stop_within_s
        try:
            async with asyncio.timeout_at(loop.time() if self.at_once else until_s) as self._scope:
                await _act(switch, hand, config)
        except TimeoutError:
            log.warning(
                "stop_not_done", why="asked again" if self.at_once else "no time left", left=list(hand.left)
            )
        except HedgedError as error:
            log.error("stop_not_done", why=str(error))
        finally:
            self._scope = None
            held = {
                str(key): f"{q.normalize():+f}"
                for key, q in hedge_legs(hand.desk.accounts.attributed).items()
            }
            log.info("held_at_the_end", hedges=held, unresolved=len(hand.desk.executor.unresolved))


async def _act(switch: Switch, hand: Hand, config: ControlConfig) -> None:
    """Cancel, and close where that is wanted and allowed, until nothing is left to do."""
    flatten = config.on_stop == "flatten" or switch.latch.level is KillLevel.FLATTEN
    if switch.latch.level in (KillLevel.PAUSE, KillLevel.CANCEL):
        flatten = False  # the operator wants no order at all
    hand.rest()
    while True:
        if await hand.act(KillLevel.FLATTEN if flatten else KillLevel.CANCEL):
            return
        await asyncio.sleep(min(hand.wait_s, config.stop_within_s / 10))
