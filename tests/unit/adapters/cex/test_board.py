"""The board: what is known of a market at an instant, whoever told it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.adapters.cex.board import KEPT, USUAL_LIFE_MS, Board
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS, SECOND_MS

NOW = 1_760_000_400_000


def test_the_newest_value_wins_whoever_comes_last() -> None:
    """If this fails, a slow poll overwrites what the stream told after it."""
    board = Board("binance")
    board.put("BTC", NOW, {Field.MARK: 101.0})
    board.put("BTC", NOW - 500, {Field.MARK: 99.0, Field.INDEX: 98.0})
    seen = board.observation("BTC", NOW)
    assert (seen.key, seen.ts_ms) == (("binance", "BTC"), NOW)
    assert (seen.values[Field.MARK], seen.values[Field.INDEX]) == (101.0, 98.0)
    assert (seen.known_at_ms[Field.MARK], seen.known_at_ms[Field.INDEX]) == (NOW, NOW - 500)


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.floats(0.1, 9.0)), max_size=KEPT), st.integers(0, 12_000)
)
def test_an_instant_is_told_by_what_was_known_then(told: list[tuple[int, float]], at: int) -> None:
    """If this fails, a bar holds a value from after its end, or forgets one from before it."""
    board = Board("okx")
    told.sort(key=lambda one: one[0])
    for known, value in told:
        board.put("ETH", NOW + known, {Field.MARK: value})
    seen = board.observation("ETH", NOW + at)
    before = [one for one in told if one[0] <= at]
    if before:
        assert (seen.known_at_ms[Field.MARK] - NOW, seen.values[Field.MARK]) == before[-1]
    else:
        assert np.isnan(seen.values[Field.MARK])
        assert seen.known_at_ms[Field.MARK] == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_dropped(value: float) -> None:
    """If this fails, one bad answer makes a known value unknown, or infinite."""
    board = Board("bybit")
    board.put("BTC", NOW, {Field.MARK: 5.0})
    board.put("BTC", NOW + 1, {Field.MARK: value})
    assert board.observation("BTC", NOW + 1).values[Field.MARK] == 5.0


def test_an_old_value_is_unknown_and_has_an_age() -> None:
    """If this fails, a dead feed looks like a quiet market."""
    board = Board("bybit")
    board.put("BTC", NOW, {Field.MARK: 5.0})
    late = NOW + USUAL_LIFE_MS + 1
    assert board.observation("BTC", late - 1).values[Field.MARK] == 5.0
    seen = board.observation("BTC", late)
    assert np.isnan(seen.values).all()
    assert not seen.known_at_ms.any()
    assert board.ages_s(late) == {("BTC", Field.MARK): (USUAL_LIFE_MS + 1) / SECOND_MS}


@given(st.integers(0, 23 * 3_600), st.sampled_from([1.0, 4.0, 8.0]))
def test_the_next_settlement_is_always_ahead(after_s: int, interval_h: float) -> None:
    """If this fails, a settlement that has just been paid is forecast again, or the one after it is missed."""
    board = Board("binance")
    due = NOW + HOUR_MS
    board.put_settlement("BTC", NOW, due, interval_h)
    seen = board.observation("BTC", NOW + after_s * SECOND_MS)
    left = seen.values[Field.SETTLES_IN_S]
    assert seen.values[Field.INTERVAL_H] == interval_h
    assert 0 < left <= max(3_600, interval_h * 3_600)
    assert (NOW + after_s * SECOND_MS + left * SECOND_MS - due) % (interval_h * HOUR_MS) == 0


def test_seconds_to_a_settlement_are_not_written_down() -> None:
    """If this fails, a countdown stands still between two polls."""
    with pytest.raises(ValueError, match="put_settlement"):
        Board("okx").put("BTC", NOW, {Field.SETTLES_IN_S: 60.0})
