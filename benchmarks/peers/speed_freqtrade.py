"""`python speed_freqtrade.py COINS BARS`: the speed run through freqtrade's Backtesting, its exchange mocked.

Both legs of each coin are pairs with hourly candles, marks and prints in feather files, all written beforehand. The
strategy reads leg A's prints with the data provider and gives both legs their signals; freqtrade settles funding.
Loading the candles counts as loading, the strategy's indicators as running.
"""

import sys
import tempfile
from pathlib import Path

import freqtrade
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import freqtrade_rig as rig
from speed_data import COINS, FEE, HOUR_S, Leg, legs
from speed_log import Phases

phases = Phases()
phases.end("import")
STRATEGY = """
from freqtrade.strategy import IStrategy
import pandas as pd


class S(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1h"
    can_short = True
    stoploss = -0.99
    minimal_roi = {"0": 1000}
    startup_candle_count = 0
    use_exit_signal = True

    def populate_indicators(self, df, metadata):
        leg_a = metadata["pair"].replace("B/", "A/")
        told = self.dp.get_pair_dataframe(pair=leg_a, timeframe="1h", candle_type="funding_rate")
        rate = "funding_rate" if "funding_rate" in told.columns else "open"
        # a candle is known at its end, and so is the print of that instant
        known = pd.DataFrame({"date": told["date"] - pd.Timedelta(hours=1), "rate": told[rate] * 8})
        df = df.merge(known, on="date", how="left")
        df["rate"] = df["rate"].ffill().fillna(0.0)
        return df

    def populate_entry_trend(self, df, metadata):
        side = "enter_long" if "B/" in metadata["pair"] else "enter_short"
        df[side] = (df["rate"] > 1e-4).astype(int)
        return df

    def populate_exit_trend(self, df, metadata):
        side = "exit_long" if "B/" in metadata["pair"] else "exit_short"
        df[side] = (df["rate"] < 0).astype(int)
        return df

    def custom_stake_amount(self, pair, current_time, current_rate, *args, **kwargs):
        return COINS * current_rate

    def leverage(self, *args, **kwargs):
        return 1.0
"""


def pair_of(leg: Leg) -> str:
    return f"{leg.name}/USDT:USDT"


def write(folder: Path, coins: int, bars: int) -> list[str]:
    """Write both legs of every coin; return the pairs."""
    (folder / "data" / "futures").mkdir(parents=True)
    (folder / "strategies").mkdir()
    text = STRATEGY.replace("COINS", str(COINS))
    (folder / "strategies" / "S.py").write_text(text, encoding="utf-8")
    pairs = []
    for coin in range(coins):
        for leg in legs(coin, bars):
            begins = pd.to_datetime(leg.ends_s - HOUR_S, unit="s", utc=True)
            frame = pd.DataFrame(
                {
                    "date": begins, "open": leg.opens, "high": leg.highs, "low": leg.lows, "close": leg.closes,
                    "volume": leg.volumes,
                }
            )  # fmt: skip
            prints = pd.to_datetime(leg.prints_s, unit="s", utc=True)
            told = pd.DataFrame({"date": prints, "funding_rate": leg.rates})
            pairs.append(pair_of(leg))
            for kind, what in (("futures", frame), ("mark", frame), ("funding", told)):
                rig.store(folder / "data", pairs[-1], "1h", kind, what)
    return pairs


def main(coins: int, bars: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        pairs = write(Path(name), coins, bars)
        rig.offline(pairs, FEE)
        made = rig.backtesting(Path(name), pairs, "1h", dry_run_wallet=100_000_000, fee=FEE)
        phases.end("prepare")
        data, timerange = made.load_bt_data()
        phases.end("load")
        trades = rig.run(made, data, timerange)
        phases.end("run")
    phases.say(
        "freqtrade", freqtrade.__version__, coins=coins, bars=bars, orders=2 * len(trades),
        funding_usd=round(float(trades["funding_fees"].sum()), 2),
        realised_usd=round(float(trades["profit_abs"].sum()), 2),
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
