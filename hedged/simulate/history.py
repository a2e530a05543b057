"""The history of a simulation: what happened, in order. Checkers read it, a failing seed prints it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hedged.domain.approved import ApprovedIntent
from hedged.domain.clock import iso
from hedged.domain.orders import Execution, Intent


class Event(NamedTuple):
    """`at_ms`: the world's time (not the daemon's clock, which may be wrong); `life`: which life of the daemon, 0: none
    yet; `what`: by kind, see docs/simulation.md.
    """

    at_ms: int
    life: int
    kind: str
    what: Mapping[str, Any]

    def __str__(self) -> str:
        said = " ".join(f"{name}={_plain(value)}" for name, value in self.what.items())
        return f"{iso(self.at_ms)[11:19]}.{self.at_ms % 1_000:03d} {self.life} {self.kind} {said}"


@dataclass(slots=True)
class History:
    """All events of one seed."""

    events: list[Event] = field(default_factory=list)

    def note(self, at_ms: int, life: int, kind: str, what: Mapping[str, Any]) -> None:
        """Add one."""
        self.events.append(Event(at_ms, life, kind, what))

    def lines(self) -> Iterator[str]:
        """Tell all, one line each."""
        return map(str, self.events)

    def digest(self) -> str:
        """Identify the history: equal for a seed in every process."""
        told = hashlib.sha256()
        for line in self.lines():
            told.update(line.encode())
        return told.hexdigest()[:16]


def _plain(value: Any) -> str:
    if isinstance(value, ApprovedIntent):
        return f"{value.client_id} {_plain(value.intent)}"
    if isinstance(value, Intent):
        price = f"{value.quantity} at {value.worst_price} mark {value.reference_price}"
        text = (
            f"{value.purpose} {value.side} {value.key} {price} of {value.cycle_ts_ms} by {value.hashes.model}"
        )
        return f"<{text}{' reduce-only' if value.reduce_only else ''}>"
    if isinstance(value, Execution):
        return f"<{value.execution_id} {value.key} {value.signed_quantity} at {value.price} by {value.client_id}>"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_plain(k)}: {_plain(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return "[" + ", ".join(_plain(one) for one in value) + "]"
    return str(value)
