"""Messages of the exchange module's gRPC, v2: human values × 1e18."""

from typing import Any

from pyinjective.proto.injective.exchange.v2 import exchange_pb2, market_pb2
from pyinjective.proto.injective.exchange.v2 import query_pb2 as query

from hedged.sandbox.injective.book import Order
from hedged.sandbox.injective.ledger import USDT, USDT_DECIMALS, Deposit
from hedged.sandbox.injective.market import ORACLE_TYPE_PYTH, Market
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.wire import chain_dec


def full_market(market: Market, with_tob: bool) -> Any:
    """Return a market with its funding and mark, and its top of book where wanted."""
    message = query.FullDerivativeMarket(market=_market_message(market), mark_price=chain_dec(market.mark))
    message.perpetual_info.market_info.CopyFrom(market_info(market))
    message.perpetual_info.funding_info.CopyFrom(funding_state(market))
    if with_tob:
        put_tob(message.mid_price_and_tob, market)
    return message


def _market_message(market: Market) -> Any:
    rules = market.rules
    message = market_pb2.DerivativeMarket(
        ticker=rules.ticker,
        oracle_base=rules.oracle_base,
        oracle_quote=rules.oracle_quote,
        oracle_type=ORACLE_TYPE_PYTH,
        quote_denom=USDT,
        market_id=rules.market_id,
        initial_margin_ratio=chain_dec(rules.initial_margin_ratio),
        maintenance_margin_ratio=chain_dec(rules.maintenance_margin_ratio),
        reduce_margin_ratio=chain_dec(rules.reduce_margin_ratio),
        maker_fee_rate=chain_dec(rules.maker_fee),
        taker_fee_rate=chain_dec(rules.taker_fee),
        relayer_fee_share_rate=chain_dec(0),
        isPerpetual=True,
        status=market_pb2.MarketStatus.Active,
        min_price_tick_size=chain_dec(rules.price_tick),
        min_quantity_tick_size=chain_dec(rules.quantity_tick),
        min_notional=chain_dec(rules.min_notional),
        quote_decimals=USDT_DECIMALS,
    )
    if rules.open_notional_cap is None:
        message.open_notional_cap.uncapped.SetInParent()
    else:
        message.open_notional_cap.capped.value = chain_dec(rules.open_notional_cap)
    return message


def market_info(market: Market) -> Any:
    """Return a market's funding rule."""
    funding = market.funding
    return market_pb2.PerpetualMarketInfo(
        market_id=market.market_id,
        hourly_funding_rate_cap=chain_dec(funding.hourly_cap),
        hourly_interest_rate=chain_dec(funding.hourly_interest),
        next_funding_timestamp=funding.next_s,
        funding_interval=funding.interval_s,
    )


def funding_state(market: Market) -> Any:
    """Return a market's funding accumulators."""
    funding = market.funding
    return market_pb2.PerpetualMarketFunding(
        cumulative_funding=chain_dec(funding.cumulative_funding),
        cumulative_price=chain_dec(funding.cumulative_price),
        last_timestamp=funding.last_s,
    )


def position_message(position: Position) -> Any:
    """Return a position as stored: margin without the funding since the last trade."""
    return exchange_pb2.Position(
        isLong=position.is_long,
        quantity=chain_dec(position.quantity),
        entry_price=chain_dec(position.entry_price),
        margin=chain_dec(position.margin),
        cumulative_funding_entry=chain_dec(position.cumulative_funding_entry),
    )


def put_tob(message: Any, market: Market) -> None:
    """Fill in mid and best prices where there are any."""
    book = market.book
    for name, price in (
        ("mid_price", book.mid),
        ("best_buy_price", book.best(True)),
        ("best_sell_price", book.best(False)),
    ):
        if price is not None:
            setattr(message, name, chain_dec(price))


def deposit_message(deposit: Deposit) -> Any:
    """Return a deposit, smallest units × 1e18."""
    return exchange_pb2.Deposit(
        available_balance=chain_dec(deposit.available), total_balance=chain_dec(deposit.total)
    )


def trimmed_order(order: Order) -> Any:
    """Return a resting order."""
    return query.TrimmedDerivativeLimitOrder(
        price=chain_dec(order.price),
        quantity=chain_dec(order.quantity),
        margin=chain_dec(order.margin),
        fillable=chain_dec(order.fillable),
        isBuy=order.is_buy,
        order_hash=order.order_hash,
        cid=order.cid,
    )
