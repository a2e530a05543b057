"""When models are trained: monthly, weekly in storms, at once on drift, after pauses where it failed."""

from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hedged.forecast.models.schedule import (
    MOST_ATTEMPTS,
    OLDEST_MS,
    PAUSES_MS,
    due,
    failing,
    retry_ms,
    too_old,
)
from hedged.forecast.models.trainings import Attempt, Order, Outcome, Training

NOW = 1_780_000_000_000


@dataclass(frozen=True)
class Rules:
    every_days: int = 30
    stormy_days: int = 7
    drift_days: int = 3


RULES = Rules()


def ended(ago_days: float, outcome: Outcome = "added", *, drift: bool = False) -> Training:
    at_ms = NOW - round(ago_days * DAY_MS)
    return Training(at_ms - HOUR_MS, at_ms, at_ms, "small", "monthly", outcome, "", drift=drift)


def order(*attempts: Attempt, to_ms: int = NOW - DAY_MS) -> Order:
    return Order(
        Path("data"), to_ms, "small", 0, 1, 4096, 19, NOW - DAY_MS, "daemon", "monthly", attempts=attempts
    )


def test_monthly_weekly_and_at_once() -> None:
    """If this fails, models grow old, storms are not learnt from, or drift waits for the end of the month."""
    ten = [ended(10)]
    assert due(RULES, ten, None, "normal", "", NOW).at_ms == NOW + 20 * DAY_MS
    stormy = due(RULES, ten, None, "stormy", "", NOW)
    assert (stormy.at_ms, stormy.why.startswith("weekly, as the market is stormy")) == (
        NOW - 3 * DAY_MS,
        True,
    )
    drifted = due(RULES, ten, None, "calm", "direction right in 52 %", NOW)
    assert (drifted.at_ms, drifted.why, drifted.drift) == (NOW, "drift: direction right in 52 %", True)
    assert due(RULES, [], None, "normal", "", NOW).at_ms == NOW
    assert due(RULES, [], NOW - DAY_MS, "normal", "", NOW).at_ms == NOW + 29 * DAY_MS, "as shipped"
    late = due(RULES, [ended(200)], NOW - 400 * DAY_MS, "normal", "", NOW)
    assert late.at_ms < NOW
    assert late.why.startswith("monthly")


def test_drift_does_not_train_without_end() -> None:
    """If this fails, drift that a new model does not mend is answered by training after training."""
    told = [ended(1, drift=True)]
    assert due(RULES, told, None, "normal", "still", NOW).at_ms == NOW + 2 * DAY_MS
    assert due(RULES, [ended(3, drift=True)], None, "normal", "still", NOW).at_ms == NOW
    assert due(RULES, [ended(1)], None, "normal", "new", NOW).at_ms == NOW, (
        "a monthly one does not hold it up"
    )


def test_what_failed_waits_longer_each_time() -> None:
    """If this fails, a training that cannot succeed is started again and again without a pause."""
    told, waits = [ended(40)], []
    for _ in range(7):
        told.append(replace(ended(0), outcome="given up"))
        waits.append(due(RULES, told, None, "normal", "", NOW).at_ms - NOW)
    assert waits == [*PAUSES_MS, PAUSES_MS[-1], PAUSES_MS[-1]]
    assert due(RULES, [ended(0, "unable")], None, "normal", "", NOW).at_ms == NOW + DAY_MS
    assert due(RULES, [ended(40), ended(2, "failed"), ended(1)], None, "normal", "", NOW).at_ms > NOW


def test_an_order_left_behind_is_gone_on_with_or_given_up() -> None:
    """If this fails, a restart loses a training, or works for ever on one whose data are of last month."""
    stopped = Attempt(NOW - 2 * HOUR_MS, NOW - HOUR_MS, "interrupted")
    lost = Attempt(NOW - 2 * HOUR_MS, NOW, "lost")
    assert retry_ms(order(), NOW) == NOW
    assert retry_ms(order(stopped), NOW) <= NOW, "an orderly stop is no fault"
    assert retry_ms(order(lost), NOW) == NOW + 15 * MINUTE_MS
    assert retry_ms(order(lost, lost), NOW) == NOW + HOUR_MS
    assert retry_ms(order(replace(lost, ended_ms=NOW + 9 * DAY_MS)), NOW) == NOW, "a clock that was wrong"
    assert not too_old(order(stopped, lost), NOW)
    assert "too long ago" in too_old(order(to_ms=NOW - OLDEST_MS - 1), NOW)
    assert "failed 6 times" in too_old(order(*[lost] * MOST_ATTEMPTS), NOW)
    assert failing([ended(9)], order(stopped, lost, replace(lost, why="no memory"))) == (2, "no memory")
    assert failing([ended(9, "failed"), ended(8, "rejected")], None) == (0, "")


OUTCOMES: tuple[Outcome, ...] = ("added", "rejected", "unable", "failed", "memory", "late", "given up")


@given(
    st.lists(st.tuples(st.floats(-40, 400), st.sampled_from(OUTCOMES), st.booleans()), max_size=6),
    st.none() | st.floats(-40, 400),
    st.sampled_from(["calm", "normal", "stormy"]),
    st.sampled_from(["", "drift"]),
)
def test_a_training_is_always_due_some_day(
    told: list[tuple[float, Outcome, bool]], newest_days: float | None, regime: str, drift: str
) -> None:
    """If this fails, some past (of a clock that was wrong, of failures) keeps a daemon from ever training again."""
    past = [
        ended(ago, outcome, drift=drifted) for ago, outcome, drifted in sorted(told, key=lambda one: -one[0])
    ]
    newest_ms = None if newest_days is None else NOW - round(newest_days * DAY_MS)
    found = due(RULES, past, newest_ms, regime, drift, NOW)
    assert found.at_ms <= NOW + RULES.every_days * DAY_MS
    assert found.why
    calm = due(RULES, past, newest_ms, "calm", "", NOW)
    assert found.at_ms <= max(calm.at_ms, NOW), "drift and storms never postpone"
