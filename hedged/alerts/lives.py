"""Lives of the daemon: what is told when one begins and ends. One that keeps restarting is told once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hedged.alerts.wording import lasted, line
from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import HOUR_MS, MINUTE_MS, iso

MOST_STARTS = 3
"""An hour; one more is told as a restart that repeats itself, further ones are not told."""


@dataclass(slots=True)
class Lives:
    """`starts_ms`: of the last hour; `running`: a life has begun and did not end in order; `seen_ms`: when it was last
    alive; `ended_ms`, `why`: how the last one that ended in order did.
    """

    starts_ms: list[int] = field(default_factory=list)
    running: bool = False
    seen_ms: int = 0
    ended_ms: int = 0
    why: str = ""

    def begin(self, now_ms: int, about: str, held: str) -> Alert | None:
        """Note a life that works; return what to tell of it. `held`: the hedges, in words; empty for none."""
        self.starts_ms = [at_ms for at_ms in self.starts_ms if now_ms - HOUR_MS < at_ms <= now_ms] + [now_ms]
        crashed, down_ms = self.running, now_ms - max(self.seen_ms, self.ended_ms)
        before = ""
        if crashed:
            before = (
                f" The run before ended without a word (killed, crashed or power lost) after {iso(self.seen_ms)}; "
                f"nobody watched for {lasted(down_ms)}."
            )
        elif self.ended_ms and down_ms > MINUTE_MS:
            before = f" It was down for {lasted(down_ms)}."
        self.running, self.seen_ms = True, now_ms
        count = len(self.starts_ms)
        if count > MOST_STARTS + 1:
            return None
        if count > MOST_STARTS:
            text = (
                f"hedged keeps restarting: {count} starts within an hour.{before} Further ones are not told."
            )
            return Alert(Kind.DAEMON, Severity.CRITICAL, "start", line(text), now_ms)
        text = f"Started, the first decision is made ({about}). Hedges held: {held or 'none'}.{before}"
        severity = Severity.WARNING if crashed else Severity.INFO
        return Alert(Kind.DAEMON, severity, "start", line(text), now_ms)

    def end(self, now_ms: int, why: str, held: str | None, *, failed: bool) -> Alert | None:
        """Note the end of a life; return what to tell of it, nothing where the one before ended alike within the hour.

        `held`: None for a life that ends before it knows; `failed`: it did not end because it was asked to.
        """
        again = failed and why == self.why and 0 <= now_ms - self.ended_ms < HOUR_MS
        self.running, self.seen_ms, self.why = False, now_ms, why
        self.ended_ms = self.ended_ms if again else now_ms
        if again:
            return None
        text = f"Stopped: {why}. No hedge is held."
        if held is None:
            text = f"Ended before its first decision: {why}. What is held stays as it was, unwatched."
        elif held:
            text = f"Stopped: {why}. Hedges stay and nobody watches their stops: {held}."
        severity = Severity.CRITICAL if failed else Severity.WARNING if held else Severity.INFO
        return Alert(Kind.DAEMON, severity, "stop", line(text), now_ms)

    def to_json(self) -> dict[str, Any]:
        """Return the state, for the next life."""
        return {
            "starts_ms": self.starts_ms, "running": self.running, "seen_ms": self.seen_ms,
            "ended_ms": self.ended_ms, "why": self.why,
        }  # fmt: skip

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Go on from an earlier life. Raises ValueError, KeyError or TypeError for what is no such state."""
        return cls(
            [int(at_ms) for at_ms in state["starts_ms"]], bool(state["running"]), int(state["seen_ms"]),
            int(state["ended_ms"]), str(state["why"]),
        )  # fmt: skip
