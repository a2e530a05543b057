"""What the judge reads of an observation, and what it remembers of a series: plain floats, bounded."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, isnan, log10
from statistics import median

from hedged.collectors.quality.course import USUAL_RATE, Course
from hedged.domain.bars import Field, Observation
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey

HISTORY = 168
"""Readings of the rate, one an interval, that are its usual level: a week of hourly settlements."""
LEAST_HISTORY = 24
USUAL_INTERVAL_H = 8.0
FRESH_INTERVALS = 1.5
"""A rate older than so many of its intervals says nothing of the present one."""
MOST_TENS = 9
"""Contracts of a million coins are the largest that are traded."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One observation in plain numbers; NaN is unknown. `rate`: the running estimate per hour, else the last print."""

    key: SeriesKey
    now_ms: int
    values: Sequence[float]
    mark: float
    mark_ms: int
    index: float
    rate: float
    rate_ms: int
    estimated: bool
    settled: float
    interval_h: float
    premium: float
    interest: float

    @classmethod
    def of(cls, seen: Observation, now_ms: int) -> "Reading":
        """Read an observation."""
        values = seen.values.tolist()
        estimate, settled = values[Field.FUNDING_ESTIMATE], values[Field.FUNDING_SETTLED]
        estimated = not isnan(estimate)
        return cls(
            key=seen.key,
            now_ms=now_ms,
            values=values,
            mark=values[Field.MARK],
            mark_ms=int(seen.known_at_ms[Field.MARK]),
            index=values[Field.INDEX],
            rate=estimate if estimated else settled,
            rate_ms=int(seen.known_at_ms[Field.FUNDING_ESTIMATE if estimated else Field.FUNDING_SETTLED]),
            estimated=estimated,
            settled=settled,
            interval_h=values[Field.INTERVAL_H if estimated else Field.SETTLED_INTERVAL_H],
            premium=values[Field.PREMIUM],
            interest=values[Field.OPEN_INTEREST],
        )

    @property
    def interval_ms(self) -> float:
        """Return the interval of the rate; the usual one where it is not told."""
        return (self.interval_h if self.interval_h > 0 else USUAL_INTERVAL_H) * HOUR_MS

    @property
    def fresh(self) -> bool:
        """Whether the rate is one of the present."""
        return self.now_ms - self.rate_ms <= FRESH_INTERVALS * self.interval_ms


@dataclass(slots=True)
class Memory:
    """What is remembered of one series. `good_*`: the last value that was believed; `usual`: median of the readings of
    the rate that are kept, which is without their signs.
    """

    good_mark: float = inf
    good_ms: int = 0
    last_mark: float = inf
    last_mark_ms: int = 0
    still_since_ms: int = 0
    still_others: dict[str, float] = field(default_factory=dict)
    good_interest: float = inf
    interval_h: float = inf
    rate: float = inf
    rate_ms: int = 0
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    usual: float = USUAL_RATE
    off_by: tuple[float, float] | None = None
    against_since_ms: int = 0
    course: Course = field(default_factory=Course)

    def note_rate(self, reading: Reading, *, believed: bool) -> None:
        """Take over the rate, one an interval; one that is believed becomes part of the usual level."""
        if isnan(reading.rate):
            return
        self.rate, self.interval_h = reading.rate, reading.interval_h
        apart_h = 1.0 if isnan(reading.interval_h) else max(1.0, reading.interval_h)
        if reading.now_ms - self.rate_ms < apart_h * HOUR_MS:
            return
        self.rate_ms = reading.now_ms
        if believed:
            self.history.append(abs(reading.rate))
            if len(self.history) >= LEAST_HISTORY:
                self.usual = max(USUAL_RATE, median(self.history))


def near(value: float, target: float, tolerance: float) -> bool:
    """Tell whether a value is within a relative tolerance of a target that is not zero."""
    return abs(value / target - 1) <= tolerance


def tens_apart(value: float, base: float, tolerance: float) -> bool:
    """Tell whether two positive numbers are a power of ten apart, other than one; beyond that of a unit it is none."""
    tens = round(log10(value) - log10(base))
    return 1 <= abs(tens) <= MOST_TENS and near(value / base, 10.0**tens, tolerance)
