"""Recorded responses decode to the right units, whichever of the two encodings they came in."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf import json_format
from pyinjective.proto.exchange import injective_derivative_exchange_rpc_pb2 as indexer_pb2
from pyinjective.proto.injective.exchange.v2 import exchange_pb2, market_pb2, query_pb2

from hedged.adapters.injective.board import Ticker
from hedged.adapters.injective.markets import depth_usd, one_sided, read_funding, read_perpetual, read_state
from hedged.adapters.injective.payments import read_payment
from hedged.adapters.injective.positions import read_holding
from hedged.adapters.injective.prints import Print, read_prints
from hedged.adapters.injective.units import coins_from_chain, from_chain, plain, quote
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import Costs

Recorded = Callable[[str], Any]
COSTS = Costs(Decimal(0), Decimal(0), Decimal("0.0001"), Decimal(1_000))


def read(kind: Any, tree: Any) -> Any:
    return json_format.ParseDict(tree, kind(), ignore_unknown_fields=True)


def on_the_wire(tree: Any) -> Any:
    """Write human decimals ("0.05") as the integer strings × 1e18 in which gRPC carries them."""
    if isinstance(tree, dict):
        return {key: on_the_wire(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [on_the_wire(value) for value in tree]
    if isinstance(tree, str) and "." in tree:
        return str(int(Decimal(tree).scaleb(18)))
    return tree


def full_market(recorded: Recorded) -> Any:
    (tree,) = recorded("derivatives__DerivativeMarkets__0_json")["markets"]
    tree |= tree.pop("Info")  # the name of the protobuf's oneof
    return read(query_pb2.FullDerivativeMarket, on_the_wire(tree))


def ticker(recorded: Recorded) -> Ticker:
    perpetual = read_perpetual(full_market(recorded), COSTS)
    assert perpetual is not None
    return Ticker(perpetual)


def test_a_market(recorded: Recorded) -> None:
    """If this fails, ticks, margins, fees or funding constants are off by powers of ten."""
    perpetual = read_perpetual(full_market(recorded), COSTS)
    assert perpetual is not None
    market = perpetual.market
    assert (market.key.symbol, perpetual.quote_decimals) == ("INJ", 6)
    assert (market.price_tick, market.quantity_step) == (Decimal("0.0001"), Decimal("0.0001"))
    assert market.min_notional_usd == Decimal("1e-12")
    assert market.initial_margin_ratio == Decimal("0.083333")
    assert market.maintenance_margin_ratio == Decimal("0.06")
    assert (market.costs.maker_fee, market.costs.taker_fee) == (Decimal("-0.0001"), Decimal("0.0005"))
    assert perpetual.rule == InjectiveRule(Decimal("0.00000416666"), Decimal("0.000625"), 3_600)
    assert perpetual.reduce_margin_ratio == Decimal("0.249999")


def test_what_moves_of_a_market(recorded: Recorded) -> None:
    """If this fails, the mark, the book's top or the accumulators are off by powers of ten."""
    state = read_state(full_market(recorded), 5)
    assert state.mark == Decimal("12.864774536812149196")
    assert (state.bid, state.ask) == (Decimal("19.2929"), Decimal("19.697"))
    assert state.cumulative_funding == Decimal("0.142734053117809236")
    assert (state.funding.next_settlement_s, state.funding.last_ts_s) == (1_748_962_800, 1_748_959_200)


@pytest.mark.parametrize("empty", ["", "0"])
def test_an_empty_side_of_the_book_has_no_price(recorded: Recorded, empty: str) -> None:
    """If this fails, the next trade in a market without bids is expected at a price of zero."""
    full = full_market(recorded)
    full.mid_price_and_tob.best_buy_price = empty
    state = read_state(full, 5)
    assert (state.bid, state.half_spread) == (None, None)


def test_a_market_without_a_mark_is_refused(recorded: Recorded) -> None:
    """If this fails, a market whose oracle is silent is valued at zero."""
    full = full_market(recorded)
    for missing in ("", "0"):
        full.mark_price = missing
        with pytest.raises(ValueError, match=r"missing|mark of 0"):
            read_state(full, 5)


def test_integers_of_the_chain(recorded: Recorded) -> None:
    """If this fails, the × 1e18 of the gRPC integers is left in or taken out twice."""
    info = recorded("derivatives__PerpetualMarketInfo__0_json")["info"]
    assert from_chain(info["hourlyFundingRateCap"]) == Decimal("0.000625")
    assert from_chain(info["hourlyInterestRate"]) == Decimal("0.00000416666")
    tree = recorded("derivatives__PerpetualMarketFunding__0_json")["state"]
    funding = read_funding(read(market_pb2.PerpetualMarketFunding, tree), 1_709_560_800)
    assert (funding.cum_price, funding.last_ts_s) == (0, 1_709_557_200)


def test_deposits_are_coins_of_the_smallest_unit(recorded: Recorded) -> None:
    """If this fails, collateral is a million times too large, or gas money a billion times too small."""
    deposits = recorded("chainexchange__SubaccountDeposits__0_json")["deposits"]
    usdt = deposits["peggy0x87aB3B4C8661e07D6372361211B96ed4Dc36B1B5"]
    assert coins_from_chain(usdt["totalBalance"], 6) == Decimal("324904.824830342932031115126449")
    assert coins_from_chain(deposits["inj"]["totalBalance"], 18) == Decimal("22.458")


def test_positions(recorded: Recorded) -> None:
    """If this fails, a short is read as a long, or a size is off."""
    rows = recorded("derivatives__SubaccountPositions__0_json")["state"]
    first, second = (read_holding(read(exchange_pb2.Position, on_the_wire(r["position"]))) for r in rows[:2])
    assert first.quantity == Decimal("258.75")
    assert first.entry_price == Decimal("24.100496718773416725")
    assert first.margin == Decimal("6777.476791762608353694")
    assert second.quantity == Decimal("-0.000000642507772481")


def test_the_chains_effective_margin_is_ours(recorded: Recorded) -> None:
    """If this fails, funding since the entry or the unrealised profit is reckoned with the wrong sign."""
    rows = recorded("derivatives__SubaccountPositions__0_json")["state"]
    (row,) = [r for r in rows if r["market_id"].startswith("0x17ef")]
    told = recorded("derivatives__SubaccountEffectivePositionInMarket__0_json")["state"]
    holding = read_holding(read(exchange_pb2.Position, on_the_wire(row["position"])))
    assert holding.quantity == Decimal(told["quantity"])
    # both answers are of about the same time, and the mark of the effective one is not told: solve for it
    cumulative = Decimal("0.142734053117809236")
    margin = holding.adjusted_margin(cumulative)
    mark = holding.entry_price + (Decimal(told["effective_margin"]) - margin) / holding.quantity
    assert Decimal(5) < mark < Decimal(30)
    assert holding.equity_usd(mark, cumulative) == pytest.approx(Decimal(told["effective_margin"]))


def test_the_order_book(recorded: Recorded) -> None:
    """If this fails, depth is off by powers of ten or counts what is far from the mid."""
    tree = recorded("derivatives__DerivativeOrderbook__0_json")
    book = read(query_pb2.QueryDerivativeOrderbookResponse, on_the_wire(tree))
    best = Decimal("19.2929")
    assert depth_usd(book.buys_price_level, best) == best * Decimal("0.0333")
    assert depth_usd(book.buys_price_level, Decimal("19.49495")) == 0


def test_open_interest_is_halved(recorded: Recorded) -> None:
    """If this fails, Injective looks twice as large as other venues."""
    told = recorded("chainexchange__OpenInterest__0_json")["amount"]["balance"]
    assert one_sided(on_the_wire(told)) == Decimal(told) / 2


def test_funding_prints_of_the_indexer(recorded: Recorded) -> None:
    """If this fails, history is shifted, scaled, or a quiet hour is charged four per cent too little."""
    rows = read(
        indexer_pb2.FundingRatesResponse, recorded("derivativesrpc__FundingRates__0_python")
    ).funding_rates
    prints = read_prints(rows, InjectiveRule())
    assert [p.ts_ms for p in prints] == [1_701_993_600_000, 1_701_997_200_000, 1_702_000_800_000]
    assert [p.known_ms for p in prints] == [1_701_993_600_737, 1_701_997_200_816, 1_702_000_801_389]
    assert {p.rate for p in prints} == {Decimal("0.00000416666")}


def test_funding_payments_of_the_indexer(recorded: Recorded) -> None:
    """If this fails, the ledger books millions, or income as cost."""
    tree = recorded("derivativesrpc__FundingPayments__0_python")
    row = read(indexer_pb2.FundingPaymentsResponse, tree).payments[0]
    here = ticker(recorded)
    mark = Decimal("17.645")
    here.record(Print(1_702_000_800_000, 1_702_000_801_389, Decimal("0.00000416666"), mark))
    payment = read_payment(row, here, 1_702_000_800_000, None)
    assert payment is not None
    assert payment.payment_usd == Decimal("0.000001628605")  # received ...
    assert payment.quantity == pytest.approx(
        Decimal("-0.02215"), rel=Decimal("0.001")
    )  # ... by a short, at a rate > 0


def test_numbers_of_the_indexers_market(recorded: Recorded) -> None:
    """If this fails, indexer prices are read as human ones: a tick of 100 dollars."""
    market = recorded("derivativesrpc__Market__0_python")["market"]
    decimals = market["quoteTokenMeta"]["decimals"]
    assert quote(market["minPriceTickSize"], decimals) == Decimal("0.0001")
    assert plain(market["minQuantityTickSize"]) == Decimal("0.0001")
    assert quote(market["min_notional"], decimals) == 1
    # Δcumulative funding of the indexer is in quote decimals, of the chain in human units
    assert quote(market["perpetualMarketFunding"]["cumulativeFunding"], decimals) == Decimal(
        "-0.156010283874921534910863"
    )


def test_trades_and_liquidation_prices_of_the_indexer(recorded: Recorded) -> None:
    """If this fails, executions are booked at millions a coin, or ours is another liquidation price than theirs."""
    rows = recorded("derivativesrpc__SubaccountTradesList__0_python")["trades"]
    assert quote(rows[0]["positionDelta"]["executionPrice"], 6) == Decimal("16.9456")
    assert [quote(row["fee"], 6) for row in rows] == [Decimal("0.04744768"), Decimal("-0.004066944")]
    for row in recorded("derivativesrpc__Positions__0_python")["positions"]:
        sign = 1 if row["direction"] == "long" else -1
        entry, quantity = quote(row["entryPrice"], 6), plain(row["quantity"])
        theirs, margin = quote(row["liquidationPrice"], 6), quote(row["margin"], 6)
        ours = (entry - sign * margin / quantity) / (1 - sign * Decimal("0.02"))
        assert ours == pytest.approx(theirs, rel=Decimal("0.05"))  # theirs counts funding that is not told
