"""The end of a block: market orders, liquidations, the call auction, and what each execution does to its account."""

from collections.abc import Mapping
from decimal import Decimal

from hedged.sandbox.injective import codes
from hedged.sandbox.injective.book import Fill, Order, OrderType
from hedged.sandbox.injective.crowd import CrowdFlow
from hedged.sandbox.injective.events import Execution, OrderUpdate, Trade, Update
from hedged.sandbox.injective.exchange import Exchange
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.wire import hash_of

ZERO = Decimal(0)
NO_FLOW = CrowdFlow()


def end_block(exchange: Exchange, flows: Mapping[str, CrowdFlow]) -> None:
    """Match everything that the block brought, and what the crowd wants in it (by symbol)."""
    for market in exchange.markets.values():
        flow = flows.get(market.symbol, NO_FLOW)
        executed: list[tuple[Decimal, Decimal]] = []
        _expire(exchange, market)
        _liquidate(exchange, market)
        _enforce_cap(exchange, market)
        for is_buy in (True, False):
            executed += _settle(exchange, market, market.book.match_markets(is_buy))
        for order in list(market.book.new_markets):
            _finish_market_order(exchange, market, order)
        for price, signed in flow.trades:
            executed += _house_trade(exchange, market, price, signed)
        booked = list(market.book.new_limits)
        _requote(exchange, market, flow)
        executed += _settle(exchange, market, market.book.match_limits())
        market.book.drop_filled()
        exchange.events.orders += [
            OrderUpdate(Update.BOOKED, o, o.fillable) for o in booked if o.fillable > 0
        ]
        market.book_sequence += 1
        _count_premium(exchange, market, executed)


def _count_premium(exchange: Exchange, market: Market, executed: list[tuple[Decimal, Decimal]]) -> None:
    quantity = sum((q for _, q in executed), ZERO)
    if quantity:
        vwap = sum((p * q for p, q in executed), ZERO) / quantity
        market.funding.on_trades(exchange.events.time_ms // 1_000, vwap, market.mark)
        exchange.note_funding(market, None)


def _expire(exchange: Exchange, market: Market) -> None:
    """A good-till-block order is gone once the chain is past its block."""
    for order in market.book.resting():
        if order.expiration_block and exchange.events.height > order.expiration_block:
            exchange.drop(order)


def _enforce_cap(exchange: Exchange, market: Market) -> None:
    """Cancel opening orders that would lift open interest above the market's cap, with code 112."""
    cap = market.rules.open_notional_cap
    if cap is None:
        return
    room = cap - market.open_interest * market.mark
    for order in list(market.book.new_markets + market.book.new_limits):
        if order.by_house or order.is_reduce_only:
            continue
        # each new contract has two sides, and the chain counts both
        needed = 2 * order.fillable * market.mark
        if needed > room:
            exchange.fail(order, codes.OPEN_NOTIONAL_CAP)
        else:
            room -= needed


def _requote(exchange: Exchange, market: Market, flow: CrowdFlow) -> None:
    """Replace the crowd's quotes; those that reach a user's resting order trade with it in this block's auction."""
    if flow.quotes is None:
        return
    book, maker = market.book, sorted(exchange.house)[0]
    book.remove_house()
    for is_buy, price, quantity in flow.quotes:
        book.new_limits.append(house_order(exchange, market, maker, is_buy, price, quantity))


def _finish_market_order(exchange: Exchange, market: Market, order: Order) -> None:
    """A market order never rests: what the book could not fill within its worst price is given back."""
    if order.fillable > 0:
        exchange.drop(order)
    else:
        market.book.remove(order)


def _settle(exchange: Exchange, market: Market, fills: list[Fill]) -> list[tuple[Decimal, Decimal]]:
    """Book every fill; return (price, quantity) of each execution, counted once."""
    for fill in fills:
        order = fill.order
        if order.is_market:
            execution = Execution.MARKET
        elif fill.is_maker:
            execution = Execution.LIMIT_FILL if any(f.order.is_market for f in fills) else Execution.RESTING
        else:
            execution = Execution.NEW
        _execute(exchange, market, fill, execution)
    return [(fill.price, fill.quantity) for fill in fills if fill.order.is_buy]


def _execute(exchange: Exchange, market: Market, fill: Fill, execution: Execution) -> None:
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


def _house_trade(
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
        _execute(exchange, market, fill, Execution.LIMIT_FILL if fill.is_maker else Execution.MARKET)
    market.book.drop_filled()
    return [(fill.price, fill.quantity) for fill in fills if not fill.is_maker]


def _liquidate(exchange: Exchange, market: Market) -> None:
    """Close every position whose liquidation price the mark has reached, at the mark, against the crowd.

    The trader keeps nothing: what the margin left over goes to the insurance fund (which the sandbox does not keep).
    """
    ratio, cumulative = market.rules.maintenance_margin_ratio, market.funding.cumulative_funding
    for subaccount_id, position in list(market.positions.items()):
        if subaccount_id in exchange.house or not position.is_liquidable(market.mark, ratio, cumulative):
            continue
        for order in market.book.every():
            if order.subaccount_id == subaccount_id:
                exchange.drop(order)
        _close_out(exchange, market, subaccount_id, position)


def _close_out(exchange: Exchange, market: Market, subaccount_id: str, position: Position) -> None:
    counterparty = sorted(exchange.house)[1]
    quantity, closes_by_buying = position.quantity, not position.is_long
    taker = house_order(
        exchange, market, subaccount_id, closes_by_buying, market.mark, quantity, is_liquidation=True
    )
    maker = house_order(exchange, market, counterparty, position.is_long, market.mark, quantity)
    for fill in (Fill(taker, quantity, market.mark, False), Fill(maker, quantity, market.mark, True)):
        _execute(exchange, market, fill, Execution.LIQUIDATION)
