"""What the operator is told: a kind, how bad it is, what it is about, and one line of text."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How bad it is: `info` is good to know, `warning` wants a look today, `critical` wants one now."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def label(self) -> str:
        """The word for it, as configuration and messages spell it."""
        return self.name.lower()


class Kind(StrEnum):
    """What an alert is about. docs/alerts.md says of each what it means and what to do."""

    DEVIATION = "deviation"  # a settlement far from its forecast
    OPENED = "opened"  # a hedge was opened or grew
    CLOSED = "closed"  # a hedge was closed or shrank
    STOP = "stop"  # a hedge is unwound by its stop, or cannot be valued
    KILL = "kill"  # the kill latch was turned
    HALTED = "halted"  # a limit on losses is reached: reductions only
    DRIFT = "drift"  # forecasts miss too often, the forecaster fails, or the model has drifted
    STALE = "stale"  # data are old, or a venue does not answer
    MISMATCH = "mismatch"  # what venues tell of the account does not agree
    PAIR = "pair"  # a leg stands without its other one
    UNKNOWN = "unknown"  # nobody knows what became of an order
    JOURNAL = "journal"  # the journal cannot be written
    CYCLES = "cycles"  # cycles were missed
    MARGIN = "margin"  # liquidation is near
    GAS = "gas"  # little INJ is left for gas, or a grant expires
    DAEMON = "daemon"  # started, stopped
    HELD_BACK = "held_back"  # what the budget kept from being told


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell. It stands, or it happened at `since_ms`; `subject`: what of its kind, e.g. a venue or symbol.

    A condition that stands is told anew when its severity grows or its `edition` changes, not when its text does.
    `patience_ms`: what passes within so long is not worth telling; `reminds`: whether it is told again while it stands.
    """

    kind: Kind
    severity: Severity
    subject: str
    text: str
    since_ms: int
    edition: str = ""
    patience_ms: int = 0
    reminds: bool = True

    @property
    def key(self) -> tuple[Kind, str]:
        """By which it is the same condition as before."""
        return self.kind, self.subject
