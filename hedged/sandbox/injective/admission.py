"""What the chain checks of an order before it takes it, in its order (EnsureValidDerivativeOrder, release v1.18.x)."""

from decimal import Decimal
from typing import TYPE_CHECKING

from hedged.sandbox.injective import codes
from hedged.sandbox.injective.book import Order
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.positions import Position, mark_price_threshold

if TYPE_CHECKING:
    from hedged.sandbox.injective.exchange import Exchange

ZERO = Decimal(0)
MAX_CID = 36
MAX_ORDERS_PER_SIDE = 20


def check_order(exchange: "Exchange", market: Market, order: Order) -> None:
    """Refuse an order that the chain would, and reserve its money. Raises ChainError with the exchange's code."""
    _check_identity(exchange, market, order)
    _check_book(exchange, market, order)
    _check_ticks(exchange, market, order)
    _check_side_count(market, order)
    position = exchange.position(market, order.subaccount_id)
    fee_rate = market.rules.maker_fee if order.order_type.is_post_only else market.rules.taker_fee
    if position is not None and position.is_long != order.is_buy:
        _check_bankruptcy(exchange, market, order, position, fee_rate)
    if order.is_reduce_only:
        _check_reduce_only(order, position)
    else:
        _check_margin(exchange, market, order, fee_rate)


def _check_identity(exchange: "Exchange", market: Market, order: Order) -> None:
    if len(order.cid) > MAX_CID:
        raise codes.exchange(codes.INVALID_CID, f"client order id is invalid. Max length is {MAX_CID} chars")
    mine = (o for o in market.book.every() if o.subaccount_id == order.subaccount_id)
    if order.cid and any(o.cid == order.cid for o in mine):
        raise codes.exchange(codes.CID_EXISTS, "client order id already exists")
    if order.expiration_block and (order.is_market or order.expiration_block <= exchange.events.height):
        raise codes.exchange(codes.INVALID_EXPIRATION_BLOCK, "invalid expiration block")


def _check_book(exchange: "Exchange", market: Market, order: Order) -> None:
    crosses = market.book.crosses(order.is_buy, order.price)
    post_only_mode = exchange.events.height < exchange.post_only_until
    if order.is_market and post_only_mode:
        raise codes.exchange(
            codes.POST_ONLY_MODE,
            f"cannot create market orders in post only mode until height {exchange.post_only_until}: "
            "exchange is in post-only mode",
        )
    if (order.order_type.is_post_only or post_only_mode) and crosses:
        raise codes.exchange(codes.POST_ONLY_CROSSES, "post-only order exceeds top of book price")
    if order.is_market and not crosses:
        raise codes.exchange(codes.SLIPPAGE_EXCEEDS_WORST_PRICE, "slippage exceeds worst price")
    if order.is_market and any(o.subaccount_id == order.subaccount_id for o in market.book.new_markets):
        raise codes.exchange(codes.MARKET_ORDER_EXISTS, "market order already exists in this block")


def _check_ticks(exchange: "Exchange", market: Market, order: Order) -> None:
    rules = market.rules
    if order.price <= 0 or order.price % rules.price_tick:
        text = f"price {order.price:f} must be a multiple of the minimum price tick size {rules.price_tick:f}"
        raise codes.exchange(codes.INVALID_PRICE, f"{text}: invalid price")
    if order.quantity <= 0 or order.quantity % rules.quantity_tick:
        text = f"quantity {order.quantity:f} must be a multiple of the minimum quantity tick size"
        raise codes.exchange(codes.INVALID_QUANTITY, f"{text} {rules.quantity_tick:f}: invalid quantity")
    notional = order.price * order.quantity
    if notional < rules.min_notional:
        text = f"order notional ({notional:f}) is less than the minimum notional for the market"
        raise codes.exchange(codes.NOTIONAL_TOO_LOW, f"{text} ({rules.min_notional:f}): invalid notional")


def _check_side_count(market: Market, order: Order) -> None:
    side = [
        o for o in market.book.every() if o.subaccount_id == order.subaccount_id and o.is_buy == order.is_buy
    ]
    if not order.is_market and len(side) >= MAX_ORDERS_PER_SIDE:
        raise codes.exchange(codes.EXCEEDS_ORDER_SIDE_COUNT, "maximum number of orders per side exceeded")


def _check_bankruptcy(
    exchange: "Exchange", market: Market, order: Order, position: Position, fee_rate: Decimal
) -> None:
    """A closing price beyond bankruptcy, fee included, would leave a debt."""
    funded = position.copy()
    funded.margin += order.margin
    bankruptcy = funded.liquidation_price(ZERO, market.funding.cumulative_funding)
    limit = bankruptcy / (1 - fee_rate if position.is_long else 1 + fee_rate)
    if order.price < limit if position.is_long else order.price > limit:
        raise codes.exchange(codes.SURPASSES_BANKRUPTCY_PRICE, "price surpasses bankruptcy price")


def _check_margin(exchange: "Exchange", market: Market, order: Order, fee_rate: Decimal) -> None:
    ratio = market.rules.initial_margin_ratio
    notional = order.price * order.quantity
    if order.margin < ratio * notional:
        text = f"InitialMarginRatio Check: need at least {ratio * notional:f} but got {order.margin:f}"
        raise codes.exchange(codes.INSUFFICIENT_MARGIN, f"{text}: order has insufficient margin")
    threshold = mark_price_threshold(order.is_buy, order.price, order.quantity, order.margin, ratio)
    if market.mark < threshold if order.is_buy else market.mark > threshold:
        side, sign = ("Buy", "GTE") if order.is_buy else ("Sell", "LTE")
        text = f"{side} MarkPriceThreshold Check: mark/trigger price {market.mark:f} must be {sign} {threshold:f}"
        raise codes.exchange(codes.INSUFFICIENT_MARGIN, f"{text}: order has insufficient margin")
    order.hold = order.margin + max(fee_rate, ZERO) * notional
    exchange.ledger.hold(order.subaccount_id, order.hold)


def reducible(exchange: "Exchange", market: Market, order: Order) -> Decimal:
    """Return the quantity that a reduce-only order may have: what better-priced orders do not close already."""
    position = exchange.position(market, order.subaccount_id)
    if not order.is_reduce_only or position is None:
        return order.quantity
    mine = [
        o for o in market.book.every() if o.subaccount_id == order.subaccount_id and o.is_buy == order.is_buy
    ]
    better = (o for o in mine if (o.price >= order.price if order.is_buy else o.price <= order.price))
    reducible = position.quantity - sum((o.fillable for o in better), ZERO)
    if reducible <= 0:
        raise codes.exchange(codes.INSUFFICIENT_POSITION_QUANTITY, "position quantity insufficient for order")
    return min(order.quantity, reducible)


def _check_reduce_only(order: Order, position: Position | None) -> None:
    if position is None:
        text = f"Position for marketID {order.market_id} subaccountID {order.subaccount_id} not found"
        raise codes.exchange(codes.POSITION_NOT_FOUND, f"{text}: position not found")
    if position.is_long == order.is_buy:
        text = "position direction does not oppose the reduce-only order"
        raise codes.exchange(codes.WRONG_REDUCE_ONLY_DIRECTION, text)
