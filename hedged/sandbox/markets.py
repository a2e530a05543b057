"""What the simulated venues are: their markets' rules and costs, and how lively each coin is.

Injective's margins, fees and cap are those of the recorded snapshot of 2025-09-03; the CEXs' are of the usual size.
Order matters: column i of every simulated array is `SERIES[i]`.
"""

from dataclasses import dataclass
from decimal import Decimal

from hedged.domain.funding import PremiumRule
from hedged.domain.injective import InjectiveRule
from hedged.domain.market import INJECTIVE, Costs, Market, SeriesKey

VENUES = (INJECTIVE, "binance", "bybit")
SYMBOLS = ("INJ", "BTC", "ETH")
SERIES = tuple(SeriesKey(venue, symbol) for venue in VENUES for symbol in SYMBOLS)
INJECTIVE_COLUMNS = slice(0, len(SYMBOLS))
"""Columns of the Injective markets in an array whose last axis follows `SERIES`."""


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """One perpetual. Price in USD, quantities in coins, ratios and `half_spread` fractions, depth on one side.

    `rate_cap` bounds the funding rate of one interval of `interval_h` hours. `open_interest_usd` is where open
    interest starts, one side counted.
    """

    venue: str
    symbol: str
    price_tick: Decimal
    quantity_step: Decimal
    min_notional_usd: Decimal
    initial_margin_ratio: Decimal
    maintenance_margin_ratio: Decimal
    half_spread: Decimal
    depth_usd: Decimal
    interval_h: int
    rate_cap: Decimal
    open_interest_usd: float

    @property
    def key(self) -> SeriesKey:
        """Name of the series."""
        return SeriesKey(self.venue, self.symbol)

    @property
    def rule(self) -> InjectiveRule | PremiumRule:
        """The formula that turns this market's premium into its rate."""
        if self.venue == INJECTIVE:
            return InjectiveRule(hourly_cap=self.rate_cap, interval_s=self.interval_h * 3_600)
        return PremiumRule(interval_h=Decimal(self.interval_h), cap=self.rate_cap)

    def market(self) -> Market:
        """Return the trading rules in the daemon's own terms. Injective pays its makers, the CEXs charge them."""
        maker_fee = Decimal("-0.00005") if self.venue == INJECTIVE else Decimal("0.0002")
        return Market(
            key=self.key,
            price_tick=self.price_tick,
            quantity_step=self.quantity_step,
            min_notional_usd=self.min_notional_usd,
            initial_margin_ratio=self.initial_margin_ratio,
            maintenance_margin_ratio=self.maintenance_margin_ratio,
            costs=Costs(maker_fee, Decimal("0.0005"), self.half_spread, self.depth_usd),
        )


def _row(venue: str, symbol: str, numbers: str) -> SimulatedMarket:
    """Read one row of the table below: the numbers in the order of SimulatedMarket's fields."""
    *rules, interval_h, rate_cap, open_interest_usd = numbers.split()
    tick, step, minimum, initial, maintenance, half_spread, depth = map(Decimal, rules)
    return SimulatedMarket(
        *(venue, symbol, tick, step, minimum, initial, maintenance, half_spread, depth),
        *(int(interval_h), Decimal(rate_cap), float(open_interest_usd)),
    )


SIMULATED_MARKETS = (
    #                      tick  step   min initial  maint. half-sp. depth_usd  h cap     open_interest_usd
    _row(INJECTIVE, "INJ", "0.001 0.001  1   0.033333 0.02   0.0002   150_000    1 0.000625 3_000_000"),
    _row(INJECTIVE, "BTC", "1     0.0001 1   0.019231 0.01   0.0001   500_000    1 0.000625 12_000_000"),
    _row(INJECTIVE, "ETH", "0.1   0.001  1   0.019231 0.01   0.00015  250_000    1 0.000625 4_000_000"),
    _row("binance", "INJ", "0.001 0.1    5   0.02     0.01   0.0001   1_500_000  8 0.02     60_000_000"),
    _row("binance", "BTC", "0.1   0.001  50  0.01     0.005  0.00005  40_000_000 8 0.003    8_000_000_000"),
    _row("binance", "ETH", "0.01  0.001  20  0.01     0.005  0.00005  25_000_000 8 0.003    5_000_000_000"),
    _row("bybit", "INJ", "0.001 0.1    5   0.02     0.01   0.00015  800_000    4 0.01     25_000_000"),
    _row("bybit", "BTC", "0.1   0.001  5   0.01     0.005  0.00005  20_000_000 8 0.005    5_000_000_000"),
    _row("bybit", "ETH", "0.01  0.01   5   0.01     0.005  0.00005  12_000_000 8 0.005    2_500_000_000"),
)
"""Every simulated market, in the order of `SERIES`."""


@dataclass(frozen=True, slots=True)
class SimulatedCoin:
    """How one coin moves and how it trades on Injective. Premiums are fractions of the price.

    `annual_volatility`: of log returns; `market_loading`: their correlation with the market's. `usual_premium`:
    Injective's mean outside hot regimes. `sentiment`: standard deviation of the premium's slow part. `hot_with`: the
    coin whose hot regimes it shares; `hot_scale`: their size on Injective relative to INJ's; `cex_hot_share`: what
    part of it the CEXs show; `longest_cold_days`: bound on the time between two that are its own. `trades_per_hour`:
    blocks with trades at 15:00 UTC, of which `night_share` is left at 03:00. `trade_noise`: standard deviation of one
    block's VWAP around the premium; `trade_usd`: its median size.
    """

    symbol: str
    start_price: float
    annual_volatility: float
    market_loading: float
    usual_premium: float
    sentiment: float
    hot_with: str
    hot_scale: float
    cex_hot_share: float
    longest_cold_days: float
    trades_per_hour: float
    night_share: float
    trade_noise: float
    trade_usd: float


SIMULATED_COINS = (
    SimulatedCoin("INJ", 14.0, 1.05, 0.65, 4.0e-4, 3.4e-4, "INJ", 1.0, 0.38, 14.0, 16.0, 0.30, 8e-4, 2_500.0),
    SimulatedCoin(
        "BTC", 65_000.0, 0.45, 0.95, 2.0e-4, 3.4e-4, "BTC", 0.36, 1.0, 40.0, 24.0, 0.40, 3e-4, 15_000.0
    ),
    SimulatedCoin(
        "ETH", 3_000.0, 0.60, 0.87, 2.0e-4, 3.4e-4, "BTC", 0.36, 1.0, 40.0, 5.0, 0.04, 5e-4, 6_000.0
    ),
)
"""Every simulated coin, in the order of `SYMBOLS`. ETH is Injective's thin market: most of its nights are silent.

Volatilities, loadings, premiums and hot shares are those that bring the table of docs/simulator.md to the recorded one;
INJ's and BTC's levels on Injective are their true means of 2023 … 2025, 44 and 15 % a year.
"""


def simulated_markets() -> dict[SeriesKey, Market]:
    """Return the trading rules of every simulated market, by series, in the order of `SERIES`."""
    return {simulated.key: simulated.market() for simulated in SIMULATED_MARKETS}
