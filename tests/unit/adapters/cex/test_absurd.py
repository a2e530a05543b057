"""Answers of an exchange that are numbers and make no sense."""

import pytest

from hedged.adapters.cex.board import LONGEST_MS, Board
from hedged.adapters.cex.exchanges import endless
from hedged.collectors.lags import Lags
from hedged.collectors.updates import Update
from hedged.domain.bars import Field
from hedged.domain.clock import HOUR_MS

NOW_MS = 1_760_000_000_000


@pytest.mark.parametrize("number", ["1e999999999", "1.5E+99999", "12.e-1000000", "9" * 40 + "e9999"])
def test_a_number_without_end_is_found(number: str) -> None:
    """If this fails, ccxt writes out a billion digits, and the event loop stands for hours."""
    assert endless(f'{{"price": "{number}"}}')
    assert endless(f'{{"price": {number}}}')


@pytest.mark.parametrize(
    "text",
    ["1e-8", "2.5E10", "025bfc3252f4331541620a16c31fb309", "12345678901234567890123456e12345", "a1e99999"],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    """If this fails, an order whose id happens to read like a number cannot be looked up."""
    assert not endless(f'{{"orderLinkId": "{text}"}}')


@pytest.mark.parametrize("value", [1e18, -1e300, float("inf"), float("nan")])
def test_the_board_takes_no_absurd_value(value: float) -> None:
    """If this fails, one answer makes a feature that no forecast survives."""
    board = Board("binance")
    board.put("ETH", NOW_MS, {Field.MARK: 2_000.0})
    board.put("ETH", NOW_MS + 1, {Field.MARK: value})
    assert board.latest("ETH", Field.MARK, NOW_MS + 1) == (NOW_MS, 2_000.0)


@pytest.mark.parametrize(
    ("next_ms", "hours"),
    [
        (10**400, 8.0), (0, 8.0), (NOW_MS + LONGEST_MS + 1, 8.0), (NOW_MS + HOUR_MS, 1e300), (NOW_MS, 0.0),
    ],
)  # fmt: skip
def test_the_board_takes_no_settlement_that_cannot_be(next_ms: int, hours: float) -> None:
    """If this fails, a settlement of another age ends the poll in an overflow, or is waited for."""
    board = Board("binance")
    board.put_settlement("ETH", NOW_MS, next_ms, hours)
    assert board.schedule("ETH", NOW_MS) is None


def test_a_stamp_of_another_age_tells_no_lag() -> None:
    """If this fails, one stamp ends the page and the metrics in an overflow."""
    lags = Lags()
    for stamp in (10**400, -(10**400), NOW_MS - 500):
        lags.saw(Update("ETH", stamp, {Field.MARK: 1.0}), NOW_MS)
    assert lags.lags_s() == {"price": 0.5}
