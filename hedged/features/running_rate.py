"""How venues make a rate out of premiums, and what a rate still running says about the one that will be charged.

A venue averages its premium over the interval, with equal or with rising weights, and applies its function to the mean:
per hour, (P + clamp(I − P, ±band)) ÷ divisor + added, within the cap. Inside the dead band the rate is the interest
whatever the premium: there a rate tells an interval of premiums, not a number.

Weights: Hyperliquid averages samples of 5 s over the hour (its funding page); Binance ((1·P₁ + 2·P₂ + … + n·Pₙ) ÷
(1 + 2 + … + n), "Introduction to Binance Futures Funding Rates") and Bybit ("The closer to the funding fee settlement
time, the greater the coefficient", 1 … 480 in "Introduction to Funding Rate") let them rise, Gate too since 2026-05-27;
OKX tells the mean of the last N hours, not of the running interval ("OKX to optimize funding rate calculation",
2024-03-05). Injective's chain counts up to the last trade (`hedged.domain.injective`).
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.funding import DEAD_BAND, HYPERLIQUID_INTEREST, HYPERLIQUID_RULE, PremiumRule
from hedged.domain.injective import InjectiveRule, RateDistribution
from hedged.domain.market import INJECTIVE

Array = NDArray[np.float64]
PIN_TOLERANCE = 5e-9
"""A rate per hour this close to the interest was made inside the dead band."""
SLACK_S = 60.0
"""A settlement may be announced this much farther away than its interval is long."""


class Weighting(Enum):
    """How a venue weighs the premiums of one interval in the rate that it tells meanwhile."""

    FLAT = "flat"  # mean since the interval began
    RISING = "rising"  # the same with weights 1, 2, 3 …: late premiums count most
    TRAILING = "trailing"  # mean of the last interval's length up to now, whatever interval it belongs to

    def decided(self, elapsed: Array) -> Array:
        """Return the share of the final mean that is fixed after the share `elapsed` (0 … 1) of the interval."""
        share: Array = elapsed**2 if self is Weighting.RISING else elapsed
        return share


@dataclass(frozen=True, slots=True)
class RunningRule:
    """A venue's function from the interval's mean premium (a fraction of price) to its rate *per hour*.

    `interest_8h`, `band`: centre and half-width of the dead band, per 8 h; a band of 0 is none. `divisor_h`: hours over
    which a premium is paid. `added_per_h`: interest that is added instead of clamped. `cap_per_h`: largest |rate|.
    """

    interest_8h: float
    band: float
    divisor_h: float = 8.0
    added_per_h: float = 0.0
    cap_per_h: float = np.inf
    weighting: Weighting = Weighting.FLAT

    @classmethod
    def of(cls, rule: PremiumRule, weighting: Weighting) -> Self:
        """Take over a venue's rule of the domain."""
        cap_per_h = float(rule.cap / rule.interval_h)
        return cls(float(rule.interest_8h), float(rule.band), cap_per_h=cap_per_h, weighting=weighting)

    def rate(self, premium: Array) -> Array:
        """Return the rate per hour of a mean premium. Rising, flat inside the dead band."""
        off = premium - self.interest_8h
        resting = (np.abs(off) <= self.band) & (self.band > 0)
        clamped = np.where(resting, self.interest_8h, premium - np.sign(off) * self.band)
        capped: Array = np.clip(clamped / self.divisor_h + self.added_per_h, -self.cap_per_h, self.cap_per_h)
        return capped

    def premium(self, per_hour: Array) -> tuple[Array, Array]:
        """Return the least and the largest premium that make this rate; they differ at the interest only.

        The cap is ignored: a rate at the cap gives the smallest premium (in size) that reaches it.
        """
        per_8h = (per_hour - self.added_per_h) * self.divisor_h
        side = np.sign(per_8h - self.interest_8h)
        side = np.where(np.abs(per_8h - self.interest_8h) < PIN_TOLERANCE * self.divisor_h, 0.0, side)
        low = np.where(side == 0, self.interest_8h - self.band, per_8h + side * self.band)
        high = np.where(side == 0, self.interest_8h + self.band, low)
        return low, high

    def resting_at(self, per_hour: float) -> Self:
        """Return the same rule for a coin whose interest is this (BNB at Binance: 0)."""
        return replace(self, interest_8h=per_hour * 8.0)


def _clamped(weighting: Weighting) -> RunningRule:
    return RunningRule(float(HYPERLIQUID_INTEREST), float(DEAD_BAND), weighting=weighting)


RULES = {
    "hyperliquid": RunningRule.of(HYPERLIQUID_RULE, Weighting.FLAT),
    "binance": _clamped(Weighting.RISING),
    "bybit": _clamped(Weighting.RISING),
    "gate": _clamped(Weighting.RISING),
    "okx": RunningRule(0.0, 0.0, weighting=Weighting.TRAILING),
    INJECTIVE: RunningRule(
        0.0,
        0.0,
        divisor_h=24.0,
        added_per_h=float(InjectiveRule().hourly_interest),
        cap_per_h=float(InjectiveRule().hourly_cap),
    ),
}
"""What is known of the venues. Interest and cap are the usual ones; a market's own come before them."""
UNKNOWN = RunningRule(0.0, 0.0)
"""A venue of which nothing is known: its rate is taken for its premium."""


def elapsed_share(settles_in_s: Array, interval_h: Array) -> Array:
    """Return the share (0 … 1) of the running interval that is over; NaN where the two contradict each other.

    A settlement farther away than the interval is long means that an 8 h interval was taken for a shorter one; one that
    is over says nothing of the coming one.
    """
    length_s = interval_h * (HOUR_MS / SECOND_MS)
    with np.errstate(invalid="ignore", divide="ignore"):
        sound = (interval_h > 0) & (settles_in_s > 0) & (settles_in_s <= length_s + SLACK_S)
        return np.where(sound, np.clip(1.0 - settles_in_s / length_s, 0.0, 1.0), np.nan)


def combined(
    weighting: Weighting, so_far: Array, coming: Array, decided: Array | float, before: Array | float
) -> Array:
    """Return the interval's mean premium from the told one and the one to come, all of them broadcast.

    A trailing mean still holds 1 − decided of the interval before (mean premium `before`), which the coming replaces.
    """
    if weighting is Weighting.TRAILING:
        return so_far + (1.0 - decided) * (coming - before)
    return decided * so_far + (1.0 - decided) * coming


def estimate_law(
    rule: RunningRule, per_hour: float, elapsed: float, coming: Array, before: float = np.nan
) -> RateDistribution:
    """Return the law of the rate per hour that will be charged, from the venue's running one.

    `per_hour`: the running rate; `elapsed`: the share of the interval that is over; `coming`: (m,) equally likely mean
    premiums of what is left of it. In the dead band the premium so far is any of that band, those nearest to the coming
    ones first. `before`: mean premium of the interval before, needed for a trailing mean. Raises ValueError where a
    number that is needed is unknown: unknown is not zero.
    """
    needed = [per_hour, elapsed, *coming]
    if rule.weighting is Weighting.TRAILING:
        needed.append(before)
    if not len(coming) or not np.isfinite(needed).all():
        raise ValueError("an unknown estimate, instant or premium is no evidence")
    low, high = rule.premium(np.array([per_hour]))
    so_far = np.clip(coming, low, high)
    decided = float(rule.weighting.decided(np.array(elapsed)))
    mean = combined(rule.weighting, so_far, coming, decided, before)
    rates = np.sort(rule.rate(mean))
    return RateDistribution(rates, np.full(len(rates), 1.0 / len(rates)))


def rule_of(venue: str) -> RunningRule:
    """Return the venue's rule, or the one that takes a rate for its premium."""
    return RULES.get(venue, UNKNOWN)
