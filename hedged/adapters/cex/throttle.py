"""ccxt's limiter of requests, with the time between two requests counted too.

ccxt refills its bucket only while a request waits: after a request of 30 weights the next one waits for 30, however
long ago that was. What is not used for an hour is not saved up: the bucket holds one.
"""

import asyncio
from typing import Any

from ccxt.async_support.base.throttler import Throttler

from hedged.domain.clock import SECOND_MS


class Refilled(Throttler):
    """A leaky bucket that is refilled while nobody asks."""

    _idle_since_s: float | None = None  # by the loop's time; None before the first request

    def __call__(self, cost: float | None = None) -> Any:
        """Return what is to be awaited before a request of so many weights."""
        if not self.running and self._idle_since_s is not None:
            idle_ms = (asyncio.get_running_loop().time() - self._idle_since_s) * SECOND_MS
            tokens = self.config["tokens"] + idle_ms * self.config["refillRate"]
            self.config["tokens"] = min(tokens, self.config["capacity"])
        return super().__call__(cost)

    async def looper(self) -> None:
        """Let through what waits; the bucket is idle from then on."""
        await super().looper()
        self._idle_since_s = asyncio.get_running_loop().time()
