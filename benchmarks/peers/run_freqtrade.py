"""The funding scenarios through freqtrade's Backtesting, in that tool's own environment.

`python run_freqtrade.py` puts its answers into results.json; README.md says how the environment is made.

Fed: minute candles, hourly mark candles, and the prints as funding rates, all as the feather files that `freqtrade
download-data` would write. A signal stands on the candle before, so that the order fills at the scenario's minute;
changes of a position come from adjust_trade_position. No fees, leverage 1.
"""

import sys
import tempfile
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import freqtrade
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import freqtrade_rig as rig
from funding_scenarios import SCENARIOS, START, Scenario, price_profit
from peer_results import keep, text

PAIR, OTHER = "XYZ/USDT:USDT", "BTC/USDT:USDT"
FED = (
    "Backtesting, isolated futures, leverage 1, no fees, its exchange mocked as its own tests mock it; minute candles, "
    "hourly marks and the prints as funding_rate in feather files; entries and exits by signals, other changes by "
    "adjust_trade_position, all at the open of the scenario's minute"
)
STRATEGY = Path(__file__).parent / "freqtrade_scripted.py"


def minutes(count: int, step: int = 1) -> list[datetime]:
    return [START + timedelta(minutes=m) for m in range(0, count, step)]


def candles(scenario: Scenario, times: list[datetime]) -> pd.DataFrame:
    prices = [float(scenario.price(int((t - START).total_seconds()) // 60)) for t in times]
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    return pd.DataFrame({"date": pd.to_datetime(times, utc=True), **columns, "volume": 1_000.0})


def write(folder: Path, scenario: Scenario) -> None:
    """Write the pair, and a second one that is recorded to the end, so that the run goes on after a delisting."""
    (folder / "data" / "futures").mkdir(parents=True)
    (folder / "strategies").mkdir()
    (folder / "strategies" / "S.py").write_text(STRATEGY.read_text(encoding="utf-8"), encoding="utf-8")
    for pair, end in ((PAIR, scenario.recorded_minutes), (OTHER, scenario.end)):
        rig.store(folder / "data", pair, "1m", "futures", candles(scenario, minutes(end + 1)))
        rig.store(folder / "data", pair, "1h", "mark", candles(scenario, minutes(end + 1, 60)))
        dates = [START + timedelta(minutes=p.minute) for p in scenario.prints]
        rates = [float(p.rate) for p in scenario.prints]
        told = pd.DataFrame({"date": pd.to_datetime(dates, utc=True), "funding_rate": rates})
        rig.store(folder / "data", pair, "1h", "funding", told)


def play(scenario: Scenario) -> tuple[Decimal, Decimal, list[str]]:
    """Return the funding of all trades, their profit beyond the price's own, and how each was closed."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), scenario)
        made = rig.backtesting(Path(name), [PAIR, OTHER], "1m", fee=0.0)
        made.strategylist[0].trades_wanted = [
            (START + timedelta(minutes=m), float(c)) for m, c in scenario.trades
        ]
        data, timerange = made.load_bt_data()
        trades = rig.run(made, data, timerange)
    funding = Decimal(str(trades["funding_fees"].sum()))
    profit = Decimal(str(trades["profit_abs"].sum())) - price_profit(scenario)
    how = [
        f"{t.open_date:%d %H:%M}–{t.close_date:%d %H:%M} {t.amount} {t.exit_reason}"
        for t in trades.itertuples()
    ]
    return funding, profit, how


def main() -> None:
    rig.offline([PAIR, OTHER], fee=0.0)
    answers = {}
    for scenario in SCENARIOS:
        funding, profit, how = play(scenario)
        print(scenario.name, scenario.usd, text(funding), text(profit), how)
        if text(funding) != text(profit):
            raise RuntimeError(f"{scenario.name}: the trades' profit disagrees with their funding")
        answers[scenario.name] = text(funding)
    keep("freqtrade", freqtrade.__version__, FED, answers)


if __name__ == "__main__":
    main()
