"""What an execution does: to the position and the money of its account, and to what is told of it."""

from decimal import Decimal

from hedged.sandbox.injective.book import Fill, Order
from hedged.sandbox.injective.events import Execution, OrderUpdate, Trade, Update
from hedged.sandbox.injective.exchange import Exchange
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.positions import Position

ZERO = Decimal(0)


def execute(exchange: Exchange, market: Market, fill: Fill, execution: Execution) -> None:
    """Move money and position of one side of an execution."""
    order, quantity, price = fill.order, fill.quantity, fill.price
    rate = market.rules.maker_fee if fill.is_maker else market.rules.taker_fee
    fee = ZERO if order.by_house else rate * price * quantity
    position = _position(market, order)
    position.apply_funding(market.funding.cumulative_funding)
    margin = order.share(order.margin, quantity)
    effect = position.apply_trade(order.is_buy, quantity, price, margin, fee)
    if not order.by_house:
        _move_money(exchange, order, quantity, fee, effect.collateral, effect.payout)
    exchange.note_position(market, order.subaccount_id)
    _note_trade(exchange, market, fill, execution, fee, effect.payout, effect.pnl)
    if not order.by_house and execution is not Execution.LIQUIDATION:
        exchange.events.orders.append(OrderUpdate(Update.MATCHED, order, order.fillable))


def _position(market: Market, order: Order) -> Position:
    if order.subaccount_id not in market.positions:
        flat = Position(order.is_buy, ZERO, ZERO, ZERO, market.funding.cumulative_funding)
        market.positions[order.subaccount_id] = flat
    return market.positions[order.subaccount_id]


def _move_money(
    exchange: Exchange, order: Order, quantity: Decimal, fee: Decimal, collateral: Decimal, payout: Decimal
) -> None:
    """Use the hold for collateral and fee, give back its rest, credit what closing freed and a maker's rebate."""
    ledger, owner = exchange.ledger, order.subaccount_id
    if order.is_liquidation:
        return  # what the margin left over belongs to liquidator and insurance fund
    if not order.is_reduce_only:
        held = order.share(order.hold, quantity)
        used = collateral + max(fee, ZERO)
        ledger.spend(owner, used)
        ledger.release(owner, held - used)
        if fee < 0:
            ledger.pay(owner, -fee)
    if payout:
        ledger.pay(owner, payout)


def _note_trade(
    exchange: Exchange,
    market: Market,
    fill: Fill,
    execution: Execution,
    fee: Decimal,
    payout: Decimal,
    pnl: Decimal,
) -> None:
    order, events = fill.order, exchange.events
    trade = Trade(
        trade_id=f"{events.height}_{len(events.trades)}",
        ts_ms=events.time_ms,
        market_id=market.market_id,
        symbol=market.symbol,
        subaccount_id=order.subaccount_id,
        order_hash=order.order_hash,
        cid=order.cid,
        fee_recipient=order.fee_recipient,
        is_buy=order.is_buy,
        execution=execution,
        quantity=fill.quantity,
        price=fill.price,
        margin=order.share(order.margin, fill.quantity),
        fee=fee,
        payout=payout,
        pnl=pnl,
        is_maker=fill.is_maker,
        by_house=order.by_house,
    )
    events.trades.append(trade)
