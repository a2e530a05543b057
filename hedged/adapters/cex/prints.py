"""Funding prints of one market: settled rates with the interval that each covered.

Exchanges stamp a settlement some milliseconds after its instant and do not say how long its interval was; that is the
time since the print before, and it changes (8 h → 4 h → 1 h), so it is kept with every print.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.market import SeriesKey

NEAR_MS = 2 * MINUTE_MS
"""A stamp so near to a full hour means that hour."""
INTERVALS_H = (1, 2, 4, 8)
LONGEST_H = 24.0


@dataclass(frozen=True, slots=True)
class Print:
    """A settled rate, for the interval that ended at `ts_ms`. `known_ms`: since when it is known; `price`: the mark."""

    ts_ms: int
    rate: Decimal
    interval_h: Decimal
    price: Decimal | None
    known_ms: int


class Prints:
    """Ascending by instant, each instant once; what is recorded first stays."""

    def __init__(self) -> None:
        self._prints: list[Print] = []

    def __len__(self) -> int:
        return len(self._prints)

    def record(self, found: Iterable[Print]) -> None:
        """Take over prints; one that is there already only gains a price it did not have."""
        for one in found:
            at = bisect_left(self._prints, one.ts_ms, key=lambda p: p.ts_ms)
            if at < len(self._prints) and self._prints[at].ts_ms == one.ts_ms:
                if self._prints[at].price is None and one.price is not None:
                    self._prints[at] = replace(self._prints[at], price=one.price)
                continue
            self._prints.insert(at, one)

    def drop_before(self, ts_ms: int) -> None:
        """Forget what is older."""
        del self._prints[: bisect_left(self._prints, ts_ms, key=lambda p: p.ts_ms)]

    def at(self, ts_ms: int) -> Print | None:
        """Return the print of an instant."""
        at = bisect_left(self._prints, ts_ms, key=lambda p: p.ts_ms)
        found = self._prints[at] if at < len(self._prints) else None
        return found if found is not None and found.ts_ms == ts_ms else None

    def last(self, now_ms: int) -> Print | None:
        """Return the latest print known at an instant."""
        at = bisect_right(self._prints, now_ms, key=lambda p: p.ts_ms)
        known = (self._prints[i] for i in reversed(range(at)) if self._prints[i].known_ms <= now_ms)
        return next(known, None)

    def between(self, since_ms: int, until_ms: int) -> list[Print]:
        """Return the prints with since < ts ≤ until."""
        low = bisect_right(self._prints, since_ms, key=lambda p: p.ts_ms)
        high = bisect_right(self._prints, until_ms, key=lambda p: p.ts_ms)
        return self._prints[low:high]


def due_ms(stamp_ms: int) -> int:
    """Return the instant of settlement that a stamp means."""
    hour = round(stamp_ms / HOUR_MS) * HOUR_MS
    return hour if abs(stamp_ms - hour) <= NEAR_MS else stamp_ms


def intervals_h(times_ms: list[int], usual_h: float | None, before_ms: int | None = None) -> list[Decimal]:
    """Return the hours that each of the ascending settlements covered: the time since the one before.

    A gap longer than a day is missing data, then the interval of the next one stands in; `before_ms`: the settlement
    before the first. The first without one takes the next one's.
    """
    if not times_ms:
        return []
    edges = times_ms if before_ms is None else [before_ms, *times_ms]
    gaps: list[float | None] = [(b - a) / HOUR_MS for a, b in pairwise(edges)]
    if before_ms is None:
        gaps.insert(0, None)
    known = [gap if gap is not None and 0 < gap <= LONGEST_H else None for gap in gaps]
    later: float | None = usual_h
    filled: list[float] = []
    for gap in reversed(known):
        later = gap if gap is not None else later
        filled.append(later if later is not None else float(INTERVALS_H[-1]))
    return [Decimal(repr(hours)).normalize() for hours in reversed(filled)]


def settlement(key: SeriesKey, one: Print) -> Settlement | None:
    """Return a print as a settlement; None while its price is not known."""
    if one.price is None or one.price <= 0:
        return None
    return Settlement(key, one.ts_ms, FundingRate(key.venue, one.rate, one.interval_h), one.price)
