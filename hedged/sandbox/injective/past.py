"""What the indexer knows from before the sandbox's start: funding prints, and trades of the crowd."""

from collections.abc import Iterator
from decimal import Decimal

from hedged.sandbox.injective.chain import Chain
from hedged.sandbox.injective.crowd import Feed, Series
from hedged.sandbox.injective.events import Execution, Trade
from hedged.sandbox.injective.history import FundingPrint
from hedged.sandbox.injective.market import Market
from hedged.sandbox.injective.wire import hash_of

PRINT_DELAY_MS = 300
"""After its hour: a print carries the time of the block that settled it."""
TRADED_H = 15 * 24
"""Hours back in which the crowd is remembered to have traded: a little more than anybody asks for."""
TRADE_USD = 5_000


def remember(chain: Chain, feed: Feed) -> None:
    """Fill the indexer with the hours before the running one: their rates, and one trade in the middle of each."""
    prints: list[FundingPrint] = []
    trades: list[Trade] = []
    for market in chain.exchange.markets.values():
        prints += _prints(market, feed.past_rates.get(market.symbol, ()))
        trades += _trades(market, sorted(chain.exchange.house), feed.past_prices.get(market.symbol, ()))
    chain.history.rates.extend(sorted(prints, key=lambda row: row.ts_ms))
    chain.history.trades.extend(sorted(trades, key=lambda row: row.ts_ms))


def _prints(market: Market, rates: Series) -> Iterator[FundingPrint]:
    interval_ms = market.funding.interval_s * 1_000
    last_ms = market.funding.next_s * 1_000 - interval_ms
    for age, rate in enumerate(reversed(rates)):
        yield FundingPrint(market.market_id, last_ms - age * interval_ms + PRINT_DELAY_MS, rate)


def _trades(market: Market, house: list[str], prices: Series) -> Iterator[Trade]:
    """One house sells, the other buys, at the market's tick."""
    interval_ms, rules = market.funding.interval_s * 1_000, market.rules
    last_ms = market.funding.next_s * 1_000 - interval_ms
    for age, price in enumerate(reversed(prices[-TRADED_H:])):
        ts_ms = last_ms - age * interval_ms - interval_ms // 2
        at = price // rules.price_tick * rules.price_tick
        quantity = TRADE_USD / at // rules.quantity_tick * rules.quantity_tick
        for is_buy, holder in zip((True, False), house, strict=True):
            yield _side(market, holder, is_buy, at, quantity, ts_ms, age)


def _side(
    market: Market, holder: str, is_buy: bool, price: Decimal, quantity: Decimal, ts_ms: int, age: int
) -> Trade:
    zero = Decimal(0)
    return Trade(
        trade_id=f"past_{market.symbol}_{age}", ts_ms=ts_ms, market_id=market.market_id, symbol=market.symbol,
        subaccount_id=holder, order_hash=hash_of("past", market.symbol, age, is_buy), cid="", fee_recipient="",
        is_buy=is_buy, execution=Execution.MARKET if is_buy else Execution.LIMIT_FILL, quantity=quantity, price=price,
        margin=price * quantity, fee=zero, payout=zero, pnl=zero, is_maker=not is_buy, by_house=True,
    )  # fmt: skip
