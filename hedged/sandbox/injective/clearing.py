"""The end of a block: market orders, liquidations, the crowd, the call auction; and the premium that comes of it."""

from collections.abc import Mapping
from decimal import Decimal

from hedged.sandbox.injective import codes
from hedged.sandbox.injective.book import Fill, Order
from hedged.sandbox.injective.crowd import CrowdFlow
from hedged.sandbox.injective.events import Execution, OrderUpdate, Update
from hedged.sandbox.injective.exchange import Exchange
from hedged.sandbox.injective.executions import execute
from hedged.sandbox.injective.house import house_trade, requote
from hedged.sandbox.injective.liquidation import liquidate
from hedged.sandbox.injective.market import Market

ZERO = Decimal(0)
NO_FLOW = CrowdFlow()


def end_block(exchange: Exchange, flows: Mapping[str, CrowdFlow]) -> None:
    """Match everything that the block brought, and what the crowd wants in it (by symbol)."""
    for market in exchange.markets.values():
        flow = flows.get(market.symbol, NO_FLOW)
        executed: list[tuple[Decimal, Decimal]] = []
        _expire(exchange, market)
        liquidate(exchange, market)
        _enforce_cap(exchange, market)
        for is_buy in (True, False):
            executed += _settle(exchange, market, market.book.match_markets(is_buy))
        for order in list(market.book.new_markets):
            _finish_market_order(exchange, market, order)
        for price, signed in flow.trades:
            executed += house_trade(exchange, market, price, signed)
        booked = list(market.book.new_limits)
        requote(exchange, market, flow)
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
        execute(exchange, market, fill, execution)
    return [(fill.price, fill.quantity) for fill in fills if fill.order.is_buy]
