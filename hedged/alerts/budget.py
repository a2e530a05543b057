"""How many messages an hour may bring, and what it kept from being told."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hedged.domain.alert import Alert, Kind, Severity
from hedged.domain.clock import HOUR_MS, MINUTE_MS

COLLECTED_MS = 10 * MINUTE_MS
"""What is held back is collected for so long before it is summed up ..."""

BETWEEN_MS = 30 * MINUTE_MS
"""... and summed up no more often than this."""


@dataclass(slots=True)
class Budget:
    """`sent_ms`: messages of the last hour; `held`: how many were held back by kind, the worst of them `worst`."""

    sent_ms: list[int] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    worst: Severity = Severity.INFO
    held_since_ms: int = 0
    summed_ms: int = 0

    def take(self, now_ms: int, per_hour: int, severity: Severity) -> bool:
        """Take room for one message; False where there is none. A quarter of the hour's is kept for what is critical.

        Over any hour no more than `per_hour` are given.
        """
        # a clock that was set back must not keep the window full of a time to come
        self.sent_ms = [min(at_ms, now_ms) for at_ms in self.sent_ms if at_ms > now_ms - HOUR_MS]
        room = per_hour if severity is Severity.CRITICAL else per_hour - per_hour // 4
        if len(self.sent_ms) >= room:
            return False
        self.sent_ms.append(now_ms)
        return True

    def hold(self, now_ms: int, alert: Alert) -> None:
        """Count an alert that will not be told by itself."""
        self.held_since_ms = self.held_since_ms if self.held else now_ms
        self.held[alert.kind.value] += 1
        self.worst = max(self.worst, alert.severity)

    def summary(self, now_ms: int, per_hour: int) -> Alert | None:
        """Return the line that sums up what was held back, once it is due and there is room for it."""
        collected = abs(now_ms - self.held_since_ms) >= COLLECTED_MS
        if not self.held or not collected or 0 <= now_ms - self.summed_ms < BETWEEN_MS:
            return None
        if not self.take(now_ms, per_hour, Severity.CRITICAL):
            return None
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.held.most_common())
        text = f"Held back to stay within {per_hour} messages an hour: {kinds}. `hedged status` shows what stands."
        alert = Alert(Kind.HELD_BACK, self.worst, "messages", text, self.held_since_ms)
        self.held, self.worst, self.summed_ms = Counter(), Severity.INFO, now_ms
        return alert

    def to_json(self) -> dict[str, Any]:
        """Return the state, for the next life."""
        return {
            "sent_ms": self.sent_ms,
            "held": dict(self.held),
            "worst": int(self.worst),
            "held_since_ms": self.held_since_ms,
            "summed_ms": self.summed_ms,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Go on from an earlier life. Raises ValueError, KeyError or TypeError for what is no such state."""
        return cls(
            [int(at_ms) for at_ms in state["sent_ms"]],
            Counter({Kind(kind).value: int(count) for kind, count in state["held"].items()}),
            Severity(state["worst"]),
            int(state["held_since_ms"]),
            int(state["summed_ms"]),
        )
