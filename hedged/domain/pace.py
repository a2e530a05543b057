"""How often: a token bucket. The instant is passed in, or the event loop's, so that it counts virtual time as well."""

import asyncio


class TokenBucket:
    """At most `burst` at once, and `per_minute` in the long run."""

    def __init__(self, per_minute: float, burst: float) -> None:
        self._gap_s = 60.0 / per_minute
        self._slack_s = self._gap_s * (burst - 1)
        self._due_s = float("-inf")  # when the next one would be due if all came evenly

    def wait_s(self, now_s: float, cost: float = 1.0) -> float:
        """Take a place in the queue and return how long it takes to come up; 0 within the burst.

        `cost`: how many places those behind have to wait for.
        """
        self._due_s = max(self._due_s, now_s - self._slack_s)
        wait_s = max(0.0, self._due_s - now_s)
        self._due_s += cost * self._gap_s
        return wait_s

    async def acquire(self, cost: float = 1.0) -> None:
        """Wait for one's turn; first come, first served."""
        wait_s = self.wait_s(asyncio.get_running_loop().time(), cost)
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def take(self, now_s: float) -> bool:
        """Take one if there is one now; nothing is taken otherwise."""
        if max(self._due_s, now_s - self._slack_s) > now_s:
            return False
        self.wait_s(now_s)
        return True
