"""Columns that stand where an outside signal would: noise, walks, one that knows, and what can be made of market data.

A signal is an array (rows, hours) on the hourly grid `HOURS_MS`; a row is all of the market or one coin. What the model
reads of it is what the product reads: its deviation from its own last 30 days (`features/tabular_trade.py`, moods).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.adapters.replay.series import SeriesData
from hedged.domain.clock import DAY_MS, HOUR_MS
from hedged.domain.market import SeriesKey
from hedged.features.points import Array, Points, Rolling
from hedged.features.samples import Samples
from hedged.features.tabular_trade import _deviation  # the very formula that is served

JUMP = 3.0
"""An hour's change of open interest beyond this many of its usual sizes is a jump."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Values (rows, hours) from `from_ms` on, hour by hour; `coins` names the rows, () for one of the whole market."""

    from_ms: int
    values: Array
    coins: tuple[str, ...] = ()

    def at(self, samples: Samples) -> Array:
        """Return its deviation at the samples' origins, NaN where it does not speak of the coin. (n,)."""
        cols = (samples.origin_ms - self.from_ms) // HOUR_MS
        row_of = {coin: row for row, coin in enumerate(self.coins)}
        rows = np.array([row_of.get(key.symbol, -1) if self.coins else 0 for key in samples.keys])
        rows = rows[samples.series]
        told = rows >= 0
        out = np.full(len(samples), np.nan)
        with np.errstate(invalid="ignore"):
            out[told] = _deviation(self.values, Points(rows[told], cols[told]))
        return out

    def shifted(self, rng: np.random.Generator) -> "Signal":
        """Turn it round in time by 90 days or more: its own habits are kept, what it says of any hour is not."""
        hours = self.values.shape[1]
        by = int(rng.integers(90 * 24, hours - 90 * 24))
        return Signal(self.from_ms, np.roll(self.values, by, axis=1), self.coins)


def noise(from_ms: int, to_ms: int, rng: np.random.Generator) -> Signal:
    """Return one number a day for all, independent from day to day."""
    return Signal(from_ms, _daily(rng.normal(size=_days(from_ms, to_ms))))


def walk(from_ms: int, to_ms: int, rng: np.random.Generator) -> Signal:
    """Return one number a day for all that walks at random, as an index of mood seems to."""
    return Signal(from_ms, _daily(rng.normal(size=_days(from_ms, to_ms)).cumsum()))


def knowing(innovation: Array, correlation: float, rng: np.random.Generator) -> Array:
    """Return a column that has this correlation with the standardised innovation of each row. (n,)."""
    blind = rng.normal(size=len(innovation))
    told: Array = correlation * innovation + np.sqrt(1.0 - correlation**2) * blind
    return told


def normal_scores(x: Array, rng: np.random.Generator) -> Array:
    """Return the ranks of x as quantiles of a standard normal law, ties in random order; NaN stays. (n,)."""
    from scipy.special import ndtri

    known = np.flatnonzero(~np.isnan(x))
    order = np.lexsort((rng.random(len(known)), x[known]))
    out = np.full(len(x), np.nan)
    out[known[order]] = ndtri((np.arange(len(known)) + 0.5) / len(known))
    return out


def fear_and_greed(series: Mapping[SeriesKey, SeriesData], from_ms: int, to_ms: int) -> Signal:
    """Return an index 0 (fear) … 100 (greed) of Bitcoin's hourly candles on Binance, told once a day at 0 UTC.

    Alternative.me publishes its weights: volatility 25, momentum and volume 25, social media 15, surveys 15, dominance
    10, trends 10. Prices and volume give the first two, which share the whole here. σ: standard deviation of hourly
    returns; m over k days: (log close − its mean of k days) ÷ (σ of k days · √168); v: volume of a day ÷ that of 30.

        volatility   50 − 25 tanh(ln(σ7d / σ30d)) − 25 tanh(ln(σ7d / σ90d))
        momentum     50 + 25 tanh(v · m30d) + 25 tanh(v · m90d)
    """
    hours = _hours(from_ms, to_ms)
    data = series[SeriesKey("binance", "BTC")]
    close = np.log(data.close.at(hours)[0])[None]
    volume = Rolling(data.volume.at(hours)[0][None])
    change = np.concatenate((np.full((1, 1), np.nan), np.diff(close, axis=1)), axis=1)
    square, level = Rolling(change**2), Rolling(close)
    every = Points(np.zeros(len(hours), np.int64), np.arange(len(hours)))

    def sigma(days: int) -> Array:
        return np.sqrt(square.mean(every, days * 24))

    with np.errstate(invalid="ignore", divide="ignore"):
        rush = volume.mean(every, 24) / volume.mean(every, 720)
        calm, mood = np.full(len(hours), 50.0), np.full(len(hours), 50.0)
        for days in (30, 90):
            calm = calm - 25.0 * np.tanh(np.log(sigma(7) / sigma(days)))
            far = (close[0] - level.mean(every, days * 24)) / (sigma(days) * np.sqrt(168.0))
            mood = mood + 25.0 * np.tanh(rush * far)
    index = (25.0 * calm + 25.0 * mood) / 50.0
    return Signal(from_ms, _daily(index[::24])[:, : len(hours)])


def whales(series: Mapping[SeriesKey, SeriesData], from_ms: int, to_ms: int) -> Signal:
    """Return for each coin what jumps of Bybit's hourly open interest added up to over a day, in usual hours' changes.

    A jump is a change of the logarithm beyond JUMP times its root mean square of 30 days. Known at each hour.
    """
    hours, rows, coins = _hours(from_ms, to_ms), [], []
    for key, data in sorted(series.items()):
        if key.venue != "bybit" or len(data.open_interest.known_ms) < 24 * 365:
            continue
        log = np.log(data.open_interest.at(hours)[0])[None]
        change = np.concatenate((np.full((1, 1), np.nan), np.diff(log, axis=1)), axis=1)
        every = Points(np.zeros(len(hours), np.int64), np.arange(len(hours)))
        usual = np.sqrt(Rolling(change**2).mean(every, 720))
        with np.errstate(invalid="ignore", divide="ignore"):
            size = change[0] / usual
        jumps = np.where(np.isnan(size), np.nan, np.where(np.abs(size) > JUMP, size, 0.0))
        rows.append(Rolling(jumps[None]).mean(every, 24) * 24)
        coins.append(key.symbol)
    return Signal(from_ms, np.stack(rows), tuple(coins))


def daily_innovation(samples: Samples, scores: Array) -> Array:
    """Return for each row the mean of `scores` over all rows of its day, standardised over days. (n,)."""
    day = samples.origin_ms // DAY_MS
    days, of_row = np.unique(day, return_inverse=True)
    known = ~np.isnan(scores)
    total = np.bincount(of_row, np.where(known, scores, 0.0), len(days))
    mean = total / np.maximum(np.bincount(of_row, known, len(days)), 1)
    standard: Array = ((mean - mean.mean()) / mean.std())[of_row]
    return standard


def one_a_day(samples: Samples, column: Array) -> Array:
    """Return for each row the column's value at the first row of its day. (n,)."""
    _, first, of_row = np.unique(samples.origin_ms // DAY_MS, return_index=True, return_inverse=True)
    return column[first][of_row]


def _hours(from_ms: int, to_ms: int) -> NDArray[np.int64]:
    return np.arange(from_ms, to_ms, HOUR_MS, dtype=np.int64)


def _days(from_ms: int, to_ms: int) -> int:
    return -(-(to_ms - from_ms) // DAY_MS)


def _daily(values: Array) -> Array:
    return np.repeat(values, 24)[None]
