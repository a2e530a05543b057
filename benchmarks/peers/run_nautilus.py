"""The funding scenarios through nautilus_trader's BacktestEngine (1.x or 2.x), in that tool's own environment.

`python run_nautilus.py` puts its answers into results.json; README.md says how the environment is made.

Fed each minute: a mark price and a quote with bid = ask. Prints are told in both ways of the guide "Backtest accounts
and margin" (at the boundary, or ahead with next_funding_ns), and trades are sent in two ways, by a time alert or when
the quote of that instant is heard: where they disagree it stops, so that no answer is an accident of the feeding.
"""

import sys
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import nautilus_trader
from nautilus_trader.model import (
    Currency,
    FundingRateUpdate,
    InstrumentId,
    MarkPriceUpdate,
    Money,
    Price,
    Quantity,
    QuoteTick,
    Symbol,
    Venue,
)
from nautilus_trader.trading import Strategy

sys.path.insert(0, str(Path(__file__).parent))
from funding_scenarios import SCENARIOS, START_S, Print, Scenario, Trade, price_profit
from peer_results import keep, text

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

MINUTE_NS = 60 * 10**9
VENUE = Venue("BINANCE")
PERP = InstrumentId.from_str("ETHUSDT-PERP.BINANCE")
USDT = Currency.from_str("USDT")
COLLATERAL = 100_000
FED = (
    "BacktestEngine, netting, margin, no fees; a mark and a quote with bid = ask every minute; each print as a "
    "FundingRateUpdate with its interval, at its instant before or after the quote, or two minutes ahead with "
    "next_funding_ns; orders from a time alert or from the quote's handler. All six ways gave the same answers"
)


def ns(minute: int) -> int:
    return START_S * 10**9 + minute * MINUTE_NS


def perpetual() -> Any:
    """Return a linear perpetual without fees."""
    fees = {} if V2 else {"maker_fee": Decimal(0), "taker_fee": Decimal(0)}
    return CryptoPerpetual(
        instrument_id=PERP,
        raw_symbol=Symbol("ETHUSDT"),
        base_currency=Currency.from_str("ETH"),
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=2,
        size_precision=3,
        price_increment=Price.from_str("0.01"),
        size_increment=Quantity.from_str("0.001"),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.025"),
        **fees,
    )


def engine() -> Any:
    """Return an engine with one venue: netting, margin, no latency, fills at the quote."""
    quiet = {"bypass_logging": True} if V2 else {"logging": LoggingConfig(bypass_logging=True)}
    made = BacktestEngine(BacktestEngineConfig(**quiet))
    made.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=None,
        starting_balances=[Money(COLLATERAL, USDT)],
        **({"fee_model": MakerTakerFeeModel(Decimal(0), Decimal(0))} if V2 else {}),
    )
    made.add_instrument(perpetual())
    return made


def update(told: Print, at_ns: int, next_ns: int | None = None) -> FundingRateUpdate:
    return FundingRateUpdate(
        PERP, Decimal(told.rate), at_ns, at_ns, interval=told.hours * 60, next_funding_ns=next_ns
    )


def feed(scenario: Scenario, way: str) -> list[Any]:
    """Return marks and quotes of every minute and the prints, in the order in which they are heard.

    `way`: a print comes `first` or `last` of what has its instant, or two minutes `ahead`, with next_funding_ns.
    """
    size = Quantity.from_str("1000000.000")
    data: list[tuple[int, int, Any]] = []
    for minute in range(scenario.recorded_minutes + 1):
        price, at = Price.from_str(f"{Decimal(scenario.price(minute)):.2f}"), ns(minute)
        data.append((at, 1, MarkPriceUpdate(PERP, price, at, at)))
        data.append((at, 2, QuoteTick(PERP, price, price, size, size, at, at)))
    for due in scenario.prints:
        at = ns(due.minute)
        if way == "ahead":
            data.append((at - 2 * MINUTE_NS, 3, update(due, at - 2 * MINUTE_NS, at)))
        else:
            data.append((at, 0 if way == "first" else 3, update(due, at)))
    for told_minute, coming in scenario.announced:
        data.append((ns(told_minute), 3, update(coming, ns(told_minute), ns(coming.minute))))
    return [datum for _, _, datum in sorted(data, key=lambda d: d[:2])]


class Scripted(Strategy):
    """Trades at given instants."""

    trades: tuple[Trade, ...] = ()
    on_quotes = False

    def on_start(self) -> None:
        self.subscribe_quotes(PERP) if V2 else self.subscribe_quote_ticks(PERP)
        self.subscribe_funding_rates(PERP)
        if not self.on_quotes:
            for trade in self.trades:
                self.clock.set_time_alert_ns(
                    str(trade.minute), ns(trade.minute), lambda e: self.go(int(e.name))
                )

    def on_quote_tick(self, tick: Any) -> None:
        self.on_quote(tick)

    def on_quote(self, tick: Any) -> None:
        minute, rest = divmod(int(tick.ts_event) - ns(0), MINUTE_NS)
        if self.on_quotes and not rest:
            self.go(minute)

    def go(self, minute: int) -> None:
        for trade in self.trades:
            if trade.minute == minute:
                side = OrderSide.BUY if Decimal(trade.coins) > 0 else OrderSide.SELL
                coins = Quantity.from_str(f"{abs(Decimal(trade.coins)):.3f}")
                self.submit_order(self.order_factory.market(PERP, side, coins))


def play(scenario: Scenario, way: str, *, on_quotes: bool) -> Decimal:
    """Return the funding that the account had, USD."""
    made = engine()
    made.add_data(feed(scenario, way))
    strategy = Scripted()
    strategy.trades, strategy.on_quotes = scenario.trades, on_quotes
    made.add_strategy(strategy)
    made.run(end=ns(scenario.end))
    cache = made.cache() if callable(made.cache) else made.cache
    filled = sum(order.filled_qty.as_decimal() for order in cache.orders())
    if filled != sum(abs(Decimal(trade.coins)) for trade in scenario.trades):
        raise RuntimeError(f"{scenario.name}: {filled} coins were filled")
    last = Price.from_str(f"{Decimal(scenario.price(scenario.recorded_minutes)):.2f}")
    held = sum(p.unrealized_pnl(last).as_decimal() for p in cache.positions_open())
    total = cache.account_for_venue(VENUE).balance_total(USDT).as_decimal() + held
    made.dispose()
    return total - COLLATERAL - price_profit(scenario)


def main() -> None:
    warnings.filterwarnings("ignore", "Timestamp.utcnow")  # nautilus_trader's own, with pandas 3
    answers = {}
    for scenario in SCENARIOS:
        told = {
            f"{way}, {'quote' if on_quotes else 'alert'}": text(play(scenario, way, on_quotes=on_quotes))
            for way in ("first", "last", "ahead")
            for on_quotes in (False, True)
        }
        print(scenario.name, scenario.usd, told)
        if len(set(told.values())) != 1:
            raise RuntimeError(f"{scenario.name}: the ways of feeding it do not agree: write both down")
        answers[scenario.name] = told["last, alert"]
    keep("nautilus_trader 2" if V2 else "nautilus_trader 1", nautilus_trader.__version__, FED, answers)


if __name__ == "__main__":
    main()
