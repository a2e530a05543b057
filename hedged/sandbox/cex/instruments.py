"""What is listed: the rules of each perpetual, as the exchanges roughly have them."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """One linear perpetual. Prices in `quote`, quantities and `step` in coins; `contract` is coins per contract."""

    coin: str
    price: Decimal
    tick: Decimal
    step: Decimal
    contract: Decimal = Decimal(1)
    min_notional: Decimal = Decimal(5)
    max_leverage: int = 100
    maintenance: Decimal = Decimal("0.005")
    taker: Decimal = Decimal("0.0005")
    maker: Decimal = Decimal("0.0002")
    interval_h: int = 8
    depth_usd: Decimal = Decimal(4_000_000)
    half_spread: Decimal = Decimal("0.00005")
    open_interest_usd: Decimal = Decimal(800_000_000)
    quote: str = "USDT"


def _listed(*rows: tuple[str, str, str, str, str, int]) -> dict[str, Instrument]:
    return {
        coin: Instrument(
            coin, Decimal(price), Decimal(tick), Decimal(step), Decimal(contract), interval_h=hours
        )
        for coin, price, tick, step, contract, hours in rows
    }


BINANCE = _listed(
    ("BTC", "100000", "0.1", "0.001", "1", 8),
    ("ETH", "4000", "0.01", "0.001", "1", 8),
    ("INJ", "12", "0.001", "0.1", "1", 4),
)
BYBIT = _listed(
    ("BTC", "100000", "0.1", "0.001", "1", 8),
    ("ETH", "4000", "0.01", "0.01", "1", 8),
    ("INJ", "12", "0.001", "0.1", "1", 4),
)
OKX = _listed(
    # step: lot size in contracts × coins per contract
    ("BTC", "100000", "0.1", "0.0001", "0.01", 8),
    ("ETH", "4000", "0.01", "0.001", "0.1", 8),
    ("INJ", "12", "0.001", "0.1", "0.1", 4),
)
GATE = _listed(
    ("BTC", "100000", "0.1", "0.0001", "0.0001", 8),
    ("ETH", "4000", "0.01", "0.01", "0.01", 4),
    ("INJ", "12", "0.001", "0.1", "0.1", 1),
)
