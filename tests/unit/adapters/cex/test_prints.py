"""Funding prints: which instant a stamp means, which hours a print covered, and since when it is known."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.adapters.cex.pages import WINDOW_MS, back, by_cursor, forward
from hedged.adapters.cex.prints import Print, Prints, due_ms, intervals_h
from hedged.backtest.virtual_time import run_virtually
from hedged.domain.clock import DAY_MS, HOUR_MS

NOW = 1_760_000_400_000


@given(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=40))
def test_each_print_covers_the_time_since_the_one_before(hours: list[int]) -> None:
    """If this fails, a rate is divided by another interval than the one that it was charged for."""
    times, at = [], NOW
    for one in hours:
        at += one * HOUR_MS
        times.append(at)
    assert intervals_h(times, None, NOW) == hours
    assert intervals_h(times, 8.0)[1:] == hours[1:]


def test_a_gap_in_the_history_is_no_interval() -> None:
    """If this fails, an outage of days makes one rate look tiny."""
    times = [NOW, NOW + 8 * HOUR_MS, NOW + 3 * DAY_MS, NOW + 3 * DAY_MS + 4 * HOUR_MS]
    assert intervals_h(times, 8.0) == [8, 8, 4, 4]
    assert intervals_h([NOW], 4.0) == [4]
    assert intervals_h([NOW], None) == [8]
    assert intervals_h([], 8.0) == []


@pytest.mark.parametrize(
    ("late_ms", "hour"), [(0, True), (3, True), (15_588, True), (-90_000, True), (600_000, False)]
)
def test_a_stamp_near_the_hour_means_the_hour(late_ms: int, hour: bool) -> None:
    """If this fails, a payment and its settlement, stamped some milliseconds apart, do not meet."""
    assert due_ms(NOW + late_ms) == (NOW if hour else NOW + late_ms)


def test_what_is_recorded_first_stays_and_a_price_may_come_later() -> None:
    """If this fails, reading history again changes since when a rate was known."""
    prints = Prints()
    prints.record([Print(NOW, Decimal("0.1"), Decimal(8), None, NOW + 30)])
    prints.record([Print(NOW, Decimal("0.1"), Decimal(8), Decimal(5), NOW)])
    (one,) = prints.between(NOW - 1, NOW)
    assert (one.known_ms, one.price) == (NOW + 30, 5)
    assert prints.last(NOW + 29) is None
    assert prints.last(NOW + 30) == prints.at(NOW) == one
    prints.drop_before(NOW + 1)
    assert not len(prints)


ROWS = st.lists(st.integers(0, 20 * DAY_MS), max_size=60)


@given(ROWS, st.integers(2, 7))
def test_every_walk_finds_every_row(offsets: list[int], limit: int) -> None:
    """If this fails, a fill or a payment between two pages never happened."""
    since_ms, now_ms = NOW, NOW + 20 * DAY_MS
    times = sorted(NOW + at for at in set(offsets))
    rows = [{"id": str(n), "ts": ts} for n, ts in enumerate(times)]

    async def window(from_ms: int, until_ms: int) -> list[dict[str, object]]:
        assert until_ms - from_ms <= WINDOW_MS
        return [row for row in rows if from_ms <= int(str(row["ts"])) <= until_ms][:limit]

    async def cursor(from_ms: int, until_ms: int, at: str | None):
        found = [row for row in reversed(rows) if from_ms <= int(str(row["ts"])) <= until_ms]
        start = int(at or 0)
        return found[start : start + limit], str(start + limit) if start + limit < len(found) else None

    async def older(before: str | None) -> list[dict[str, object]]:
        return [row for row in reversed(rows) if before is None or int(str(row["id"])) < int(before)][:limit]

    def time_of(row) -> int:
        return int(row["ts"])

    async def main() -> None:
        walks = [
            await forward(window, time_of, since_ms, now_ms, limit),
            await by_cursor(cursor, since_ms, now_ms),
            await back(older, lambda row: str(row["id"]), time_of, since_ms, limit),
        ]
        for found in walks:
            assert {row["id"] for row in found} == {row["id"] for row in rows}

    run_virtually(main)
