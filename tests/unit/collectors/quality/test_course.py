"""The course of a rate: what follows the others is let pass, a multiple or a mirror image of them is found."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import START_MS, observation

from hedged.collectors.quality.course import (
    EXACT,
    FAULTS,
    NEW_H,
    NOTHING,
    USUAL_RATE,
    Course,
    Told,
    level,
    rate_at,
)
from hedged.collectors.quality.judge import Judge
from hedged.config import QualityConfig
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.domain.quarantine import Fault

LIMIT = QualityConfig().rate_evidence
EIGHT_H = 8.0 * HOUR_MS
KNOWN_H = 2 * NEW_H
TRUE = [1.1e-5, 1.9e-5, -0.8e-5, 3.1e-5, 2.2e-5, 0.6e-5, 4.3e-5]
"""Rates per hour as a lively week has them, none at rest."""


def true(hour: int) -> float:
    return TRUE[hour // 8 % len(TRUE)]


def course_of(
    told: Callable[[int], float], hours: int, others: int = 2, course: Course | None = None, since: int = 0
) -> Course:
    """A course after so many hours in which the other venues told the truth, each a little differently."""
    course = course or Course()
    for hour in range(since, since + hours):
        now_ms, rate = START_MS + hour * HOUR_MS, told(hour)
        said = [level(true(hour) * (1 + 0.1 * n)) for n in range(1, others + 1)]
        if course.hours >= NEW_H:
            said.append(course.past)
        course.weigh(now_ms, Told(rate, USUAL_RATE, EIGHT_H), said, LIMIT)
        if course.found is None:
            course.learn(now_ms, rate, LIMIT)
    return course


def named(course: Course) -> float | None:
    return None if course.found is None else FAULTS[course.found]


@pytest.mark.parametrize("others", [1, 2, 3])
@pytest.mark.parametrize("factor", FAULTS)
def test_a_factor_that_comes_is_found_and_named_and_is_over_when_it_goes(factor: float, others: int) -> None:
    """If this fails, a rate in the wrong unit or of the wrong sign decides, or its venue stays shut for good."""
    course = course_of(true, KNOWN_H, others)
    assert course.found is None
    course_of(lambda hour: true(hour) * factor, 96, others, course, KNOWN_H)
    assert named(course) == factor
    course_of(true, 48, others, course, KNOWN_H + 96)
    assert course.found is None


@pytest.mark.parametrize("factor", FAULTS)
def test_an_adapter_that_was_wrong_from_the_start_is_found(factor: float) -> None:
    """If this fails, a series' own past excuses it although it was never right."""
    course = course_of(lambda hour: true(hour) * factor, 168)
    assert named(course) == factor


@pytest.mark.parametrize("factor", [1 / 3, 3.0])
def test_a_market_that_merely_pays_more_or_less_than_the_others_is_let_pass(factor: float) -> None:
    """If this fails, the venues where hedging pays are shut out because they differ."""
    course = course_of(true, KNOWN_H)
    for since in range(KNOWN_H, 2 * KNOWN_H, 24):
        assert course_of(lambda hour: true(hour) * factor, 24, 2, course, since).found is None


def test_one_other_venue_and_no_past_prove_nothing() -> None:
    """If this fails, of two that contradict each other the right one is shut out as likely as the wrong one."""
    assert course_of(lambda hour: true(hour) * 8, NEW_H - 1, others=1).found is None


@pytest.mark.parametrize("factor", FAULTS)
def test_a_multiple_of_the_interest_is_found_by_nothing_else_than_itself(factor: float) -> None:
    """If this fails, what a venue shows at most hours of the year, its interest in a wrong unit, goes unnoticed."""
    course = Course()
    course_of(lambda _: USUAL_RATE * factor, 9, others=0, course=course)
    assert named(course) == factor
    course_of(lambda _: USUAL_RATE * (1 + EXACT / 2), 1, others=0, course=course, since=9)
    assert course.found is None, "nobody stands at the interest by a mistake"


def test_one_interval_at_a_multiple_of_the_interest_is_chance() -> None:
    """If this fails, a single print that happens to be 0.0008 shuts a venue."""
    course = course_of(lambda _: USUAL_RATE * 8, 7, others=0)
    assert max(course.evidence) > 0
    assert course.found is None


@given(
    rates=st.lists(
        st.one_of(
            st.floats(-0.04, 0.04), st.sampled_from([0.0, 5e-324, -5e-324, 1e-12, USUAL_RATE, 8 * USUAL_RATE])
        ),
        min_size=1,
        max_size=40,
    ),
    others=st.lists(st.floats(-0.04, 0.04), max_size=4),
)
def test_any_rate_is_weighed_and_evidence_is_bounded(rates: list[float], others: list[float]) -> None:
    """If this fails, a strange value ends the cycle, or one fault's evidence takes for ever to go away."""
    course = Course()
    for hour, rate in enumerate(rates, start=1):
        told = Told(rate, USUAL_RATE, EIGHT_H)
        course.weigh(START_MS + hour * HOUR_MS, told, [level(one) for one in others], LIMIT)
        course.learn(START_MS + hour * HOUR_MS, rate, LIMIT)
        assert all(0 <= one <= LIMIT for one in course.evidence)
    assert not course.hours or abs(rate_at(course.past)) <= 0.041


@given(st.floats(-NOTHING / 2, NOTHING / 2), st.floats(-NOTHING / 10, NOTHING / 10))
def test_next_to_nothing_is_no_fault_by_any_small_factor(rate: float, other: float) -> None:
    """If this fails, a market that costs nothing is shut for a factor that would not matter."""
    course = Course()
    for hour in range(1, 60):
        witnesses = [level(other)] * 3
        course.weigh(START_MS + hour * HOUR_MS, Told(rate, USUAL_RATE, EIGHT_H), witnesses, LIMIT)
    assert course.found is None or abs(rate / FAULTS[course.found]) >= NOTHING


def series(key: SeriesKey, hour: int, rate: float, premium: float | None = None, ago_h: float = 0) -> list:
    now_ms = START_MS + hour * HOUR_MS
    values = {Field.MARK: 100.0, Field.FUNDING_ESTIMATE: rate, Field.INTERVAL_H: 1.0}
    seen = observation(key, now_ms, values | ({} if premium is None else {Field.PREMIUM: premium}))
    seen.known_at_ms[Field.FUNDING_ESTIMATE] -= round(ago_h * HOUR_MS)
    return [seen]


@pytest.mark.parametrize(("venue", "premium_of"), [("injective", 24.0), ("binance", 8.0)])
def test_its_own_premium_is_a_witness_by_the_venues_own_formula(venue: str, premium_of: float) -> None:
    """If this fails, one venue's premium is read by another's formula."""
    key, judge = SeriesKey(venue, "BTC"), Judge(QualityConfig())
    interest, band = (0.00000416666, 0.0) if venue == "injective" else (0.0, 0.0005)
    for hour in range(60):
        rate = 4e-5 * (1 + 0.05 * (hour % 3))
        premium = (rate - interest) * premium_of + band
        told = series(key, hour, -rate, premium) + series(SeriesKey("bybit", "BTC"), hour, 1.2 * rate)
        judge.look(START_MS + hour * HOUR_MS, told)
    held = judge.quarantined
    assert {k: one.fault for k, one in held.items()} == {key: Fault.RATE_SIGN}
    assert "its premium +0.00" in held[key].figures
    assert "bybit +0.00" in held[key].figures


@pytest.mark.parametrize(("venue", "found"), [("injective", {Fault.RATE_UNIT}), ("binance", set())])
def test_alone_the_premium_that_is_charged_by_is_enough_and_one_of_the_moment_is_not(
    venue: str, found: set[Fault]
) -> None:
    """If this fails, a coin that Injective alone trades is unwatched, or a moment's premium shuts an exchange."""
    judge = Judge(QualityConfig())
    for hour in range(72):
        rate = 2e-5 * (1 + 0.05 * (hour % 3))
        premium = 24 * rate if venue == "injective" else 8 * rate + 0.0005
        judge.look(START_MS + hour * HOUR_MS, series(SeriesKey(venue, "BTC"), hour, 8 * rate, premium))
    assert {one.fault for one in judge.quarantined.values()} == found


def test_rates_that_nobody_renews_are_no_witnesses() -> None:
    """If this fails, venues that fell silent in another market shut out the one that still tells."""
    judge = Judge(QualityConfig())
    key, dead = SeriesKey("binance", "BTC"), [SeriesKey(v, "BTC") for v in ("bybit", "okx", "injective")]
    for hour in range(200):
        told = series(key, hour, -2.1e-5)
        for other in dead:
            told += series(other, hour, 2e-5, ago_h=hour)
        judge.look(START_MS + hour * HOUR_MS, told)
        assert not judge.quarantined
