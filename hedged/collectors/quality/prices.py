"""Is a mark to be believed? It is measured by the other venues' marks of the same coin, and by its own past."""

from collections.abc import Mapping, Sequence
from math import isnan
from statistics import median

from hedged.collectors.quality.reading import Memory, Reading, near, tens_apart
from hedged.config.quality import QualityConfig
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.quarantine import Fault, Finding

CONTINUOUS_MS = 2 * HOUR_MS
"""A last good mark older than this says nothing of the present one."""
TEN_TOLERANCE = 0.2

Others = Mapping[str, float]
"""Marks of the same coin by venue, of series that are believed, known at about the same time."""


def doubt_mark(seen: Reading, memory: Memory, others: Others, config: QualityConfig) -> Finding | None:
    """Say what is wrong with a mark; None where nothing is, or where there is no mark."""
    if isnan(seen.mark):
        return None
    limit = config.price_deviation
    witnesses = list(others.values())
    if others and seen.index > 0 and seen.index != seen.mark:  # where they are one, it is no second witness
        witnesses.append(seen.index)
    agreed = consensus(witnesses, limit)
    vouching = [venue for venue, one in sorted(others.items()) if near(seen.mark, one, limit)]
    if agreed is not None and not near(seen.mark, agreed, limit):
        return _named(seen, memory, agreed, sorted(others), limit)
    if len(vouching) > 1 or (others and _steady(seen, memory, limit)):
        return None
    if vouching or agreed is not None:
        return _shared_unit(seen, memory, vouching)
    if others:
        # one word against another, and an index in the mark's own wrong unit is none: who moved steadily was believed
        return _named(seen, memory, witnesses[0], sorted(others), limit)
    return _lone_jump(seen, memory, config)


def consensus(witnesses: Sequence[float], limit: float) -> float | None:
    """Return the price on which most of the witnesses, and at least two, agree; None where they do not."""
    if len(witnesses) < 2:
        return None
    middle = median(witnesses)
    agreeing = [one for one in witnesses if near(one, middle, limit)]
    return median(agreeing) if len(agreeing) >= 2 and 2 * len(agreeing) > len(witnesses) else None


def _shared_unit(seen: Reading, memory: Memory, vouching: Sequence[str]) -> Finding | None:
    """Doubt a power of ten of what was true a while ago, whoever alone says the same: units go wrong together."""
    young = seen.mark_ms - memory.good_ms <= CONTINUOUS_MS
    if not young or not tens_apart(seen.mark, memory.good_mark, TEN_TOLERANCE):
        return None
    return Finding(
        Fault.PRICE_UNIT,
        f"mark {seen.mark:g} after {memory.good_mark:g}; of others only {', '.join(vouching) or 'its index'} agrees",
    )


def _steady(seen: Reading, memory: Memory, limit: float) -> bool:
    return seen.mark_ms - memory.good_ms <= CONTINUOUS_MS and near(seen.mark, memory.good_mark, limit)


def _named(seen: Reading, memory: Memory, true: float, others: Sequence[str], limit: float) -> Finding:
    """Name a distance: a power of ten is a unit, a jump from a good mark an outlier, all else a contradiction."""
    figures = (
        f"mark {seen.mark:g}, {true:g} by {', '.join(others)}, {abs(seen.mark / true - 1):.1%} apart; "
        f"the limit is {limit:.0%}"
    )
    if tens_apart(seen.mark, true, TEN_TOLERANCE):
        return Finding(Fault.PRICE_UNIT, figures)
    young = seen.mark_ms - memory.good_ms <= CONTINUOUS_MS
    jumped = young and not near(seen.mark, memory.good_mark, limit)
    return Finding(Fault.OUTLIER_PRICE if jumped else Fault.CONTRADICTION, figures)


def _lone_jump(seen: Reading, memory: Memory, config: QualityConfig) -> Finding | None:
    """Doubt a move that is too large without anybody to confirm it; a new level that stays is believed in the end."""
    if not memory.good_ms or not memory.last_mark_ms:
        return None
    hours = max(1.0, (seen.mark_ms - memory.last_mark_ms) / HOUR_MS)
    limit = config.lone_jump * hours**0.5
    if any(_within(seen.mark, before, limit) for before in (memory.last_mark, memory.good_mark)):
        return None
    figures = f"mark {seen.mark:g} after {memory.last_mark:g}, and no other venue to ask"
    unit = tens_apart(seen.mark, memory.good_mark, TEN_TOLERANCE)
    return Finding(Fault.PRICE_UNIT if unit else Fault.OUTLIER_PRICE, figures)


def _within(a: float, b: float, limit: float) -> bool:
    return max(a, b) <= (1 + limit) * min(a, b)


def doubt_stillness(seen: Reading, memory: Memory, others: Others, config: QualityConfig) -> Finding | None:
    """Say whether a mark, told again and again, stands still while those of the other venues moved."""
    if seen.mark != memory.last_mark or not others:
        return None
    still_s = (seen.mark_ms - memory.still_since_ms) / SECOND_MS
    if still_s < config.frozen_after_s:
        return None
    moves = [abs(now / memory.still_others[v] - 1) for v, now in others.items() if v in memory.still_others]
    if not moves or median(moves) < config.frozen_move:
        return None
    return Finding(
        Fault.FROZEN_PRICE,
        f"mark {seen.mark:g} for {still_s / 3_600:.1f} h, the others moved by {median(moves):.1%}",
    )


def note_mark(seen: Reading, memory: Memory, others: Others, *, believed: bool) -> None:
    """Take over a mark, and whether it was believed."""
    if isnan(seen.mark) or seen.mark <= 0:
        return
    if seen.mark != memory.last_mark:
        memory.still_since_ms, memory.still_others = seen.mark_ms, dict(others)
    memory.last_mark, memory.last_mark_ms = seen.mark, seen.mark_ms
    if believed:
        memory.good_mark, memory.good_ms = seen.mark, seen.mark_ms
