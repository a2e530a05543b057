"""A perpetual as the chain describes it: its rules, and the part that moves with every block."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from pyinjective.proto.injective.exchange.v2 import exchange_pb2, market_pb2, query_pb2

from hedged.adapters.injective.units import from_chain
from hedged.domain.injective import FundingState, InjectiveRule
from hedged.domain.market import INJECTIVE, Costs, Market, SeriesKey

DEPTH_BAND = Decimal("0.005")
"""Depth is what rests within 50 bp of the mid."""
QUOTES = ("USDT", "USDC", "AUSD", "USD")
"""Quote coins taken as USD, the preferred one first; markets in any other are left out."""


@dataclass(frozen=True, slots=True)
class Perpetual:
    """What rarely changes. `market` is what the rest of the program knows; the rest is Injective's own.

    `open_notional_cap_usd`: of both sides together; None: none. `reduce_margin_ratio`: below it no margin may be taken
    out; None: an older chain does not know it. `oracle`: (base, quote) as the oracle module names them.
    """

    market_id: str
    ticker: str
    market: Market
    rule: InjectiveRule
    quote_denom: str
    quote_decimals: int
    reduce_margin_ratio: Decimal | None
    open_notional_cap_usd: Decimal | None
    oracle: tuple[str, str]

    @property
    def symbol(self) -> str:
        """Symbol of the coin."""
        return self.market.key.symbol


@dataclass(frozen=True, slots=True)
class MarketState:
    """What moves, as received at `received_ms`. Prices in USD; `cumulative_funding` in USD per coin held long.

    None: not known (an empty side of the book, depth and open interest not yet asked for). `open_interest`: coins, one
    side counted.
    """

    received_ms: int
    mark: Decimal
    mark_received_ms: int
    funding: FundingState
    cumulative_funding: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_depth_usd: Decimal | None = None
    ask_depth_usd: Decimal | None = None
    open_interest: Decimal | None = None
    details_received_ms: int = 0

    @property
    def half_spread(self) -> Decimal | None:
        """Half of the distance between best bid and ask, as a fraction of the mid."""
        if self.bid is None or self.ask is None or self.bid >= self.ask:
            return None
        return (self.ask - self.bid) / (self.ask + self.bid)


def read_perpetual(full: query_pb2.FullDerivativeMarket, costs: Costs) -> Perpetual | None:
    """Read a market's rules; None for what is no perpetual against a dollar.

    `costs` tells spread and depth until the order book does; the fees are the chain's own.
    """
    m = full.market
    base, _, quoted = m.ticker.partition("/")
    if not m.isPerpetual or not full.HasField("perpetual_info") or quoted.split(" ")[0] not in QUOTES:
        return None
    info = full.perpetual_info.market_info
    fees = replace(costs, maker_fee=from_chain(m.maker_fee_rate), taker_fee=from_chain(m.taker_fee_rate))
    market = Market(
        key=SeriesKey(INJECTIVE, base.strip().upper()),
        price_tick=from_chain(m.min_price_tick_size),
        quantity_step=from_chain(m.min_quantity_tick_size),
        min_notional_usd=from_chain(m.min_notional),
        initial_margin_ratio=from_chain(m.initial_margin_ratio),
        maintenance_margin_ratio=from_chain(m.maintenance_margin_ratio),
        costs=fees,
    )
    rule = InjectiveRule(
        from_chain(info.hourly_interest_rate), from_chain(info.hourly_funding_rate_cap), info.funding_interval
    )
    if rule.interval_s <= 0:
        raise ValueError(f"{m.ticker}: a funding interval of {rule.interval_s} s")
    capped = m.open_notional_cap.HasField("capped")
    return Perpetual(
        market_id=m.market_id,
        ticker=m.ticker,
        market=market,
        rule=rule,
        quote_denom=m.quote_denom,
        quote_decimals=m.quote_decimals,
        reduce_margin_ratio=from_chain(m.reduce_margin_ratio) if m.reduce_margin_ratio else None,
        open_notional_cap_usd=from_chain(m.open_notional_cap.capped.value) if capped else None,
        oracle=(m.oracle_base, m.oracle_quote),
    )


def read_state(full: query_pb2.FullDerivativeMarket, received_ms: int) -> MarketState:
    """Read what moves. Raises ValueError where the mark or the accumulators are missing."""
    mark = from_chain(full.mark_price)
    if mark <= 0:
        raise ValueError(f"{full.market.ticker}: a mark of {mark}")
    accumulators = full.perpetual_info.funding_info
    tob = full.mid_price_and_tob
    return MarketState(
        received_ms=received_ms,
        mark=mark,
        mark_received_ms=received_ms,
        funding=read_funding(accumulators, full.perpetual_info.market_info.next_funding_timestamp),
        cumulative_funding=from_chain(accumulators.cumulative_funding),
        bid=_best(tob.best_buy_price),
        ask=_best(tob.best_sell_price),
    )


def _best(text: str) -> Decimal | None:
    """Read the best price of a side; an empty side is told as nothing or as zero."""
    price = from_chain(text) if text else Decimal(0)
    return price if price > 0 else None


def read_funding(accumulators: market_pb2.PerpetualMarketFunding, next_settlement_s: int) -> FundingState:
    """Read the accumulators of the running interval."""
    return FundingState(
        next_settlement_s, from_chain(accumulators.cumulative_price), accumulators.last_timestamp
    )


def by_symbol(perpetuals: Iterable[Perpetual]) -> dict[str, Perpetual]:
    """Keep one market of each coin: against USDT where there is one, else by the order of QUOTES."""
    kept: dict[str, Perpetual] = {}
    for one in sorted(perpetuals, key=lambda p: (_rank(p), p.market_id)):
        kept.setdefault(one.symbol, one)
    return dict(sorted(kept.items()))


def _rank(perpetual: Perpetual) -> int:
    return QUOTES.index(perpetual.ticker.partition("/")[2].split(" ")[0])


def depth_usd(levels: Iterable[exchange_pb2.Level], mid: Decimal) -> Decimal:
    """Return the notional that rests within 50 bp of the mid on one side of the book."""
    near = (
        (from_chain(level.p), from_chain(level.q))
        for level in levels
        if abs(from_chain(level.p) - mid) <= mid * DEPTH_BAND
    )
    return sum((price * quantity for price, quantity in near), Decimal(0))


def one_sided(balance: str) -> Decimal:
    """Read the chain's open interest: it counts longs and shorts, twice the usual convention."""
    return from_chain(balance) / 2


def measured(perpetual: Perpetual, state: MarketState) -> Market:
    """Return the market with the spread and the depth that the order book shows now."""
    costs = perpetual.market.costs
    half = state.half_spread
    depths = [d for d in (state.bid_depth_usd, state.ask_depth_usd) if d]
    return replace(
        perpetual.market,
        costs=replace(
            costs,
            half_spread=costs.half_spread if half is None else half,
            depth_usd=min(depths) if len(depths) == 2 else costs.depth_usd,
        ),
    )
