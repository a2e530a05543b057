"""How often: a token bucket. The instant is passed in, so that it counts virtual time as well."""


class TokenBucket:
    """At most `burst` at once, and `per_minute` in the long run."""

    def __init__(self, per_minute: float, burst: int) -> None:
        self._gap_s = 60.0 / per_minute
        self._slack_s = self._gap_s * (burst - 1)
        self._due_s = float("-inf")  # when the next one would be due if all came evenly

    def wait_s(self, now_s: float) -> float:
        """Take a place in the queue and return how long it takes to come up; 0 within the burst."""
        self._due_s = max(self._due_s, now_s - self._slack_s)
        wait_s = max(0.0, self._due_s - now_s)
        self._due_s += self._gap_s
        return wait_s

    def take(self, now_s: float) -> bool:
        """Take one if there is one now; nothing is taken otherwise."""
        if max(self._due_s, now_s - self._slack_s) > now_s:
            return False
        self.wait_s(now_s)
        return True
