"""Intervals are read off timestamps, and only what is truly missing is a gap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.clock import HOUR_MS
from hedged.download.gaps import gaps, intervals_h
from hedged.download.paging import Span


def settled(*hours: float) -> list[int]:
    return [round(hour * HOUR_MS) for hour in hours]


def missing(
    hours: list[float], now_h: float | None = None, until: float | None = None
) -> list[tuple[float, int]]:
    """(hour of the row before, rows missing) of the inner gaps, with intervals read off the timestamps."""
    ts_ms = settled(*hours)
    step_ms = [h * HOUR_MS for h in intervals_h(ts_ms, now_h)]
    found = gaps(ts_ms, step_ms, Span(ts_ms[0], round((until or hours[-1]) * HOUR_MS) + 1))
    return [((gap.span.from_ms - 1) / HOUR_MS, gap.missing) for gap in found]


@pytest.mark.parametrize(
    ("hours", "now_h", "told"),
    [
        ([0, 8, 16, 24], None, [8, 8, 8, 8]),
        ([0, 8, 16, 20, 24], None, [8, 8, 8, 4, 4]),  # 8 h → 4 h
        ([0, 8, 16, 20, 24, 25, 26], None, [8, 8, 8, 4, 4, 1, 1]),  # → 1 h
        ([0, 8, 12, 16], None, [4, 4, 4, 4]),  # a lone distance at the start may as well be a hole
        ([0, 4, 8, 16, 24], None, [4, 4, 4, 8, 8]),  # back to 8 h
        ([0, 8, 24, 32], None, [8, 8, 8, 8]),  # a hole
        ([0, 4, 12, 16], None, [4, 4, 4, 4]),  # a hole that looks like an interval
        ([0, 1, 2, 5, 6], None, [1, 1, 1, 1, 1]),
        ([0, 4, 8, 16], 8, [4, 4, 4, 8]),  # the venue says that it is 8 h now
        ([0, 4, 8, 16], None, [4, 4, 4, 4]),
        ([0, 8, 16, 20], None, [8, 8, 8, 4]),  # shorter than before is never a hole
        ([5], 4, [4]),
        ([], None, []),
    ],
)  # fmt: skip
def test_the_interval_is_told_by_the_neighbours(hours, now_h, told) -> None:
    """If this fails, a rate is taken for that of another interval: wrong by a factor of two to eight."""
    assert list(intervals_h(settled(*hours), now_h)) == told


def test_a_change_of_the_interval_is_no_gap_and_a_missing_print_is_one() -> None:
    """If this fails, the report cries wolf at every change, or hides what is missing."""
    assert missing([0, 8, 16, 20, 24, 25, 26]) == []
    assert missing([0, 4, 8, 16, 24]) == []
    assert missing([0, 8, 24, 32]) == [(8, 1)]
    assert missing([0, 1, 2, 6, 7]) == [(2, 3)]
    assert missing([0, 8, 16], until=40) == [(16, 3)]


def test_the_edges_of_a_stretch_are_told_apart() -> None:
    """If this fails, a market that was not listed yet looks like lost data."""
    found = gaps(settled(10, 11), [HOUR_MS] * 2, Span(settled(5)[0], settled(14)[0]))
    assert [(gap.missing, gap.edge) for gap in found] == [(5, True), (2, True)]
    nothing = gaps([], [], Span(0, 10))
    assert [(gap.missing, gap.edge) for gap in nothing] == [(0, True)]


@given(
    st.sampled_from([1, 2, 4, 8]),
    st.sets(st.integers(1, 38), max_size=6),
)
def test_every_lone_hole_of_a_regular_series_is_counted(step, lost) -> None:
    """If this fails, the count of missing prints is wrong."""
    alone = {n for n in lost if not {n - 2, n - 1, n + 1, n + 2} & lost}
    hours = [n * step for n in range(40) if n not in alone]
    assert sum(count for _, count in missing(hours)) == len(alone)
