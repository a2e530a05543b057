"""The course of a rate: does it follow what is known of the coin, or a multiple of that, or its mirror image?

A sequential test (Page's CUSUM) of each such fault against the truth. Levels are asinh(rate ÷ usual): linear about
zero, logarithmic beyond, so that a factor is a shift and a rate of nearly nothing proves nothing. Witnesses are levels
that the rate should be near: the coin's other venues, its own past, what its premium makes of it; the last counts for
the middle one where the rate is charged by that very premium. What an hour adds to the evidence for a factor f is

    log t(level(rate ÷ f) − middle witness) + log |∂ level(rate ÷ f) ÷ ∂ level(rate)|
    − log(t(level(rate) − nearest witness) + BROAD)

with t Student's density of two degrees and the series' own spread, relative to its peak. The truth is given the
nearest witness, and `BROAD` for what markets do that no witness tells: a rate that merely is far away is no multiple.
Most venues stand exactly at their interest for hours and days. So one that stands at a multiple of it has a wrong unit,
and one that often stands there, but now at no multiple of it, is less likely to have one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asinh, isnan, log, log1p, nan, sinh
from statistics import median

from hedged.domain.clock import HOUR_MS

USUAL_RATE = 1.25e-5
"""The interest that most venues charge without any premium, 0.01 % per 8 h: a rate of that order is never unusual."""
FACTORS = (8.0, 24.0, 100.0)
"""Hours of the usual interval, hours of a day, per cent."""
FAULTS = (*FACTORS, *(1 / factor for factor in FACTORS), -1.0)
BROAD = 0.01
MOST_AN_HOUR = 5.0
NEW_SPREAD, LEAST_SPREAD, MOST_SPREAD = 0.5, 0.2, 2.0
"""Distance of a rate from its nearest witness: of a series without a past, and the bounds of what is learnt."""
PAST_H, SPREAD_H = 240, 720
"""Hours over which a series' own level and spread are averaged."""
NEW_H = 336
"""Hours until its past speaks for a series: sooner, it would excuse an adapter that was wrong from the start."""
EXACT = 1e-5
"""A rate as near as this to its interest, or to a multiple of it, stands there by no accident."""
REST = 0.5
"""Of the limit: what a settlement interval with the rate exactly at a multiple of its interest adds."""
MOST_AT_REST = 0.9
UNSURE = 0.5
"""Evidence counts so much where there are only two witnesses, or the series is new."""
FADES = 1.0
"""What evidence loses an hour while nobody can confirm it."""
NOTHING = 2e-6
"""Where a rate is less than this (1.8 % a year) either way, it is of no consequence which it is."""
NONE, FADED = (0.0,) * len(FAULTS), (-FADES,) * len(FAULTS)
SUSPECT, KEPT = 0.25, 0.5
"""Of the limit, beyond which nothing is gathered: from here on nothing is learnt; below, a found fault is over."""


def level(rate: float) -> float:
    """Return the level of a rate per hour."""
    return asinh(rate / USUAL_RATE)


def rate_at(reached: float) -> float:
    """Return the rate per hour at a level."""
    return USUAL_RATE * sinh(reached)


@dataclass(frozen=True, slots=True)
class Told:
    """A rate per hour, the rate at which its venue rests without a premium, and the interval between settlements.
    `due`: that of the witnesses which follows from the very premium by which it will be charged; NaN where none does.
    """

    rate: float
    rests: float
    interval_ms: float
    due: float = nan


@dataclass(slots=True)
class Course:
    """What is remembered of a rate's course. `evidence`: for each of `FAULTS`, log-likelihood × hours; `found`: which
    of them it is; `since_ms`: from when on there is evidence; `past`: own level, of so many `hours`; `apart`: distance
    from the nearest witness, now and as usual (`spread`); `at_rest`: share of the hours that it stands at its interest.
    """

    past: float = nan
    hours: int = 0
    spread: float = NEW_SPREAD
    apart: float = nan
    resting: bool = False
    at_rest: float = 0.0
    weighed_ms: int = 0
    rested_ms: int = 0
    evidence: tuple[float, ...] = NONE
    since_ms: int = 0
    found: int | None = None

    @property
    def known_past(self) -> float:
        """The own level where it is known for long enough, else NaN."""
        return self.past if self.hours >= NEW_H else nan

    def due(self, now_ms: int) -> bool:
        """Whether a reading would be weighed: one an hour is, for the next tells little that is new."""
        return now_ms - self.weighed_ms >= HOUR_MS

    def weigh(self, now_ms: int, told: Told, witnesses: Sequence[float], limit: float) -> None:
        """Take in a reading. `witnesses`: levels. `limit`: evidence that is enough."""
        self.weighed_ms = now_ms
        at = level(told.rate)
        self.apart = min((abs(at - one) for one in witnesses), default=nan)
        self.resting = abs(told.rate / told.rests - 1) <= EXACT
        if self.resting:  # nobody stands there by a mistake
            self.evidence, self.since_ms, self.found = NONE, 0, None
            return
        added = self._added(told.rate, told.due, witnesses)
        stands = [abs(told.rate / (factor * told.rests) - 1) <= EXACT for factor in FAULTS]
        if any(stands):
            again = now_ms // told.interval_ms == self.rested_ms // told.interval_ms
            self.rested_ms, more = now_ms, 0.0 if again else REST * limit
            added = [max(0.0, one) + more if here else one for one, here in zip(added, stands, strict=True)]
        self.evidence = tuple(
            min(max(0.0, before + one), limit) for before, one in zip(self.evidence, added, strict=True)
        )
        most = max(self.evidence)
        self.since_ms = (self.since_ms or now_ms) if most else 0
        if self.found is not None and self.evidence[self.found] < KEPT * limit:
            self.found = None
        if self.found is None and most >= limit:
            self.found = self.evidence.index(most)

    def _added(self, rate: float, due: float, witnesses: Sequence[float]) -> Sequence[float]:
        """Return what an hour of this rate adds to the evidence for each fault."""
        if not rate or (len(witnesses) < 2 and isnan(due)):
            return FADED
        known = self.hours >= NEW_H
        spread = min(max(LEAST_SPREAD, self.spread), MOST_SPREAD) if known else NEW_SPREAD
        counts = 1.0 if known and len(witnesses) > 2 else UNSURE
        middle = median(witnesses) if isnan(due) else due
        true = log((1 + (self.apart / spread) ** 2 / 2) ** -1.5 + BROAD)
        if known:
            true -= log(1 - min(self.at_rest, MOST_AT_REST))
        added, scaled = [], rate / USUAL_RATE
        square, nothing = scaled * scaled, NOTHING / USUAL_RATE
        for factor in FAULTS:
            meant = scaled / factor
            if abs(scaled) < nothing and abs(meant) < nothing:
                added.append(-FADES)
                continue
            apart, slope = (asinh(meant) - middle) / spread, (square + 1) / (square + factor * factor)
            one = counts * (0.5 * log(slope) - 1.5 * log1p(apart * apart / 2) - true)
            added.append(min(max(-MOST_AN_HOUR, one), MOST_AN_HOUR))
        return added

    def learn(self, now_ms: int, rate: float, limit: float) -> None:
        """Take over a reading that is believed, if it was weighed now; a suspected one does not become the measure."""
        if now_ms != self.weighed_ms or max(self.evidence) > SUSPECT * limit:
            return
        self.hours += 1
        told = level(rate)
        self.at_rest += max(1 / PAST_H, 1 / self.hours) * (self.resting - self.at_rest)
        self.past = (
            told if self.hours == 1 else self.past + max(1 / PAST_H, 1 / self.hours) * (told - self.past)
        )
        if not isnan(self.apart):
            self.spread += max(1 / SPREAD_H, 1 / self.hours) * (self.apart - self.spread)
