"""What a venue does by itself to an account: liquidations within a bar and at a mark, margin calls, delistings."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from hedged.adapters.paper.ledger import Ledger
from hedged.adapters.paper.margin import (
    Leg,
    Loss,
    cross_due,
    cross_loss,
    cross_price,
    crossed,
    isolated_loss,
    isolated_price,
    margin_call_usd,
)
from hedged.adapters.paper.record import Why
from hedged.adapters.paper.terms import Backing
from hedged.domain.bars import Swing
from hedged.domain.market import Market, SeriesKey

Marks = Mapping[str, Decimal]
Markets = Mapping[str, Market]


def by_bar(ledger: Ledger, swing: Swing, marks: Marks, markets: Markets) -> None:
    """Liquidate what the bar's adverse end has reached, the others at their marks, just before the bar's close.

    A position that was changed within the bar counts by the mark at its close alone: what the bar reached before the
    change has not met it.
    """
    holding = ledger.holdings.get(swing.symbol)
    if holding is None or not holding.now or holding.at_ms[-1] > swing.from_ms:
        return
    alone = (swing.symbol,) if ledger.isolated else None
    legs = ledger.legs({swing.symbol: holding.entry_price, **marks}, markets, alone)
    leg = legs.get(swing.symbol)
    price = None if leg is None else _price(ledger, swing.symbol, legs)
    if leg is None or price is None:
        return
    hit = crossed(leg, price, swing.low, swing.high)
    if hit is not None:
        if ledger.terms.backing is Backing.TOPPED_UP:  # calls are met all the way
            hit = swing.low if leg.quantity > 0 else swing.high
        at = legs | {swing.symbol: replace(leg, mark=hit)}
        _run_out(ledger, swing.symbol, at, markets, swing.to_ms - 1)


def by_marks(ledger: Ledger, marks: Marks, markets: Markets, now_ms: int) -> None:
    """Liquidate what the marks of now leave without its maintenance margin, one position after the other."""
    if ledger.terms.backing is Backing.CROSS:
        legs = ledger.legs(marks, markets)
        while len(legs) == len(ledger.held) and (worst := cross_due(legs, ledger.cash_usd)) is not None:
            _run_out(ledger, worst, legs, markets, now_ms)
            del legs[worst]
    elif ledger.isolated:
        for symbol, leg in ledger.legs(marks, markets).items():
            margin = ledger.margins.get(symbol)
            if margin is not None and margin + leg.profit_usd() < leg.maintenance_usd:
                _run_out(ledger, symbol, {symbol: leg}, markets, now_ms)


def delist(ledger: Ledger, key: SeriesKey, mark: Decimal, now_ms: int) -> None:
    """Close a position at the last mark known, at the stated cost."""
    cost = abs(ledger.quantity(key.symbol)) * mark * ledger.terms.delisting_cost
    ledger.force(key, now_ms, mark, Why.DELISTING, Loss(cost, Decimal(0)))


def _price(ledger: Ledger, symbol: str, legs: Mapping[str, Leg]) -> Decimal | None:
    if ledger.terms.backing is Backing.CROSS:
        return cross_price(symbol, legs, ledger.cash_usd) if len(legs) == len(ledger.held) else None
    margin = ledger.margins.get(symbol)
    return None if margin is None or not ledger.isolated else isolated_price(legs[symbol], margin)


def _run_out(ledger: Ledger, symbol: str, legs: Mapping[str, Leg], markets: Markets, ts_ms: int) -> None:
    """Do what becomes of a position at its mark whose margin has run out: a call that is met, or a liquidation."""
    leg, key = legs[symbol], SeriesKey(ledger.venue, symbol)
    if ledger.terms.backing is Backing.CROSS:
        loss = cross_loss(symbol, legs, ledger.cash_usd, leg.mark, ledger.terms.liquidation_fee)
    else:
        margin = ledger.margins[symbol]
        if ledger.terms.backing is Backing.TOPPED_UP:
            ledger.top_up(symbol, margin_call_usd(leg, margin, markets[symbol].initial_margin_ratio))
            return
        loss = isolated_loss(leg, margin, leg.mark)
    ledger.force(key, ts_ms, leg.mark, Why.LIQUIDATION, loss)
