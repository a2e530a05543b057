"""Marks that are believed: what hedges are valued by. A price in doubt values nothing, however it is told."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.clock import SECOND_MS
from hedged.domain.market import SeriesKey, decimal_of


@dataclass(frozen=True, slots=True)
class BelievedMarks:
    """USD per coin, and since when each was known (ms); `doubts`: what is told and not believed, and why."""

    now_ms: int
    marks: Mapping[SeriesKey, float] = field(default_factory=dict)
    known_ms: Mapping[SeriesKey, int] = field(default_factory=dict)
    doubts: Mapping[SeriesKey, str] = field(default_factory=dict)

    def decimals(self) -> dict[SeriesKey, Decimal]:
        """Return the marks as prices to trade by."""
        return {key: decimal_of(mark) for key, mark in self.marks.items()}

    def fresh(self, symbol: str, stale_after_ms: float) -> dict[str, float]:
        """Return a coin's marks by venue that are young enough."""
        oldest_ms = self.now_ms - stale_after_ms
        return {
            key.venue: mark
            for key, mark in self.marks.items()
            if key.symbol == symbol and self.known_ms[key] >= oldest_ms
        }

    def together(self, keys: Collection[SeriesKey], stale_after_ms: float, apart_ms: float) -> str:
        """Say why these markets cannot be valued at one instant; empty where they can: all believed, young, alike old.

        A price of now against one of ten minutes ago is a basis that never was.
        """
        for key in sorted(keys):
            if key in self.doubts:
                return f"the price of {key} is not believed: {self.doubts[key]}"
            if key not in self.marks:
                return f"the price of {key} is unknown"
            if (age_ms := self.now_ms - self.known_ms[key]) > stale_after_ms:
                return f"the price of {key} is {age_ms / SECOND_MS:.0f} s old"
        times = {self.known_ms[key]: key for key in sorted(keys)}
        first, last = min(times, default=0), max(times, default=0)
        if last - first > apart_ms:
            return f"the price of {times[first]} is {(last - first) / SECOND_MS:.0f} s older than that of {times[last]}"
        return ""
