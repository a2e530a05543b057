"""Positions that their margin carries no longer."""

from hedged.sandbox.injective.book import Fill
from hedged.sandbox.injective.events import Execution
from hedged.sandbox.injective.exchange import Exchange
from hedged.sandbox.injective.executions import execute
from hedged.sandbox.injective.house import house_order
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.positions import Position


def liquidate(exchange: Exchange, market: Market) -> None:
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
        execute(exchange, market, fill, Execution.LIQUIDATION)
