"""Is a funding rate, or an open interest, to be believed? By its own past, its premium, its print, the other venues."""

from collections.abc import Mapping
from math import copysign, isnan, nan

from hedged.collectors.quality.course import FAULTS, USUAL_RATE, Told, level, rate_at
from hedged.collectors.quality.reading import Memory, Reading, near, tens_apart
from hedged.config.quality import QualityConfig
from hedged.domain.clock import HOUR_MS
from hedged.domain.funding import DEAD_BAND, HYPERLIQUID_INTEREST
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE
from hedged.domain.quarantine import Fault, Finding

CONFIRMS = 0.25
"""A witness confirms a rate with a quarter of it: less than the smallest factor that a unit makes."""
LEAST_RATE = 1e-6
"""Below this (0.9 % a year) a ratio of two rates says nothing."""
CERTAIN_RATE = 1e-5
"""From here on the sign of a rate is not an accident; a little less than the interest."""
PREMIUM_PER_RATE_H = 4.0
"""A premium confirms a rate that is a quarter of it or less per hour: venues spread it over 8 or 24 hours."""
CONTRACT_TOLERANCE = 0.05
INJECTIVE_INTEREST = float(InjectiveRule().hourly_interest)
INTEREST_8H, BAND = float(HYPERLIQUID_INTEREST), float(DEAD_BAND)

Peers = Mapping[str, Reading]
"""The other venues' markets of the same coin, those that are believed and tell a rate."""


def doubt_rate(seen: Reading, memory: Memory, peers: Peers, config: QualityConfig) -> Finding | None:
    """Say what is wrong with a rate; None where nothing is, or where there is no rate."""
    if isnan(seen.rate):
        return None
    course = _course(seen, memory, peers, config)  # it remembers: it has its say every time
    return (
        _unit(seen, memory, config)
        or _outlier(seen, memory, peers, config)
        or _sign(seen, memory, config)
        or course
    )


def _outlier(seen: Reading, memory: Memory, peers: Peers, config: QualityConfig) -> Finding | None:
    """Doubt an estimate beyond all that is usual, unless a print, the premium or another venue confirms it."""
    limit = config.rate_outlier * memory.usual
    if not seen.estimated or abs(seen.rate) <= limit or (not peers and isnan(seen.premium)):
        return None
    least = copysign(CONFIRMS * abs(seen.rate), seen.rate)
    told = [seen.settled, seen.premium / PREMIUM_PER_RATE_H * CONFIRMS]
    told += [peer.rate for peer in peers.values()]
    if any(value / least >= 1 for value in told):  # NaN confirms nothing
        return None
    return Finding(
        Fault.OUTLIER_RATE,
        f"{seen.rate:+.3%} an hour, usual is {memory.usual:.4%}; neither its print nor its premium nor "
        f"{', '.join(sorted(peers)) or 'another venue'} confirms it",
    )


def _unit(seen: Reading, memory: Memory, config: QualityConfig) -> Finding | None:
    """Doubt a rate whose interval changed and whose number did not; once found, for as long as it stays there."""
    off = memory.off_by
    if off is None or not near(seen.rate, off[0] * off[1], config.unit_tolerance):
        off = memory.off_by = _not_followed(seen, memory, config.unit_tolerance)
    if off is None:
        return None
    factor, before = off
    return Finding(Fault.RATE_UNIT, f"{seen.rate:+.5%} an hour, {_times(factor)} the {before:+.5%} before")


def _not_followed(seen: Reading, memory: Memory, tolerance: float) -> tuple[float, float] | None:
    """Return (factor, rate before) where the interval changed and the number that the venue states did not."""
    before_h, now_h = memory.interval_h, seen.interval_h
    if not before_h < float("inf") or not now_h > 0 or 0.5 < now_h / before_h < 2:
        return None
    factor = before_h / now_h
    if abs(memory.rate) < LEAST_RATE or not near(seen.rate, factor * memory.rate, tolerance):
        return None
    return factor, memory.rate


def _times(factor: float) -> str:
    return f"{factor:g} times" if factor >= 1 else f"1/{1 / factor:g} of"


def _sign(seen: Reading, memory: Memory, config: QualityConfig) -> Finding | None:
    """Doubt a rate that is opposed to a large premium for too long."""
    against = (
        abs(seen.rate) >= CERTAIN_RATE
        and abs(seen.premium) >= config.sign_premium
        and seen.premium * seen.rate < 0
    )
    memory.against_since_ms = (memory.against_since_ms or seen.now_ms) if against else 0
    # a print lags behind the premium by the interval that it was averaged over
    hours = config.sign_after_h + (0 if seen.estimated else 2 * seen.interval_h)
    if not against or memory.against_since_ms > seen.now_ms - hours * HOUR_MS:
        return None
    return Finding(
        Fault.RATE_SIGN, f"{seen.rate:+.4%} an hour at a premium of {seen.premium:+.3%} for {hours:g} h"
    )


def _course(seen: Reading, memory: Memory, peers: Peers, config: QualityConfig) -> Finding | None:
    """Doubt a rate that for long has been a multiple, or the mirror image, of what all that is known makes likely."""
    course, limit = memory.course, config.rate_evidence
    if not course.due(seen.now_ms) and course.found is None:
        return None
    said = {venue: peer.rate for venue, peer in peers.items() if peer.fresh}
    if not isnan(course.known_past):
        said["its own past"] = rate_at(course.known_past)
    if not isnan(seen.premium):
        said["its premium"] = _implied(seen)
    if course.due(seen.now_ms) and seen.fresh:
        # Injective's premium is the running mean that it will charge by; elsewhere it is one of the moment
        by_mean = seen.estimated and seen.key.venue == INJECTIVE
        due = level(_implied(seen)) if by_mean else nan
        told = Told(seen.rate, _rests(seen.key.venue), seen.interval_ms, due)
        course.weigh(seen.now_ms, told, [level(rate) for rate in said.values()], limit)
    if course.found is None:
        return None
    factor, hours = FAULTS[course.found], (seen.now_ms - course.since_ms) / HOUR_MS
    all_said = (
        ", ".join(f"{name} {rate:+.5%}" for name, rate in sorted(said.items())) or "nobody else tells one"
    )
    what = "its sign reversed" if factor < 0 else f"{_times(factor)} the truth"
    fault = Fault.RATE_SIGN if factor < 0 else Fault.RATE_UNIT
    return Finding(
        fault, f"{seen.rate:+.5%} an hour ({all_said}): for {hours:.0f} h it has looked like {what}"
    )


def _rests(venue: str) -> float:
    """Return the rate per hour that a venue charges without a premium."""
    return INJECTIVE_INTEREST if venue == INJECTIVE else USUAL_RATE


def _implied(seen: Reading) -> float:
    """Return the rate per hour that a premium makes, by the venue's own formula."""
    if seen.key.venue == INJECTIVE:
        return seen.premium / 24 + INJECTIVE_INTEREST
    return (seen.premium + min(max(-BAND, INTEREST_8H - seen.premium), BAND)) / 8


def doubt_interest(seen: Reading, memory: Memory) -> Finding | None:
    """Doubt an open interest that is a power of ten away from the last good one: contracts taken for coins."""
    if not seen.interest > 0 or not 0 < memory.good_interest < float("inf"):
        return None
    if not tens_apart(seen.interest, memory.good_interest, CONTRACT_TOLERANCE):
        return None
    return Finding(
        Fault.OPEN_INTEREST_UNIT, f"open interest {seen.interest:g} after {memory.good_interest:g} coins"
    )
