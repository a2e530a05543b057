"""How far the chain is: the highest block seen, from the event stream where it runs, else asked for.

A transaction without a timeout height never expires, so an order is only signed when the height is known and the chain
is moving.
"""

import asyncio
import math
from collections import deque

from hedged.adapters.injective.chain import Chain
from hedged.domain.clock import SECOND_MS, Clock
from hedged.domain.errors import Retryable

FRESH_S = 2.0  # about three blocks
USUAL_BLOCK_S = 0.65
"""What a block takes until it was measured."""
MEASURED_BLOCKS = 10
"""Fewer tell nothing: heights are seen when they are asked for."""
SEEN = 100
LEAST_BLOCKS = 3


class Heights:
    """`note` what the stream says; `latest` asks when that is old."""

    def __init__(self, chain: Chain, clock: Clock, max_block_age_s: float) -> None:
        self._chain = chain
        self._clock = clock
        self._max_block_age_s = max_block_age_s
        self._height = 0
        self._seen_s = float("-inf")
        self._noted: deque[tuple[int, int]] = deque(maxlen=SEEN)  # height, and when it was seen, ms

    def note(self, height: int) -> None:
        """Take over the height of a block that has just been seen."""
        if height > self._height:
            self._height = height
            self._seen_s = asyncio.get_running_loop().time()
            self._noted.append((height, self._clock.now_ms()))

    def blocks(self, seconds: float) -> int:
        """Return how many blocks come in so many seconds, as many as came of late; at least a few."""
        block_s = USUAL_BLOCK_S
        if self._noted and (made := self._noted[-1][0] - self._noted[0][0]) >= MEASURED_BLOCKS:
            block_s = max((self._noted[-1][1] - self._noted[0][1]) / SECOND_MS / made, 1 / SECOND_MS)
        return max(LEAST_BLOCKS, math.ceil(seconds / block_s))

    def doubt(self) -> None:
        """Ask next time: a node knows of later blocks than the last that was seen here."""
        self._seen_s = float("-inf")

    async def latest(self) -> int:
        """Return the height of a block not older than a few seconds. Raises Retryable where there is none.

        The last block being old means that the chain has halted or that the node does not follow it.
        """
        if asyncio.get_running_loop().time() - self._seen_s <= FRESH_S:
            return self._height
        head = await self._chain.head()
        age_s = (self._clock.now_ms() - head.ts_ms) / SECOND_MS
        if age_s > self._max_block_age_s:
            raise Retryable(
                f"the last block ({head.height}) is {age_s:.0f} s old: the chain has halted or the node lags; "
                "nothing was sent"
            )
        self.note(head.height)
        return max(head.height, self._height)
