"""Rows of the indexer: v1 numbers as text, prices and money × 10^quote_decimals."""

from decimal import Decimal
from typing import Any

from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as derivative

from hedged.sandbox.injective.book import Book, Order
from hedged.sandbox.injective.events import Execution, Trade
from hedged.sandbox.injective.history import OrderRecord
from hedged.sandbox.injective.ledger import USDT, USDT_DECIMALS
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.wire import owner_of, plain, scaled


def usd(value: Decimal, places: int = 18) -> str:
    """Write money or a price as the indexer does."""
    return scaled(value, USDT_DECIMALS, places)


def market_row(market: Market) -> Any:
    """A market."""
    rules, funding = market.rules, market.funding
    row = derivative.DerivativeMarketInfo(
        market_id=rules.market_id,
        market_status="active",
        ticker=rules.ticker,
        oracle_base=rules.oracle_base,
        oracle_quote=rules.oracle_quote,
        oracle_type="pyth",
        oracle_scale_factor=USDT_DECIMALS,
        initial_margin_ratio=plain(rules.initial_margin_ratio),
        maintenance_margin_ratio=plain(rules.maintenance_margin_ratio),
        reduce_margin_ratio=plain(rules.reduce_margin_ratio),
        quote_denom=USDT,
        maker_fee_rate=plain(rules.maker_fee),
        taker_fee_rate=plain(rules.taker_fee),
        service_provider_fee="0",
        is_perpetual=True,
        min_price_tick_size=usd(rules.price_tick),
        min_quantity_tick_size=plain(rules.quantity_tick),
        min_notional=usd(rules.min_notional),
    )
    row.quote_token_meta.name, row.quote_token_meta.symbol = "Tether", "USDT"
    row.quote_token_meta.address = USDT.removeprefix("peggy")
    row.quote_token_meta.decimals = USDT_DECIMALS
    info, state = row.perpetual_market_info, row.perpetual_market_funding
    info.hourly_funding_rate_cap, info.hourly_interest_rate = (
        plain(funding.hourly_cap),
        plain(funding.hourly_interest),
    )
    info.next_funding_timestamp, info.funding_interval = funding.next_s, funding.interval_s
    state.cumulative_funding = usd(funding.cumulative_funding)
    state.cumulative_price, state.last_timestamp = plain(funding.cumulative_price), funding.last_s
    if rules.open_notional_cap is not None:
        row.open_notional_cap.cap = usd(rules.open_notional_cap)
    return row


def level_rows(book: Book, is_buy: bool, depth: int, ts_ms: int) -> list[Any]:
    """Price levels of a side, best first; `depth` 0 = all."""
    return [
        derivative.PriceLevel(price=usd(price), quantity=plain(quantity), timestamp=ts_ms)
        for price, quantity in book.levels(is_buy, depth)
    ]


def position_row(row: Any, market: Market, holder: str, position: Position, ts_ms: int) -> Any:
    """Fill any of the indexer's position messages."""
    cumulative = market.funding.cumulative_funding
    liquidation = position.liquidation_price(market.rules.maintenance_margin_ratio, cumulative)
    row.ticker, row.market_id, row.subaccount_id = market.rules.ticker, market.market_id, holder
    row.direction, row.quantity = "long" if position.is_long else "short", plain(position.quantity)
    row.entry_price, row.margin = usd(position.entry_price), usd(position.margin)
    row.liquidation_price, row.mark_price = usd(liquidation, 6), usd(market.mark)
    row.cumulative_funding_entry = usd(position.cumulative_funding_entry)
    row.funding_sum = usd(position.unrealised_funding(cumulative), 6)
    row.updated_at = ts_ms
    return row


def trade_row(trade: Trade) -> Any:
    """One side of a trade."""
    delta = derivative.PositionDelta(
        trade_direction="buy" if trade.is_buy else "sell",
        execution_price=usd(trade.price),
        execution_quantity=plain(trade.quantity),
        execution_margin=usd(trade.margin),
    )
    return derivative.DerivativeTrade(
        order_hash=trade.order_hash,
        subaccount_id=trade.subaccount_id,
        market_id=trade.market_id,
        trade_execution_type=trade.execution.indexer_name,
        is_liquidation=trade.execution is Execution.LIQUIDATION,
        position_delta=delta,
        payout=usd(trade.payout),
        fee=usd(trade.fee),
        executed_at=trade.ts_ms,
        fee_recipient=trade.fee_recipient or owner_of(trade.subaccount_id),
        trade_id=trade.trade_id,
        execution_side="maker" if trade.is_maker else "taker",
        cid=trade.cid,
        pnl=usd(trade.pnl),
    )


def _common(row: Any, record: OrderRecord) -> Any:
    order: Order = record.order
    row.order_hash, row.market_id, row.subaccount_id = order.order_hash, order.market_id, order.subaccount_id
    row.is_reduce_only, row.margin = order.is_reduce_only, usd(order.margin)
    row.price, row.quantity, row.trigger_price = usd(order.price), plain(order.quantity), "0"
    row.state, row.created_at, row.updated_at = record.state, record.created_ms, record.updated_ms
    row.order_type = order.order_type.name.lower()
    row.execution_type = "market" if order.is_market else "limit"
    row.tx_hash, row.cid = "0x" + order.tx_hash.lower(), order.cid
    return row


def limit_row(record: OrderRecord) -> Any:
    """A resting order."""
    row = _common(derivative.DerivativeLimitOrder(), record)
    row.order_side = "buy" if record.order.is_buy else "sell"
    row.unfilled_quantity = plain(record.order.quantity - record.filled)
    row.fee_recipient = record.order.fee_recipient
    return row


def history_row(record: OrderRecord) -> Any:
    """An order of any state."""
    row = _common(derivative.DerivativeOrderHistory(), record)
    row.direction = "buy" if record.order.is_buy else "sell"
    row.filled_quantity = plain(record.filled)
    row.is_active = record.state in ("booked", "partial_filled")
    return row
