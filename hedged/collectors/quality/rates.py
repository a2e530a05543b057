"""Is a funding rate, or an open interest, to be believed? By its own past, its premium, its print, the other venues."""

from collections.abc import Mapping, Sequence
from math import copysign, isnan
from statistics import median

from hedged.collectors.quality.reading import USUAL_RATE, Memory, Reading, near, tens_apart
from hedged.config.quality import QualityConfig
from hedged.domain.clock import HOUR_MS
from hedged.domain.quarantine import Fault, Finding

FACTORS = (8.0, 24.0, 100.0)
"""Hours of the usual interval, hours of a day, per cent."""
CONFIRMS = 0.25
"""A witness confirms a rate with a quarter of it: less than the smallest factor that a unit makes."""
LEAST_RATE = 1e-6
"""Below this (0.9 % a year) a ratio of two rates says nothing."""
FAMILIAR = 3
"""Readings of the past that make a level one to which a rate comes by itself."""
CERTAIN_RATE = 1e-5
"""From here on the sign of a rate is not an accident; a little less than the interest."""
PREMIUM_PER_RATE_H = 4.0
"""A premium confirms a rate that is a quarter of it or less per hour: venues spread it over 8 or 24 hours."""
CONTRACT_TOLERANCE = 0.05

Peers = Mapping[str, tuple[Reading, Memory]]
"""The other venues' markets of the same coin, those that are believed and tell a rate."""


def doubt_rate(seen: Reading, memory: Memory, peers: Peers, config: QualityConfig) -> Finding | None:
    """Say what is wrong with a rate; None where nothing is, or where there is no rate."""
    if isnan(seen.rate):
        return None
    return (
        _unit(seen, memory, peers, config)
        or _outlier(seen, memory, peers, config)
        or _sign(seen, memory, peers, config)
    )


def _outlier(seen: Reading, memory: Memory, peers: Peers, config: QualityConfig) -> Finding | None:
    """Doubt an estimate beyond all that is usual, unless a print, the premium or another venue confirms it."""
    limit = config.rate_outlier * memory.usual
    if not seen.estimated or abs(seen.rate) <= limit or (not peers and isnan(seen.premium)):
        return None
    least = copysign(CONFIRMS * abs(seen.rate), seen.rate)
    told = [seen.settled, seen.premium / PREMIUM_PER_RATE_H * CONFIRMS]
    told += [peer.rate for peer, _ in peers.values()]
    if any(value / least >= 1 for value in told):  # NaN confirms nothing
        return None
    return Finding(
        Fault.OUTLIER_RATE,
        f"{seen.rate:+.3%} an hour, usual is {memory.usual:.4%}; neither its print nor its premium nor "
        f"{', '.join(sorted(peers)) or 'another venue'} confirms it",
    )


def _unit(seen: Reading, memory: Memory, peers: Peers, config: QualityConfig) -> Finding | None:
    """Doubt a rate that has become a unit's multiple of what it was; once found, for as long as it stays there."""
    off = memory.off_by
    if off is not None and near(seen.rate, off[0] * off[1], config.unit_tolerance):
        return _unit_finding(seen, *off)
    memory.off_by = _not_followed(seen, memory, config.unit_tolerance) or _multiple(
        seen, memory, peers, config
    )
    return _unit_finding(seen, *memory.off_by) if memory.off_by else None


def _not_followed(seen: Reading, memory: Memory, tolerance: float) -> tuple[float, float] | None:
    """Return (factor, rate before) where the interval changed and the number that the venue states did not."""
    before_h, now_h = memory.interval_h, seen.interval_h
    if not before_h < float("inf") or not now_h > 0 or 0.5 < now_h / before_h < 2:
        return None
    factor = before_h / now_h
    if abs(memory.rate) < LEAST_RATE or not near(seen.rate, factor * memory.rate, tolerance):
        return None
    return factor, memory.rate


def _multiple(
    seen: Reading, memory: Memory, peers: Peers, config: QualityConfig
) -> tuple[float, float] | None:
    """Return (factor, level before) where the recent readings are all the same multiple of the level before."""
    level, recent = memory.level, [*list(memory.recent)[1:], seen.rate]
    if not memory.steady or abs(level) < LEAST_RATE or len(recent) < config.unit_readings:
        return None
    for factor in (*FACTORS, *(1 / f for f in FACTORS)):
        if all(near(rate, factor * level, config.unit_tolerance) for rate in recent):
            followed = any(_change(peer, held) / factor > 1 / 3 for peer, held in peers.values())
            if factor < 1:
                followed = any(_change(peer, held) / factor < 3 for peer, held in peers.values())
            known = _at_the_interest(seen.rate) or _familiar(seen.rate, memory, config.unit_tolerance)
            return None if followed or known else (factor, level)
    return None


def _change(peer: Reading, held: Memory) -> float:
    return abs(peer.rate / held.level) if abs(held.level) >= LEAST_RATE else float("nan")


def _unit_finding(seen: Reading, factor: float, level: float) -> Finding:
    times = f"{factor:g} times" if factor >= 1 else f"1/{1 / factor:g} of"
    return Finding(Fault.RATE_UNIT, f"{seen.rate:+.5%} an hour, {times} the {level:+.5%} before")


def _sign(seen: Reading, memory: Memory, peers: Peers, config: QualityConfig) -> Finding | None:
    """Doubt a rate that is opposed to a large premium, or the mirror image of all others, for too long."""
    certain = abs(seen.rate) >= CERTAIN_RATE
    against = certain and abs(seen.premium) >= config.sign_premium and seen.premium * seen.rate < 0
    memory.against_since_ms = (memory.against_since_ms or seen.now_ms) if against else 0
    others = [peer.rate for peer, _ in peers.values()]
    mirror = (
        certain and not _at_the_interest(seen.rate) and _mirrored(seen.rate, others, config.unit_tolerance)
    )
    memory.mirror_since_ms = (memory.mirror_since_ms or seen.now_ms) if mirror else 0
    # a print lags behind the premium by the interval that it was averaged over
    hours = config.sign_after_h + (0 if seen.estimated else 2 * seen.interval_h)
    due_ms = seen.now_ms - hours * HOUR_MS
    if against and memory.against_since_ms <= due_ms:
        return Finding(
            Fault.RATE_SIGN, f"{seen.rate:+.4%} an hour at a premium of {seen.premium:+.3%} for {hours:g} h"
        )
    if mirror and memory.mirror_since_ms <= due_ms:
        return Finding(
            Fault.RATE_SIGN,
            f"{seen.rate:+.4%} an hour, {', '.join(sorted(peers))} say {median(others):+.4%}, for {hours:g} h",
        )
    return None


def _at_the_interest(rate: float) -> bool:
    """Tell whether a rate is where it comes to rest without a premium."""
    return near(rate, USUAL_RATE, 0.02)


def _familiar(rate: float, memory: Memory, tolerance: float) -> bool:
    """Tell whether a rate has been there before, by its own ways and not by a unit's."""
    return sum(near(before, rate, tolerance) for before in memory.history) >= FAMILIAR


def _mirrored(rate: float, others: Sequence[float], tolerance: float) -> bool:
    """Tell whether two or more others agree in sign and a rate is the mirror image of their middle."""
    if len(others) < 2 or not all(other * rate < 0 for other in others):
        return False
    return near(rate, -median(others), tolerance)


def doubt_interest(seen: Reading, memory: Memory) -> Finding | None:
    """Doubt an open interest that is a power of ten away from the last good one: contracts taken for coins."""
    if not seen.interest > 0 or not 0 < memory.good_interest < float("inf"):
        return None
    if not tens_apart(seen.interest, memory.good_interest, CONTRACT_TOLERANCE):
        return None
    return Finding(
        Fault.OPEN_INTEREST_UNIT, f"open interest {seen.interest:g} after {memory.good_interest:g} coins"
    )
