"""The cap's arithmetic: what counts against it, once and only once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.risk.exposure import cap_usage, reduces

HERE, A, B = (SeriesKey(v, "BTC") for v in (INJECTIVE, "binance", "bybit"))
coins = st.decimals(-20, 20, places=3)
books = st.dictionaries(
    st.sampled_from([HERE, A, B, SeriesKey(INJECTIVE, "ETH"), SeriesKey("binance", "ETH")]), coins
)


@pytest.mark.parametrize(
    ("attributed", "used"),
    [
        ({}, 0),
        ({HERE: -4}, 4),  # a cut
        ({A: -3, B: -1}, 4),  # opposite perps elsewhere
        ({HERE: -4, A: 4}, 4),  # a relocation counts once
        ({HERE: -4, A: 1, B: 3}, 4),  # also when it is spread over venues
        ({HERE: -3, A: 4}, 4),  # partly covered: the uncovered coin counts by itself
        ({HERE: -5, A: 2}, 5),  # two relocated, three only cut
        ({HERE: -2, A: -2}, 4),  # cut and opposite add up
        ({HERE: -4, A: 4, B: -1}, 5),
        ({A: 4}, 4),  # a same-side leg with no cut at all
        ({HERE: 2}, 2),  # the own position made larger
        ({HERE: 2, A: 3}, 5),  # ... covers nothing
        ({SeriesKey("binance", "ETH"): 9}, 0),  # another coin
    ],
)
def test_usage(attributed: dict[SeriesKey, int], used: int) -> None:
    """If this fails, some hedge is counted twice or not at all and the cap of 40 % is not the cap."""
    book = {key: Decimal(quantity) for key, quantity in attributed.items()}
    assert cap_usage("BTC", Decimal(10), book) == used


@given(own=coins.filter(lambda q: q != 0), book=books)
def test_a_mirrored_book_uses_as_much(own: Decimal, book: dict[SeriesKey, Decimal]) -> None:
    """If this fails, shorts are protected by other limits than longs."""
    mirrored = {key: -quantity for key, quantity in book.items()}
    assert cap_usage("BTC", own, book) == cap_usage("BTC", -own, mirrored)


@given(own=coins, book=books, key=st.sampled_from([HERE, A, B]), share=st.decimals(0, 1, places=3))
def test_taking_a_part_towards_zero_never_uses_more(
    own: Decimal, book: dict[SeriesKey, Decimal], key: SeriesKey, share: Decimal
) -> None:
    """If this fails, an order that the gate lets through as a reduction could push the hedge over its cap."""
    less = book | {key: book.get(key, Decimal(0)) * share}
    assert cap_usage("BTC", own, less) <= cap_usage("BTC", own, book)


@given(own=coins, book=books)
def test_usage_covers_every_leg(own: Decimal, book: dict[SeriesKey, Decimal]) -> None:
    """If this fails, a single leg can be larger than what the cap believes is used."""
    mine = [abs(quantity) for key, quantity in book.items() if key.symbol == "BTC"]
    assert max(mine, default=Decimal(0)) <= cap_usage("BTC", own, book) <= sum(mine)


@pytest.mark.parametrize(
    ("held", "change", "answer"),
    [
        (4, -1, True),
        (4, -4, True),
        (-4, 4, True),
        (4, -5, False),
        (4, 1, False),
        (0, -1, False),
        (4, 0, False),
    ],
)
def test_reduces(held: int, change: int, answer: bool) -> None:
    """If this fails, an order that crosses zero or opens a leg is exempt from the limits on size."""
    assert reduces(Decimal(held), Decimal(change)) is answer
