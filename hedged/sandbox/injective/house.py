"""The crowd's hand in a block: its quotes, and its trades against whoever stands in their way."""

from decimal import Decimal

from hedged.sandbox.injective.book import Fill, Order, OrderType
from hedged.sandbox.injective.crowd import CrowdFlow
from hedged.sandbox.injective.events import Execution
from hedged.sandbox.injective.exchange import Exchange
from hedged.sandbox.injective.executions import execute
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.wire import hash_of

ZERO = Decimal(0)


def requote(exchange: Exchange, market: Market, flow: CrowdFlow) -> None:
    """Replace the crowd's quotes; those that reach a user's resting order trade with it in this block's auction."""
    if flow.quotes is None:
        return
    book, maker = market.book, sorted(exchange.house)[0]
    book.remove_house()
    for is_buy, price, quantity in flow.quotes:
        book.new_limits.append(house_order(exchange, market, maker, is_buy, price, quantity))


def house_trade(
    exchange: Exchange, market: Market, price: Decimal, signed: Decimal
) -> list[tuple[Decimal, Decimal]]:
    """Let the crowd trade at a price: users' resting orders at that price or better are filled first."""
    taker_id, maker_id = sorted(exchange.house)[:2]
    is_buy, left = signed > 0, abs(signed)
    fills: list[Fill] = []
    taker = house_order(exchange, market, taker_id, is_buy, price, left)
    for maker in market.book.side(not is_buy):
        if maker.by_house or left == 0 or (maker.price > price if is_buy else maker.price < price):
            continue
        quantity = min(left, maker.fillable)
        maker.fillable -= quantity
        left -= quantity
        fills += [Fill(maker, quantity, maker.price, True), Fill(taker, quantity, maker.price, False)]
    if left:
        other = house_order(exchange, market, maker_id, not is_buy, price, left)
        fills += [Fill(other, left, price, True), Fill(taker, left, price, False)]
    for fill in fills:
        execute(exchange, market, fill, Execution.LIMIT_FILL if fill.is_maker else Execution.MARKET)
    market.book.drop_filled()
    return [(fill.price, fill.quantity) for fill in fills if not fill.is_maker]


def house_order(
    exchange: Exchange,
    market: Market,
    subaccount_id: str,
    is_buy: bool,
    price: Decimal,
    quantity: Decimal,
    is_liquidation: bool = False,
) -> Order:
    """Return an order of the crowd, fully margined on paper and never checked; or a liquidated trader's closing one."""
    exchange.trade_nonces[subaccount_id] += 1
    nonce = exchange.trade_nonces[subaccount_id]
    return Order(
        order_hash=hash_of("house", market.market_id, subaccount_id, nonce),
        market_id=market.market_id,
        subaccount_id=subaccount_id,
        cid="",
        order_type=OrderType.BUY if is_buy else OrderType.SELL,
        price=price,
        quantity=quantity,
        margin=ZERO if is_liquidation else price * quantity,
        fee_recipient="",
        is_market=False,
        fillable=quantity,
        number=1 << 60,  # at equal prices a user's order stands before the crowd's
        created_ms=exchange.events.time_ms,
        by_house=not is_liquidation,
        is_liquidation=is_liquidation,
    )
