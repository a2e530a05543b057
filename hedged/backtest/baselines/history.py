"""The hours of a run's window as the planner's yardstick reads them: the run's own prints, prices and venues.

Positions are constant in coins, as in the run. A print is paid at the price at which the run pays it, and counts in
the hour that it is nearest to; where a venue printed nothing, nothing is paid, as in the run.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.prices import prices_at
from hedged.adapters.replay.series import SeriesData
from hedged.backtest.runner import Window
from hedged.domain.clock import HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.evaluation.hedging.history import LEAD_H, HedgeHistory, paid_by_hour

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def window_history(
    series: Mapping[SeriesKey, SeriesData], keys: Sequence[SeriesKey], window: Window
) -> HedgeHistory | None:
    """Lay the hours of a window, and LEAD_H before, with the own market first in `keys`; None where nothing settled
    there or no price of it is known.

    The first hour ends at the window's start: what is decided then is held from the next one on.
    """
    begin, end = window.from_ms // HOUR_MS, -(-window.to_ms // HOUR_MS)
    hours = np.arange(begin - LEAD_H, end, dtype=np.int64)
    ts_ms = hours * HOUR_MS
    prices = np.stack([prices_at(series, key, ts_ms).price for key in keys])
    with np.errstate(divide="ignore"):
        log_price = np.log(prices)
    walked = _filled(prices[:, LEAD_H:])
    settled = series[keys[0]].funding_ts < window.to_ms
    if end - begin < 2 or np.isnan(walked[0, 0]) or not settled.any():
        return None
    walked = np.where(np.isnan(walked), walked[0], walked)
    first_price = walked[0, 0]
    ratio = np.ones_like(prices)
    ratio[:, LEAD_H:] = walked / first_price
    paid = np.zeros_like(prices)
    for row, key in zip(paid, keys, strict=True):
        at, usd = _paid_per_coin(series, key, window)
        np.add.at(row, np.minimum(at - hours[0], len(hours) - 1), usd / first_price)
    return HedgeHistory(
        keys=tuple(keys),
        told_by=tuple(keys),
        series={key: series[key] for key in keys},
        ts_ms=ts_ms,
        paid=paid,
        level=np.stack([paid_by_hour(series[key], hours)[1] for key in keys]),
        log_price=log_price,
        stretches=((LEAD_H, len(hours)),),
        left_out_h=0,
        price_ratio=ratio,
    )


def _paid_per_coin(
    series: Mapping[SeriesKey, SeriesData], key: SeriesKey, window: Window
) -> tuple[Ints, Floats]:
    """Return the hours in which prints within the window count, and what a long coin paid for each, USD."""
    data = series[key]
    inside = (data.funding_ts > window.from_ms) & (data.funding_ts < window.to_ms)
    ts, rate = data.funding_ts[inside], data.funding_rate[inside]
    usd = rate * prices_at(series, key, ts, settling=True).price
    known = ~np.isnan(usd)
    return (ts[known] + HOUR_MS // 2) // HOUR_MS, usd[known]


def _filled(prices: Floats) -> Floats:
    """Carry the last known price on. (venues, hours)."""
    place = np.where(np.isnan(prices), -1, np.arange(prices.shape[1]))
    last = np.maximum.accumulate(place, axis=1)
    return np.where(last >= 0, np.take_along_axis(prices, np.maximum(last, 0), axis=1), np.nan)
