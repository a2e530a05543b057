"""Whatever way a venue pages, no row is lost and none is asked for without end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.domain.clock import HOUR_MS
from hedged.download.gaps import gaps
from hedged.download.paging import Span, fill, joined, rest

HOURS = 60
SPAN = Span(5 * HOUR_MS, 50 * HOUR_MS)


@dataclass
class OddVenue:
    """Holds rows at some hours and pages them in an odd way; `oddities` are used up one a request."""

    hours: list[int]
    limit: int
    newest_first: bool
    oddities: list[str]
    kept: set[int] = field(default_factory=set)
    requests: int = 0

    async def ask(self, span: Span) -> Sequence[int]:
        self.requests += 1
        odd = self.oddities.pop() if self.oddities else "none"
        if odd == "moved end":  # a row is published while pages are turned
            self.hours.append(max(self.hours) + 1)
        rows = sorted({hour * HOUR_MS for hour in self.hours if span.holds(hour * HOUR_MS)})
        size = 1 if odd == "short" else self.limit
        page = rows[-size:][::-1] if self.newest_first else rows[:size]
        if odd == "empty":
            page = []
        elif odd == "twice":
            page = page + page[-2:]
        elif odd == "beyond":  # rows that were not asked for
            page = [span.from_ms - HOUR_MS, *page, span.to_ms + HOUR_MS]
        elif odd == "shuffled":
            page = page[::2] + page[1::2]
        self.kept.update(ts for ts in page if span.holds(ts))
        return page

    async def missing(self) -> Sequence[Span]:
        have = sorted(self.kept)
        return [gap.span for gap in gaps(have, [float(HOUR_MS)] * len(have), SPAN)]


@settings(max_examples=300)
@given(
    hours=st.sets(st.integers(0, HOURS), min_size=1),
    limit=st.integers(1, 20),
    newest_first=st.booleans(),
    told_wrongly=st.booleans(),
    oddities=st.lists(
        st.sampled_from(["short", "twice", "beyond", "shuffled", "moved end", "none"]), max_size=30
    ),
)
def test_every_row_comes_once_whatever_the_pages_look_like(
    hours, limit, newest_first, told_wrongly, oddities
) -> None:
    """If this fails, a history has a hole that the venue does not have, or a download never ends."""
    venue = OddVenue(sorted(hours), limit, newest_first, oddities)
    declared = newest_first != told_wrongly  # the order may even be another than we believe
    asyncio.run(fill(venue.ask, venue.missing, 3 * HOUR_MS, newest_first=declared))
    there = {hour * HOUR_MS for hour in hours if SPAN.holds(hour * HOUR_MS)}
    assert there <= venue.kept <= there | {hour * HOUR_MS for hour in venue.hours}
    assert venue.requests <= 8 * (HOURS + 5)


@given(
    hours=st.sets(st.integers(0, HOURS), min_size=1), limit=st.integers(1, 20), newest_first=st.booleans(),
    at=st.integers(0, 5),
)  # fmt: skip
def test_an_answer_that_was_empty_by_mistake_is_asked_for_again(hours, limit, newest_first, at) -> None:
    """If this fails, a venue's hiccup becomes a hole in the history."""
    oddities = ["none"] * at
    venue = OddVenue(sorted(hours), limit, newest_first, ["none"] * 10 + ["empty", *oddities])
    asyncio.run(fill(venue.ask, venue.missing, 3 * HOUR_MS, newest_first=newest_first))
    assert venue.kept == {hour * HOUR_MS for hour in hours if SPAN.holds(hour * HOUR_MS)}


def test_nothing_is_asked_where_nothing_is_missing() -> None:
    """If this fails, every run downloads again what is there."""
    venue = OddVenue(list(range(HOURS)), 10, False, [], {hour * HOUR_MS for hour in range(HOURS)})
    asyncio.run(fill(venue.ask, venue.missing, HOUR_MS, newest_first=False))
    assert venue.requests == 0


def test_only_what_is_missing_is_asked_for() -> None:
    """If this fails, a killed download begins anew."""
    have = {hour * HOUR_MS for hour in range(HOURS) if hour not in range(20, 24)}
    venue = OddVenue(list(range(HOURS)), 10, False, [], have)
    asyncio.run(fill(venue.ask, venue.missing, HOUR_MS, newest_first=False))
    assert venue.requests == 1
    assert len(venue.kept) == HOURS


def test_a_page_settles_the_stretch_between_its_end_and_its_innermost_row() -> None:
    """If this fails, rows beyond a page are taken for told, or told ones are asked for again."""
    page = [10 * HOUR_MS, 8 * HOUR_MS]
    assert rest(SPAN, page, newest_first=True) == Span(SPAN.from_ms, 8 * HOUR_MS)
    assert rest(SPAN, page, newest_first=False) == Span(10 * HOUR_MS + 1, SPAN.to_ms)
    assert rest(SPAN, [], newest_first=True) is None
    assert rest(SPAN, [SPAN.to_ms, SPAN.from_ms - 1], newest_first=False) is None


def test_holes_that_one_request_answers_are_asked_for_together() -> None:
    """If this fails, a series with many small holes costs a request for each."""
    assert joined([Span(0, 5), Span(7, 9), Span(20, 21)], 3) == [Span(0, 9), Span(20, 21)]
