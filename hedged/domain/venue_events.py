"""What venues announce about themselves: maintenance, halts, delistings. Such an event vetoes what would open there.

A venue whose status cannot be asked is unknown: that vetoes nothing, and it is never taken for "all is well".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from hedged.domain.market import SeriesKey


class EventKind(StrEnum):
    """What sort of event it is."""

    MAINTENANCE = "maintenance"
    HALT = "halt"  # not trading now, and nobody says until when
    DELISTING = "delisting"
    DELISTING_ANNOUNCED = "delisting_announced"  # a date is not known yet; `from_ms` is when it was said


@dataclass(frozen=True, slots=True)
class Lead:
    """How long before an event nothing is opened any more, ms."""

    maintenance_ms: int
    delisting_ms: int

    def before(self, kind: EventKind) -> int:
        """Return the lead of one kind of event; the others are there once they are known."""
        return {EventKind.MAINTENANCE: self.maintenance_ms, EventKind.DELISTING: self.delisting_ms}.get(
            kind, 0
        )


@dataclass(frozen=True, slots=True)
class VenueEvent:
    """One event. `symbol` None: the whole venue. `until_ms` None: no end is known. ms since the epoch, UTC."""

    kind: EventKind
    venue: str
    symbol: str | None
    from_ms: int
    until_ms: int | None

    def concerns(self, key: SeriesKey) -> bool:
        """Tell whether a market is part of it."""
        return self.venue == key.venue and self.symbol in (None, key.symbol)

    def closes(self, now_ms: int, lead: Lead) -> bool:
        """Tell whether nothing should be opened now, during the event or shortly before it."""
        begins_ms = self.from_ms - lead.before(self.kind)
        return begins_ms <= now_ms and (self.until_ms is None or now_ms < self.until_ms)

    @property
    def text(self) -> str:
        """One clause that says what, where and when."""
        what = f"{self.symbol} on {self.venue}" if self.symbol else self.venue
        if self.kind is EventKind.HALT:
            return f"{what} does not trade"
        if self.kind is EventKind.DELISTING:
            return f"{what} is delisted {_minute(self.from_ms)} UTC"
        if self.kind is EventKind.DELISTING_ANNOUNCED:
            return f"the delisting of {what} was announced {_minute(self.from_ms)} UTC"
        return f"{what} is in maintenance {_span(self.from_ms, self.until_ms)} UTC"


@dataclass(frozen=True, slots=True)
class VenueEvents:
    """All events that are known. `unknown`: venues whose status was asked and is not known now, with the reason."""

    events: tuple[VenueEvent, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)

    def veto(self, key: SeriesKey, now_ms: int, lead: Lead) -> str | None:
        """Say why nothing may be opened on a market now; None when no event speaks against it."""
        found = [e for e in self.events if e.concerns(key) and e.closes(now_ms, lead)]
        # in an order of its own: of events that begin together, whichever came first must not decide what is said
        return min(found, key=lambda event: (event.from_ms, event.kind, event.text)).text if found else None

    @property
    def text(self) -> str:
        """All that is known, in one line: what is unknown is said to be so."""
        said = [event.text for event in self.events] + [
            f"{v}: unknown ({why})" for v, why in self.unknown.items()
        ]
        return "; ".join(said) or "nothing announced"


def _minute(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")


def _span(from_ms: int, until_ms: int | None) -> str:
    begin = _minute(from_ms)
    if until_ms is None:
        return f"since {begin}"
    end = _minute(until_ms)
    return f"{begin}–{end[11:] if end[:10] == begin[:10] else end}"
