"""Small histories and settings that the planner's yardstick is tested on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hedged.adapters.replay.series import SeriesData, Track
from hedged.config import Config
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.evaluation.hedging.history import HedgeHistory, history_of
from hedged.evaluation.hedging.setting import Setting, preset
from hedged.strategy.state import LegCosts

START_MS = 1_700_006_400_000 // DAY_MS * DAY_MS


def series(venue: str, per_hour: Sequence[float], hours: int = 1, start_ms: int = START_MS) -> SeriesData:
    """One print every `hours`; candles at 100 USD every hour."""
    rate = np.asarray(per_hour, dtype=float)
    ts = start_ms + np.arange(len(rate)) * hours * HOUR_MS
    every = start_ms + np.arange(len(rate) * hours) * HOUR_MS
    close = Track(every, np.full(len(every), 100.0))
    return SeriesData(
        SeriesKey(venue, "BTC"), ts, rate * hours, np.full(len(rate), float(hours)), np.full(len(rate), np.nan),
        close=close, candle_ms=np.full(len(every), HOUR_MS),
    )  # fmt: skip


def history(own: Sequence[float], there: Sequence[float] | None = None, there_hours: int = 1) -> HedgeHistory:
    """Hourly rates of the own venue, and of Binance where `there` is given, in prints of `there_hours`."""
    known = {SeriesKey(INJECTIVE, "BTC"): series(INJECTIVE, own)}
    if there is not None:
        known[SeriesKey("binance", "BTC")] = series("binance", there, there_hours)
    keys = tuple(known)
    return history_of(known, keys, keys, START_MS, START_MS + len(own) * HOUR_MS)


def setting(name: str = "relocation", per_usd: float = 6e-4, **changes: object) -> Setting:
    """A preset at costs that are easy to follow: `per_usd` at both venues, no impact, no charge on capital."""
    found = preset(name, Config())
    costs = {venue: LegCosts(per_usd, 0.0) for venue in (found.own, *found.venues)}
    return replace(found.with_planner(capital_rate_per_year=0.0), costs=costs, **changes)
