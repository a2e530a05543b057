"""ccxt's limiter of requests, with the time between two requests counted too, and with credit for what is urgent.

ccxt refills its bucket only while a request waits: after a request of 30 weights the next one waits for 30, however
long ago that was. What is not used for an hour is not saved up: the bucket holds one.

A kill must list the resting orders of all markets (40 weights at Binance, four seconds at half the rate) before it
closes anything. It is let through at once, ahead of what waits, and the debt is worked off by whatever comes later.
"""

import asyncio
from typing import Any

from ccxt.async_support.base.throttler import Throttler

from hedged.domain.clock import SECOND_MS
from hedged.domain.urgency import is_urgent

CREDIT_S = 10.0
"""So many seconds of its rate a limiter lends to what is urgent: at Binance 100 weights at half the rate, where 2,400 a
minute are allowed.
"""


class Refilled(Throttler):
    """A leaky bucket that is refilled while nobody asks."""

    _idle_since_s: float | None = None  # by the loop's time; None before the first request

    def __call__(self, cost: float | None = None) -> Any:
        """Return what is to be awaited before a request of so many weights."""
        self._refill()
        if not is_urgent():
            return super().__call__(cost)
        weights = self.config["cost"] if cost is None else cost
        if self.config["tokens"] - weights >= -CREDIT_S * SECOND_MS * self.config["refillRate"]:
            self.config["tokens"] -= weights
            passed: asyncio.Future[None] = asyncio.Future()
            passed.set_result(None)
            return passed
        waiting = super().__call__(cost)
        self.queue.appendleft(self.queue.pop())
        return waiting

    def _refill(self) -> None:
        """Count the time that has passed while nobody waited."""
        if self.running or self._idle_since_s is None:
            return
        now_s = asyncio.get_running_loop().time()
        tokens = self.config["tokens"] + (now_s - self._idle_since_s) * SECOND_MS * self.config["refillRate"]
        self.config["tokens"] = min(tokens, self.config["capacity"])
        self._idle_since_s = now_s

    async def looper(self) -> None:
        """Let through what waits; the bucket is idle from then on."""
        await super().looper()
        self._idle_since_s = asyncio.get_running_loop().time()
