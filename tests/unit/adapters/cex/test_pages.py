"""History of an exchange that cuts its answers where it likes: all of it is read, or it is said that it cannot be."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.adapters.cex.pages import LEAST_CUT, LIMITS, Unreachable, either

NOW_MS = 3_000_000
Row = Mapping[str, Any]


class OddExchange:
    """`cut` rows an answer at most, the newest or the oldest; whole seconds; it may not care for the end."""

    def __init__(self, times_ms: list[int], cut: int, *, newest: bool, ends: bool = True) -> None:
        self.rows = [{"id": n, "at": at} for n, at in enumerate(sorted(times_ms))]
        self.cut, self.newest, self.ends, self.asked = cut, newest, ends, 0

    async def ask(self, from_ms: int, until_ms: int, limit: int) -> list[Row]:
        self.asked += 1
        cut = min(self.cut, limit)
        first, last = from_ms // 1_000 * 1_000, until_ms // 1_000 * 1_000
        found = [row for row in self.rows if first <= row["at"] and (not self.ends or row["at"] <= last)]
        return found[-cut:][::-1] if self.newest else found[:cut]

    def read(self, since_ms: int) -> list[Row]:
        return asyncio.run(
            either(
                self.ask,
                lambda row: row["at"],
                lambda row: row["id"],
                since_ms,
                NOW_MS,
                LIMITS,
                NOW_MS // 2,
            )
        )


@given(
    times_ms=st.lists(st.integers(0, NOW_MS), max_size=150, unique_by=lambda at: at // 1_000),
    cut=st.integers(LEAST_CUT, 100),
    newest=st.booleans(),
    since_ms=st.integers(0, NOW_MS),
)
def test_nothing_is_left_out_whichever_end_is_cut(
    times_ms: list[int], cut: int, newest: bool, since_ms: int
) -> None:
    """If this fails, fills, payments or settlements are missing, and nobody notices."""
    odd = OddExchange(times_ms, cut, newest=newest)
    read = odd.read(since_ms)
    assert {row["id"] for row in read} >= {row["id"] for row in odd.rows if row["at"] >= since_ms}
    assert [row["at"] for row in read] == sorted(row["at"] for row in read)
    assert len({row["id"] for row in read}) == len(read)


def test_a_short_answer_is_all_there_is() -> None:
    """If this fails, every question costs three requests."""
    odd = OddExchange([1_000, 2_000_000], 100, newest=True)
    assert len(odd.read(0)) == 2
    assert odd.asked == 2  # one for each window


@pytest.mark.parametrize("times_ms", [list(range(0, NOW_MS, 10_000)), [2_500_000] * 150])
def test_more_is_asked_for_where_the_end_is_not_cared_for(times_ms: list[int]) -> None:
    """If this fails, funding is not known any more after a few days of standing still."""
    assert len(OddExchange(times_ms, 1_000, newest=True, ends=False).read(0)) == len(times_ms)


@pytest.mark.parametrize("times_ms", [list(range(0, NOW_MS, 2_000)), [2_500_000] * 1_500])
def test_what_cannot_be_reached_is_no_answer(times_ms: list[int]) -> None:
    """If this fails, an exchange that ignores the end of a question, or cuts within a second, hides rows."""
    odd = OddExchange(times_ms, 1_000, newest=True, ends=False)
    with pytest.raises(Unreachable, match="cannot be asked for"):
        odd.read(0)


def test_an_exchange_that_grants_no_more_than_the_least_hides_nothing() -> None:
    """If this fails, a hundred rows count as all because a thousand were asked for."""
    with pytest.raises(Unreachable, match="100 rows"):
        OddExchange(list(range(0, NOW_MS, 10_000)), 100, newest=True, ends=False).read(0)
