"""The bar: what is kept of every market at every step of the ring buffer.

The order of `Field` is the on-memory layout and part of the feature schema's hash: append, never reorder.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import SeriesKey

BAR_MS = 15 * 60 * 1_000
"""Default bar: fifteen minutes, aligned to UTC."""


class Field(IntEnum):
    """One number per bar and series. Rates are fractions *per hour*; > 0 means longs pay. NaN = unknown."""

    FUNDING_ESTIMATE = 0  # the venue's running estimate of the coming settlement, per hour
    FUNDING_SETTLED = 1  # the last settled rate, per hour
    SETTLED_INTERVAL_H = 2  # hours that the last settled rate covered
    INTERVAL_H = 3  # hours that the coming settlement covers
    SETTLES_IN_S = 4  # seconds from the bar to the next settlement
    MARK = 5  # mark price, USD per coin
    INDEX = 6  # index (oracle) price, USD per coin
    PREMIUM = 7  # (perpetual − index) / index, as the venue defines it for funding
    OPEN_INTEREST = 8  # coins, one side counted (Injective's two-sided figure halved)
    VOLUME = 9  # coins traded in the bar
    BID_DEPTH_USD = 10  # resting bids within 50 bp
    ASK_DEPTH_USD = 11  # resting asks within 50 bp
    LONG_SHORT_RATIO = 12  # accounts long ÷ accounts short
    LIQUIDATIONS_USD = 13  # forced closes in the bar
    SETTLED_AGO_S = 14  # seconds from the last settlement to the bar's end; its receipt may have come later
    BASIS = 15  # (perpetual − spot or index) / spot or index at a close, where no PREMIUM is told
    WALLET_CONCENTRATION = 16  # share of open interest held by the largest wallets, 0 … 1
    SENTIMENT = 17  # a score of news or posts; its own scale, only its deviation from its past is read
    MACRO = (
        18  # an outside series (a volatility or dollar index ...); only its deviation from its past is read
    )


N_FIELDS = len(Field)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one venue says about one market, as received.

    `values`: float64 (N_FIELDS,), NaN where unknown. `known_at_ms`: int64 (N_FIELDS,), the instant from which the
    value was known (receipt, not event time), 0 where unknown.
    """

    key: SeriesKey
    ts_ms: int
    values: NDArray[np.float64]
    known_at_ms: NDArray[np.int64]


class Swing(NamedTuple):
    """How far the price of a market went within a bar that has closed at `to_ms`, USD per coin."""

    symbol: str
    from_ms: int
    to_ms: int
    low: Decimal
    high: Decimal


def blank_observation(key: SeriesKey, ts_ms: int) -> Observation:
    """Make an observation in which everything is unknown."""
    return Observation(key, ts_ms, np.full(N_FIELDS, np.nan), np.zeros(N_FIELDS, dtype=np.int64))
