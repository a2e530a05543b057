"""When the next training is due, and why. Pure.

A month after the last model, a week after it while the market is stormy, at once on proven drift, `drift_days` apart.
What was late, because the daemon did not run, is due once, not once for each month. What came to no model is tried
again after pauses that grow; an order that is too old, or was tried too often, is given up: the next has newer data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, iso
from hedged.features.regimes import STORMY
from hedged.forecast.models.trainings import NO_FAULT, Attempt, Order, Training

PAUSES_MS = (15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 12 * HOUR_MS, DAY_MS)
"""After the first failure, the second, …; the last one for all that follow."""
UNABLE_MS = DAY_MS
"""Data that are too short grow by a day a day."""
MOST_ATTEMPTS = 6
OLDEST_MS = 7 * DAY_MS
"""An order whose data end earlier than this is given up: its model would be old before it serves."""


class Rules(Protocol):
    """What of the configuration says when."""

    @property
    def every_days(self) -> int:
        """Days from one training to the next."""
        ...

    @property
    def stormy_days(self) -> int:
        """The same while the market is stormy."""
        ...

    @property
    def drift_days(self) -> int:
        """Least days between two trainings that drift asks for."""
        ...


@dataclass(frozen=True, slots=True)
class Due:
    """When a training is due, ms, and why; the reason goes into the model's history."""

    at_ms: int
    why: str
    drift: bool = False


def due(
    rules: Rules,
    ended: Sequence[Training],
    newest_ms: int | None,
    regime: str,
    drift: str,
    now_ms: int,
) -> Due:
    """Return when the next training is due; it may be in the past.

    ended: orders that ended, the oldest first; newest_ms: until when the newest model knows, None: not known; drift:
    why it is proven, empty where it is not. What was stamped in the future, by a clock that was wrong, says nothing.
    """
    told = [one for one in ended if one.ended_ms <= now_ms]
    known = [one.ended_ms for one in told if one.completed]
    if newest_ms is not None and newest_ms <= now_ms:
        known.append(newest_ms)
    last_ms = max(known, default=None)
    found = _regular(rules, last_ms, regime, now_ms)
    if drift:
        drifted = [one.ended_ms for one in told if one.drift and one.completed]
        at_ms = max([now_ms, *(one + rules.drift_days * DAY_MS for one in drifted)])
        if at_ms <= now_ms or at_ms < found.at_ms:
            found = Due(at_ms, f"drift: {drift}", drift=True)
    after_ms = _not_before(told)
    return found if found.at_ms >= after_ms else Due(after_ms, found.why, found.drift)


def _regular(rules: Rules, last_ms: int | None, regime: str, now_ms: int) -> Due:
    if last_ms is None:
        return Due(now_ms, "nothing is known of an earlier training")
    days = min(rules.stormy_days, rules.every_days) if regime == STORMY else rules.every_days
    rate = "weekly" if days == 7 else "monthly" if days in (30, 31) else f"every {days} days"
    why = f"{rate}{', as the market is stormy' if regime == STORMY else ''}: the last model is of {iso(last_ms)}"
    return Due(last_ms + days * DAY_MS, why)


def _not_before(told: Sequence[Training]) -> int:
    """Return until when to wait after orders that came to nothing, one after the other."""
    row = 0
    for one in reversed(told):
        if one.completed:
            break
        row += 1
    if not row:
        return 0
    last = told[-1]
    return last.ended_ms + (UNABLE_MS if last.outcome == "unable" else _pause(row))


def retry_ms(order: Order, now_ms: int) -> int:
    """Return from when an order left unfinished may be gone on with; all of its attempts have an end."""
    last = order.attempts[-1] if order.attempts else None
    if (
        last is None or last.ended_ms is None or last.ended_ms > now_ms
    ):  # not begun, or by a clock that was wrong
        return now_ms
    return last.ended_ms + (0 if last.outcome in NO_FAULT else _pause(len(_faults(order.attempts))))


def too_old(order: Order, now_ms: int) -> str:
    """Say why an order is given up; empty while it is not."""
    if now_ms - order.to_ms > OLDEST_MS:
        return f"its data end at {iso(order.to_ms)}, too long ago"
    if len(_faults(order.attempts)) >= MOST_ATTEMPTS:
        return f"it failed {MOST_ATTEMPTS} times, the last time: {order.attempts[-1].why or 'its process was lost'}"
    return ""


def failing(ended: Sequence[Training], order: Order | None) -> tuple[int, str]:
    """Return how many attempts in a row came to no model by a fault, and what the last one said."""
    row, why = 0, ""
    faults = _faults(order.attempts) if order else []
    if faults:
        row, why = len(faults), faults[-1].why or "its process was lost"
    for one in reversed(ended):
        if one.completed or one.outcome == "unable":
            break
        row, why = row + one.attempts, why or one.text
    return row, why


def _faults(attempts: Sequence[Attempt]) -> list[Attempt]:
    return [one for one in attempts if one.outcome not in NO_FAULT]


def _pause(failures: int) -> int:
    return PAUSES_MS[min(max(failures, 1), len(PAUSES_MS)) - 1]
