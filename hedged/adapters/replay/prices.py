"""The price of a market at an instant, from what was known then.

In this order: the venue's own mark printed at that very instant; the venue's candle that has just closed; the same of
another venue (binance, bybit, okx, hyperliquid); the last candle closed within a day. Never a candle still open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.market import SeriesKey

FALLBACK_VENUES = ("binance", "bybit", "okx", "hyperliquid")
STALE_LIMIT_MS = 86_400_000


class PriceSource(IntEnum):
    """Where a price came from."""

    NONE = 0
    VENUE_MARK = 1
    VENUE_CANDLE = 2
    OTHER_VENUE = 3
    STALE_CANDLE = 4


@dataclass(frozen=True, slots=True)
class Prices:
    """`price` NaN where unknown, `known_ms` 0 there, `source` PriceSource, `venue` index into `venues`; all (n,)."""

    price: NDArray[np.float64]
    known_ms: NDArray[np.int64]
    source: NDArray[np.int64]
    venue: NDArray[np.int64]
    venues: tuple[str, ...]


def prices_at(
    series: Mapping[SeriesKey, SeriesData],
    key: SeriesKey,
    times_ms: NDArray[np.int64],
    *,
    settling: bool = False,
) -> Prices:
    """Return the price of `key` at each time; `settling`: what was paid by then, where a mark may be told later."""
    venues = (key.venue, *(v for v in FALLBACK_VENUES if v != key.venue))
    found = Prices(
        np.full(len(times_ms), np.nan),
        np.zeros(len(times_ms), np.int64),
        np.zeros(len(times_ms), np.int64),
        np.zeros(len(times_ms), np.int64),
        venues,
    )
    held = [(i, series[k]) for i, v in enumerate(venues) if (k := SeriesKey(v, key.symbol)) in series]
    for i, data in held:
        if not np.isnan(found.price).any():
            return found  # as most often by the venue's own mark
        _take(
            found,
            *_own_mark(data, times_ms, settling),
            PriceSource.VENUE_MARK if i == 0 else PriceSource.OTHER_VENUE,
            i,
        )
        price, known_ms, length_ms = _closed_candle(data, times_ms)
        fresh = np.where(times_ms - known_ms < length_ms, price, np.nan)
        _take(found, fresh, known_ms, PriceSource.VENUE_CANDLE if i == 0 else PriceSource.OTHER_VENUE, i)
    for i, data in held:
        price, known_ms, _ = _closed_candle(data, times_ms)
        young = np.where(times_ms - known_ms <= STALE_LIMIT_MS, price, np.nan)
        _take(found, young, known_ms, PriceSource.STALE_CANDLE, i)
    return found


def _take(
    found: Prices, price: NDArray[np.float64], known_ms: NDArray[np.int64], source: PriceSource, venue: int
) -> None:
    """Fill what is still unknown."""
    use = np.isnan(found.price) & ~np.isnan(price)
    found.price[use] = price[use]
    found.known_ms[use] = known_ms[use]
    found.source[use] = source
    found.venue[use] = venue


def _own_mark(
    data: SeriesData, times_ms: NDArray[np.int64], settling: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mark that the venue printed with a settlement at exactly these instants."""
    if not len(data.funding_ts):
        return np.full(len(times_ms), np.nan), times_ms
    index = np.clip(np.searchsorted(data.funding_ts, times_ms), 0, len(data.funding_ts) - 1)
    told = (data.funding_ts[index] == times_ms) & (settling | (data.told_ms[index] <= times_ms))
    return np.where(told, data.funding_mark[index], np.nan), times_ms


def _closed_candle(
    data: SeriesData, times_ms: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    price, known_ms = data.close.at(times_ms)
    if not len(data.candle_ms):
        return price, known_ms, np.zeros(len(times_ms), np.int64)
    index = np.clip(np.searchsorted(data.close.known_ms, times_ms, side="right") - 1, 0, None)
    return price, known_ms, data.candle_ms[index]
