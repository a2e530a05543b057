"""Matching: price before time, one price for all in a block, and nothing traded that was not offered."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hedged.sandbox.injective.book import Book, Fill, Order, OrderType

orders = st.lists(
    st.tuples(st.booleans(), st.integers(90, 110), st.integers(1, 20), st.booleans()), min_size=1, max_size=25
)


def order(is_buy: bool, price: int, quantity: int, number: int, is_market: bool = False) -> Order:
    size = Decimal(quantity)
    return Order(
        order_hash=f"0x{number:064x}",
        market_id="0x0",
        subaccount_id=f"0x{number:064x}",
        cid=str(number),
        order_type=OrderType.BUY if is_buy else OrderType.SELL,
        price=Decimal(price),
        quantity=size,
        margin=size * price,
        fee_recipient="",
        is_market=is_market,
        fillable=size,
        number=number,
    )


def balanced(fills: list[Fill]) -> bool:
    bought = sum(f.quantity for f in fills if f.order.is_buy)
    return bought == sum(f.quantity for f in fills if not f.order.is_buy)


@given(orders)
def test_the_auction_is_fair_and_leaves_an_uncrossed_book(rows: list[tuple[bool, int, int, bool]]) -> None:
    """If this fails, somebody trades at a worse price than his own, or crossing orders are left standing."""
    book = Book()
    placed = [order(is_buy, price, quantity, n) for n, (is_buy, price, quantity, _) in enumerate(rows)]
    book.new_limits = list(placed)
    fills = book.match_limits()
    book.drop_filled()
    assert balanced(fills)
    assert len({fill.price for fill in fills}) <= 1, "one clearing price"
    for fill in fills:
        better = fill.price <= fill.order.price if fill.order.is_buy else fill.price >= fill.order.price
        assert better
        assert 0 < fill.quantity <= fill.order.quantity
    bid, ask = book.best(True), book.best(False)
    assert bid is None or ask is None or bid < ask
    left = sum(o.fillable for o in book.resting())
    assert left == sum(o.quantity for o in placed) - sum(f.quantity for f in fills)


@given(orders, st.integers(1, 40), st.integers(90, 110), st.booleans())
def test_a_market_order_stays_within_its_worst_price_and_takes_the_best_first(
    rows: list[tuple[bool, int, int, bool]], size: int, worst: int, is_buy: bool
) -> None:
    """If this fails, a hedge could be filled beyond its worst price, or at other than the book's best."""
    book = Book()
    book.rest(order(not is_buy, price, quantity, n) for n, (_, price, quantity, _) in enumerate(rows))
    taker = order(is_buy, worst, size, 999, is_market=True)
    book.new_markets = [taker]
    sign = 1 if is_buy else -1
    reachable = sorted((sign * p, q) for _, p, q, _ in rows if sign * p <= sign * worst)
    expected, cost = Decimal(0), Decimal(0)
    for signed_price, quantity in reachable:
        taken = min(Decimal(quantity), size - expected)
        expected += taken
        cost += taken * abs(signed_price)
    fills = book.match_markets(is_buy)
    assert balanced(fills)
    assert taker.quantity - taker.fillable == expected
    if expected:
        assert abs(fills[0].price * expected - cost) < Decimal("1e-20")
    else:
        assert fills == []


def test_of_equal_prices_the_earlier_is_filled_first() -> None:
    """If this fails, a resting order could be overtaken at its own price."""
    book = Book()
    book.rest([order(False, 100, 5, 2), order(False, 100, 5, 1)])
    taker = order(True, 100, 5, 3, is_market=True)
    book.new_markets = [taker]
    makers = [fill.order.number for fill in book.match_markets(True) if fill.is_maker]
    assert makers == [1]
