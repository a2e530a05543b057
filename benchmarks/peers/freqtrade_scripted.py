"""A strategy that changes its position by given coins at given minutes. `trades_wanted` is set by run_freqtrade.py."""

from datetime import datetime, timedelta
from typing import ClassVar

from freqtrade.strategy import IStrategy


class S(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    can_short = True
    stoploss = -0.99
    minimal_roi: ClassVar = {"0": 1_000}
    startup_candle_count = 0
    use_exit_signal = True
    position_adjustment_enable = True
    trades_wanted: ClassVar[list[tuple[datetime, float]]] = []

    def plan(self):
        """Return (minute, coins held before, coins held after) of each trade."""
        held, rows = 0.0, []
        for when, coins in self.trades_wanted:
            rows.append((when, held, held + coins))
            held += coins
        return rows

    def populate_indicators(self, df, metadata):
        return df

    def _mark(self, df, column, times):
        before = [t - timedelta(minutes=1) for t in times]
        df[column] = df["date"].isin(before).astype(int)

    def populate_entry_trend(self, df, metadata):
        mine = self.plan() if metadata["pair"].startswith("XYZ") else []
        for column, sign in (("enter_long", 1), ("enter_short", -1)):
            self._mark(df, column, [t for t, was, now in mine if now * sign > 0 and was * sign <= 0])
        return df

    def populate_exit_trend(self, df, metadata):
        mine = self.plan() if metadata["pair"].startswith("XYZ") else []
        for column, sign in (("exit_long", 1), ("exit_short", -1)):
            self._mark(df, column, [t for t, was, now in mine if was * sign > 0 and now * sign <= 0])
        return df

    def custom_stake_amount(self, pair, current_time, current_rate, *args, **kwargs):
        return next(abs(now) * current_rate for t, _, now in reversed(self.plan()) if t <= current_time)

    def adjust_trade_position(self, trade, current_time, current_rate, *args, **kwargs):
        for when, was, now in self.plan():
            if when == current_time and was * now > 0:
                return (abs(now) - abs(was)) * current_rate
        return None

    def leverage(self, *args, **kwargs):
        return 1.0
