"""The sandbox's perpetual markets: rules, mark, funding, positions and book of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.errors import ConfigError
from hedged.domain.injective import InjectiveRule
from hedged.sandbox.injective.book import Book
from hedged.sandbox.injective.funding import Funding
from hedged.sandbox.injective.positions import Position
from hedged.sandbox.injective.wire import hash_of
from hedged.sandbox.more_markets import CHAIN_MARKETS

ORACLE_TYPE_PYTH = 9
TAKER_FEE = Decimal("0.0005")
MAKER_FEE = Decimal("-0.00005")


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What the chain states of a market and does not change. Prices in USDT, ratios and fees as fractions."""

    market_id: str
    ticker: str
    symbol: str
    oracle_base: str
    oracle_quote: str
    price_tick: Decimal
    quantity_tick: Decimal
    min_notional: Decimal
    initial_margin_ratio: Decimal
    maintenance_margin_ratio: Decimal
    reduce_margin_ratio: Decimal
    half_spread: Decimal
    depth_usd: Decimal
    maker_fee: Decimal = MAKER_FEE
    taker_fee: Decimal = TAKER_FEE
    open_notional_cap: Decimal | None = None
    """USDT, both sides counted as the chain does; None = uncapped."""


@dataclass(slots=True)
class Market:
    """A market as it stands after the latest block."""

    rules: MarketRules
    funding: Funding
    mark: Decimal
    book: Book = field(default_factory=Book)
    positions: dict[str, Position] = field(default_factory=dict)
    """By subaccount id."""
    book_sequence: int = 0

    @property
    def market_id(self) -> str:
        """The market's id, 0x…."""
        return self.rules.market_id

    @property
    def symbol(self) -> str:
        """The coin."""
        return self.rules.symbol

    @property
    def open_interest(self) -> Decimal:
        """Return the coins held long plus those held short: both sides, as the chain counts."""
        return sum((position.quantity for position in self.positions.values()), Decimal(0))


def market_rules(symbols: Sequence[str]) -> list[MarketRules]:
    """Return the rules of Injective's markets. Raises ConfigError for a symbol it does not have."""
    if missing := sorted(set(symbols) - set(CHAIN_MARKETS)):
        raise ConfigError(
            f"the sandbox has no market for {', '.join(missing)}; it has {', '.join(CHAIN_MARKETS)}"
        )
    return [
        MarketRules(
            market_id=hash_of("market", symbol),
            ticker=f"{symbol}/USDT PERP",
            symbol=symbol,
            oracle_base=hash_of("oracle", symbol),
            oracle_quote=hash_of("oracle", "USDT"),
            price_tick=CHAIN_MARKETS[symbol].price_tick,
            quantity_tick=CHAIN_MARKETS[symbol].quantity_step,
            min_notional=CHAIN_MARKETS[symbol].min_notional_usd,
            initial_margin_ratio=CHAIN_MARKETS[symbol].initial_margin_ratio,
            maintenance_margin_ratio=CHAIN_MARKETS[symbol].maintenance_margin_ratio,
            reduce_margin_ratio=3 * CHAIN_MARKETS[symbol].initial_margin_ratio,
            half_spread=CHAIN_MARKETS[symbol].half_spread,
            depth_usd=CHAIN_MARKETS[symbol].depth_usd,
        )
        for symbol in symbols
    ]


def new_market(rules: MarketRules, mark: Decimal, now_s: int, hour_s: int) -> Market:
    """Open a market in the middle of an interval of `hour_s` seconds, with nobody in it."""
    rule = InjectiveRule()
    next_s = (now_s // hour_s + 1) * hour_s
    funding = Funding(rule.hourly_cap, rule.hourly_interest, hour_s, next_s, next_s - hour_s)
    return Market(rules, funding, mark)
