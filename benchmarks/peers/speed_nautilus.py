"""`python speed_nautilus.py COINS BARS`: the speed run through nautilus_trader's BacktestEngine (1.x or 2.x).

Each leg's bars, and its prints as FundingRateUpdate heard before the bar that ends with them. The strategy keeps leg
A's last rate and, at each of its bars, opens or closes both legs by market orders. Netting, one margin account, fees as
given. 2.x settles funding; 1.x only hands the rates to the strategy.
"""

import sys
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import nautilus_trader
from nautilus_trader.model import (
    Bar,
    BarType,
    Currency,
    FundingRateUpdate,
    InstrumentId,
    Money,
    Price,
    Quantity,
    Symbol,
    Venue,
)
from nautilus_trader.trading import Strategy

sys.path.insert(0, str(Path(__file__).parent))
from speed_data import COINS, ENTER, FEE, LEAVE, Leg, legs
from speed_log import Phases

V2 = nautilus_trader.__version__.startswith("2.")
if V2:
    from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.execution import MakerTakerFeeModel
    from nautilus_trader.model import AccountType, CryptoPerpetual, OmsType, OrderSide
else:
    from nautilus_trader.backtest.config import BacktestEngineConfig
    from nautilus_trader.backtest.engine import BacktestEngine
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.instruments import CryptoPerpetual
phases = Phases()
phases.end("import")

NS = 10**9
USDT = Currency.from_str("USDT")
SIZE = Quantity.from_str(f"{COINS:.3f}")


def identity(leg_name: str) -> InstrumentId:
    return InstrumentId.from_str(f"{leg_name}USDT-PERP.BINANCE")


def bar_type(leg_name: str) -> BarType:
    return BarType.from_str(f"{identity(leg_name)}-1-HOUR-LAST-EXTERNAL")


def perpetual(leg: Leg) -> Any:
    fees = {} if V2 else {"maker_fee": Decimal(str(FEE)), "taker_fee": Decimal(str(FEE))}
    return CryptoPerpetual(
        instrument_id=identity(leg.name), raw_symbol=Symbol(f"{leg.name}USDT"), base_currency=Currency.from_str("ETH"),
        quote_currency=USDT, settlement_currency=USDT, is_inverse=False, price_precision=2, size_precision=3,
        price_increment=Price.from_str("0.01"), size_increment=Quantity.from_str("0.001"), ts_event=0, ts_init=0,
        margin_init=Decimal("0.05"), margin_maint=Decimal("0.025"), **fees,
    )  # fmt: skip


def bars_of(leg: Leg) -> list[Bar]:
    """Return the leg's bars, each known at its end."""
    kind, made = bar_type(leg.name), []
    columns = zip(
        leg.opens.tolist(), leg.highs.tolist(), leg.lows.tolist(), leg.closes.tolist(), leg.volumes.tolist(),
        (leg.ends_s * NS).tolist(), strict=True,
    )  # fmt: skip
    for opened, high, low, closed, volume, at in columns:
        made.append(
            Bar(
                kind,
                Price(opened, 2),
                Price(high, 2),
                Price(low, 2),
                Price(closed, 2),
                Quantity(volume, 3),
                at,
                at,
            )
        )
    return made


def rates_of(leg: Leg) -> list[FundingRateUpdate]:
    which, minutes = identity(leg.name), leg.hours * 60
    return [
        FundingRateUpdate(which, Decimal(f"{rate:.10f}"), at, at, interval=minutes)
        for rate, at in zip(leg.rates.tolist(), (leg.prints_s * NS).tolist(), strict=True)
    ]


class Pair(Strategy):
    """Short A and long B while A's last rate per 8 h is above ENTER, flat below LEAVE."""

    coins: tuple[str, ...] = ()

    def on_start(self) -> None:
        self.rate: dict[str, float] = {}
        self.other: dict[str, InstrumentId] = {}
        self.held: set[str] = set()
        for coin in self.coins:
            a, b = identity(f"{coin}A"), identity(f"{coin}B")
            self.other[str(a)] = b
            for leg in (f"{coin}A", f"{coin}B"):
                self.subscribe_bars(bar_type(leg))
            self.subscribe_funding_rates(a)

    def on_funding_rate(self, told: FundingRateUpdate) -> None:
        self.rate[str(told.instrument_id)] = float(told.rate) * 8

    def on_bar(self, bar: Bar) -> None:
        a = bar.bar_type.instrument_id
        name = str(a)
        b = self.other.get(name)
        if b is None:
            return
        rate = self.rate.get(name, 0.0)
        if rate > ENTER and name not in self.held:
            self.held.add(name)
            self.market(a, OrderSide.SELL)
            self.market(b, OrderSide.BUY)
        elif rate < LEAVE and name in self.held:
            self.held.discard(name)
            self.market(a, OrderSide.BUY)
            self.market(b, OrderSide.SELL)

    def market(self, which: InstrumentId, side: OrderSide) -> None:
        self.submit_order(self.order_factory.market(which, side, SIZE))


def main(coins: int, bars: int) -> None:
    warnings.filterwarnings("ignore", "Timestamp.utcnow")  # nautilus_trader's own, with pandas 3
    quiet = {"bypass_logging": True} if V2 else {"logging": LoggingConfig(bypass_logging=True)}
    engine = BacktestEngine(BacktestEngineConfig(**quiet))
    engine.add_venue(
        venue=Venue("BINANCE"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=None,
        starting_balances=[Money(100_000_000, USDT)],
        **({"fee_model": MakerTakerFeeModel(Decimal(str(FEE)), Decimal(str(FEE)))} if V2 else {}),
    )
    for coin in range(coins):
        for leg in reversed(
            legs(coin, bars)
        ):  # leg A's bar is heard last, so that both legs fill at this hour's end
            engine.add_instrument(perpetual(leg))
            engine.add_data(rates_of(leg), sort=False)
            engine.add_data(bars_of(leg), sort=False)
    engine.sort_data()
    strategy = Pair()
    strategy.coins = tuple(f"P{coin:02d}" for coin in range(coins))
    engine.add_strategy(strategy)
    phases.end("load")
    engine.run()
    phases.end("run")
    cache = engine.cache() if callable(engine.cache) else engine.cache
    total = cache.account_for_venue(Venue("BINANCE")).balance_total(USDT).as_decimal()
    phases.say(
        f"nautilus_trader {'2' if V2 else '1'}", nautilus_trader.__version__, coins=coins, bars=bars,
        orders=len(cache.orders()), realised_usd=round(float(total) - 100_000_000, 2),
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
