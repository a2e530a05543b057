"""Further coins of the sandbox, for rehearsals with many markets. The simulator's own three are in `markets`."""

from dataclasses import dataclass
from decimal import Decimal

from hedged.domain.market import INJECTIVE, decimal_of
from hedged.sandbox.cex.instruments import Instrument
from hedged.sandbox.markets import SIMULATED_COINS, SIMULATED_MARKETS, SYMBOLS, SimulatedMarket


@dataclass(frozen=True, slots=True)
class MoreCoin:
    """A coin with the grids that all venues share. Price in USD, `step` in coins, `interval_h` of the exchanges."""

    symbol: str
    price: Decimal
    tick: Decimal
    step: Decimal
    interval_h: int

    def on_chain(self) -> SimulatedMarket:
        """Return Injective's market: rules of a coin of middling size."""
        return SimulatedMarket(
            INJECTIVE, self.symbol, self.tick, self.step, Decimal(1), Decimal("0.05"), Decimal("0.02"),
            Decimal("0.0002"), Decimal(150_000), 1, Decimal("0.000625"), 2_000_000.0,
        )  # fmt: skip

    def at_exchange(self) -> Instrument:
        """Return an exchange's market: one coin a contract, or as many as a step holds."""
        return Instrument(
            self.symbol, self.price, self.tick, self.step, self.step, max_leverage=50,
            maintenance=Decimal("0.01"), interval_h=self.interval_h, depth_usd=Decimal(1_000_000),
            half_spread=Decimal("0.0001"), open_interest_usd=Decimal(40_000_000),
        )  # fmt: skip


def _coin(symbol: str, price: str, tick: str, step: str, interval_h: int) -> MoreCoin:
    return MoreCoin(symbol, Decimal(price), Decimal(tick), Decimal(step), interval_h)


MORE_COINS = (
    _coin("SOL", "200", "0.01", "0.1", 8),
    _coin("XRP", "2.5", "0.0001", "1", 8),
    _coin("BNB", "900", "0.01", "0.01", 8),
    _coin("DOGE", "0.2", "0.00001", "10", 8),
    _coin("ADA", "0.8", "0.0001", "1", 8),
    _coin("AVAX", "25", "0.001", "1", 8),
    _coin("LINK", "20", "0.001", "1", 8),
    _coin("DOT", "4", "0.001", "1", 8),
    _coin("LTC", "100", "0.01", "0.1", 8),
    _coin("NEAR", "3", "0.001", "1", 8),
    _coin("ATOM", "4.5", "0.001", "1", 8),
    _coin("APT", "5", "0.001", "1", 8),
    _coin("ARB", "0.45", "0.0001", "1", 8),
    _coin("OP", "0.7", "0.0001", "1", 8),
    _coin("SUI", "3.4", "0.0001", "1", 8),
    _coin("TIA", "1.5", "0.0001", "1", 4),
    _coin("SEI", "0.3", "0.0001", "1", 4),
    _coin("UNI", "9", "0.001", "1", 8),
    _coin("AAVE", "300", "0.01", "0.1", 8),
    _coin("WIF", "0.8", "0.0001", "1", 4),
    _coin("HYPE", "45", "0.001", "0.1", 4),
    _coin("ENA", "0.7", "0.0001", "1", 1),
)

ALL_SYMBOLS = (*SYMBOLS, *(coin.symbol for coin in MORE_COINS))
"""Every coin that the sandbox can list, the simulator's own first."""

START_PRICES = {one.symbol: decimal_of(one.start_price) for one in SIMULATED_COINS} | {
    coin.symbol: coin.price for coin in MORE_COINS
}
"""USD, by symbol."""

CHAIN_MARKETS = {one.symbol: one for one in SIMULATED_MARKETS if one.venue == INJECTIVE} | {
    coin.symbol: coin.on_chain() for coin in MORE_COINS
}
"""Injective's markets by symbol."""
