"""`features.moments` at every bar of a chunk at once, from running sums: equal to it but for the last digits.

What a window of hours says is the difference of two cumulated sums. Rates are those known at the bar: a print that is
told later than the hour in which it settled belongs to that hour only from then on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.batch.bars import Floats, Instants, Singles
from hedged.backtest.batch.seen import Seen
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.features.moments import (
    MIN_BASIS_SIGMA,
    MIN_SIGMA_PER_HOUR,
    MIN_USUAL_H,
    USUAL_H,
    WINDOW_H,
    Moments,
)

Bars = tuple[Instants, Singles, Singles, Singles, Singles]
"""Ends; marks, rates, hours, seconds since the settlement."""
STILL = 1e-16
"""Variance of hourly moves below which a price stood still: what cumulated sums leave of nothing."""


@dataclass(frozen=True, slots=True)
class Movements:
    """By bar of a chunk; `hour_of` (bars,): columns of what changes by the hour. `sigma` (symbols, hours), `basis`
    (series, hours; 0 on Injective), `correlation` (hours, symbols, symbols) and
    whether that is `sound` (hours,): known, and a correlation matrix; `usual` (series, bars), NaN unknown.
    """

    horizon_h: int
    keys: tuple[SeriesKey, ...]
    symbols: tuple[str, ...]
    hour_of: Instants
    sigma: Floats
    basis: Floats
    correlation: Floats
    sound: NDArray[np.bool_]
    usual: Floats

    def at(self, bar: int) -> Moments:
        """Return the moments at a bar, as the daemon has them."""
        hour = self.hour_of[bar]
        usual = self.usual[:, bar].tolist()
        return Moments(
            self.horizon_h,
            self.symbols,
            dict(zip(self.symbols, self.sigma[:, hour].tolist(), strict=True)),
            {
                key: sigma
                for key, sigma in zip(self.keys, self.basis[:, hour].tolist(), strict=True)
                if key.venue != INJECTIVE and key.symbol in self.symbols
            },
            self.correlation[hour],
            {key: rate for key, rate in zip(self.keys, usual, strict=True) if rate == rate},
        )


class Past:
    """Bars that a window of hours reaches back to: the end of the last chunk, to go before the next."""

    def __init__(self, keys: Sequence[SeriesKey], bar_ms: int, history_h: int, horizon_h: int) -> None:
        self._keys, self._bar_ms, self._horizon_h = tuple(keys), bar_ms, horizon_h
        self.window_h = min(WINDOW_H, history_h)
        empty = np.empty((len(keys), 0), np.float32)
        self._bars: Bars = (np.empty(0, np.int64), empty, empty, empty, empty)

    def then(self, seen: Seen) -> Movements:
        """Return the movements at the bars of a chunk, and keep its end."""
        before = self._bars
        bars: Bars = (
            np.concatenate((before[0], seen.times_ms)),
            np.concatenate((before[1], seen.bar_mark), axis=1),
            np.concatenate((before[2], seen.bar_rate), axis=1),
            np.concatenate((before[3], seen.bar_hours), axis=1),
            np.concatenate((before[4], seen.bar_ago_s), axis=1),
        )
        first = max(0, len(bars[0]) - (self.window_h + 2) * HOUR_MS // self._bar_ms)
        times_ms, *parts = bars
        mark, rate, hours, ago_s = (part[:, first:].copy() for part in parts)
        self._bars = (times_ms[first:].copy(), mark, rate, hours, ago_s)
        return self._movements(bars, len(seen.times_ms))

    def _movements(self, bars: Bars, n: int) -> Movements:
        times_ms = bars[0]
        first, last = -(-int(times_ms[0]) // HOUR_MS), int(times_ms[-1]) // HOUR_MS
        hours_ms = np.arange(first, last + 1, dtype=np.int64) * HOUR_MS
        at_hour = np.searchsorted(times_ms, hours_ms, side="right") - 1
        of_bar = times_ms[-n:] // HOUR_MS - first  # the last whole hour of each bar
        begin = max(0, int(of_bar[0]))
        wanted = np.arange(begin, len(hours_ms))
        with np.errstate(divide="ignore", invalid="ignore"):
            marks = bars[1][:, at_hour].astype(np.float64)
            log_marks = np.log(np.where(marks > 0, marks, np.nan))
        row = {key: i for i, key in enumerate(self._keys)}
        symbols = tuple(key.symbol for key in self._keys if key.venue == INJECTIVE)
        here = np.array([row[SeriesKey(INJECTIVE, symbol)] for symbol in symbols], dtype=int)
        place = {symbol: i for i, symbol in enumerate(symbols)}
        near = np.array(
            [here[place[key.symbol]] if key.symbol in place else i for i, key in enumerate(self._keys)]
        )
        moves = np.diff(
            log_marks[here], axis=1, prepend=np.nan
        )  # column h: the move of the hour that ends there
        h, w = self._horizon_h, self.window_h
        ratio = log_marks - log_marks[near]
        change = np.full_like(ratio, np.nan)
        change[:, h:] = ratio[:, h:] - ratio[:, :-h]
        sigma = np.maximum(_spread(moves, wanted, w - 1), MIN_SIGMA_PER_HOUR) * h**0.5
        basis = np.maximum(_spread(change, wanted, w - h), MIN_BASIS_SIGMA)
        together = _correlations(moves, wanted, w - 1)
        return Movements(
            h, self._keys, symbols, of_bar - begin, sigma, basis, together, _sound(together, moves, wanted, w - 1),
            self._usual(bars, times_ms, hours_ms, n),
        )  # fmt: skip

    def _usual(self, bars: Bars, times_ms: Instants, hours_ms: Instants, n: int) -> Floats:
        at_ms = times_ms[-n:]
        out = np.full((len(self._keys), n), np.nan)
        column = at_ms // HOUR_MS - hours_ms[0] // HOUR_MS
        scale = 2.0 ** ((np.arange(len(hours_ms)) - len(hours_ms) / 2) / USUAL_H)
        before = np.maximum(column - self.window_h, -1)
        enough = (1 - 0.5 ** (MIN_USUAL_H / USUAL_H)) * USUAL_H / np.log(2)
        for i in range(len(self._keys)):
            ts_ms, seen_ms, rate = _prints(times_ms, bars[2][i], bars[3][i], bars[4][i])
            padded = np.concatenate(([np.nan], rate))  # number 0: none yet
            number = np.searchsorted(ts_ms, hours_ms, side="right")
            level = padded[number]
            known = np.isfinite(level)
            sums = np.cumsum(np.stack((scale * known, scale * np.where(known, level, 0.0))), axis=1)
            sums = np.concatenate((np.zeros((2, 1)), sums), axis=1)
            total = sums[:, column + 1] - sums[:, before + 1]
            told = np.searchsorted(seen_ms, at_ms, side="right")
            back = 0
            # hours in which a print settled that the bar does not know yet still have the rate before it
            while back < self.window_h and (late := number[np.maximum(column - back, 0)] > told).any():
                at = np.maximum(column - back, 0)
                was, now = level[at], padded[told]
                for value, sign in ((was, -1.0), (now, 1.0)):
                    fine = late & np.isfinite(value)
                    total[0] += np.where(fine, sign * scale[at], 0.0)
                    total[1] += np.where(fine, sign * scale[at] * np.where(fine, value, 0.0), 0.0)
                back += 1
            weight = total[0] / scale[column]
            mean = total[1] / np.maximum(total[0], 1e-12 * scale[column])
            out[i] = np.where(weight >= enough, mean, np.nan)
        return out


def _prints(
    times_ms: Instants, rate: Singles, hours: Singles, ago_s: Singles
) -> tuple[Instants, Instants, Floats]:
    """Return the settlements that bars show: instants, the bars that showed them first, rates per hour."""
    shown = np.flatnonzero(~np.isnan(rate) & (hours > 0) & ~np.isnan(ago_s))
    ts_ms = np.round((times_ms[shown] - ago_s[shown].astype(np.float64) * 1_000) / MINUTE_MS)
    ts_ms, first = np.unique(ts_ms.astype(np.int64) * MINUTE_MS, return_index=True)
    shown = shown[first]
    seen_ms: Instants = times_ms[shown]
    return ts_ms.astype(np.int64), seen_ms, rate[shown].astype(np.float64)


def _windowed(values: Floats, wanted: Instants, window: int) -> Floats:
    """Return sums over the last `window` columns, up to each wanted one: (..., columns) → (..., wanted)."""
    sums = np.cumsum(values, axis=-1)
    sums = np.concatenate((np.zeros((*values.shape[:-1], 1)), sums), axis=-1)
    return sums[..., wanted + 1] - sums[..., np.maximum(wanted + 1 - window, 0)]


def _spread(values: Floats, wanted: Instants, window: int) -> Floats:
    """Return the standard deviation of what is known of the last `window` columns; 0 with fewer than two."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    n, total, squares = (_windowed(x, wanted, window) for x in (known * 1.0, filled, filled**2))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares / n - (total / n) ** 2
    out: Floats = np.where((n > 1) & (variance > STILL), np.sqrt(np.maximum(variance, 0.0)), 0.0)
    return out


def _correlations(moves: Floats, wanted: Instants, window: int) -> Floats:
    """Correlate pair by pair over the hours in which both are known; NaN with fewer than three: (wanted, n, n)."""
    known = np.isfinite(moves) * 1.0
    x = np.where(known > 0, moves, 0.0)

    def pairs(a: Floats, b: Floats) -> Floats:
        out: Floats = np.moveaxis(_windowed(a[:, None, :] * b[None, :, :], wanted, window), -1, 0)
        return out

    n, xy, sums, squares = pairs(known, known), pairs(x, x), pairs(x, known), pairs(x * x, known)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / n  # (hours, i, j): of i where j is known too
        variance = squares / n - mean**2
        both = np.swapaxes(mean, 1, 2), np.swapaxes(variance, 1, 2)
        out: Floats = (xy / n - mean * both[0]) / np.sqrt(variance * both[1])
    out = np.where((n > 2) & (variance > STILL) & (both[1] > STILL), np.clip(out, -1.0, 1.0), np.nan)
    out[:, np.arange(len(moves)), np.arange(len(moves))] = 1.0
    return out


def _sound(together: Floats, moves: Floats, wanted: Instants, window: int) -> NDArray[np.bool_]:
    """Tell at which hours it is a correlation matrix: one that is measured pair by pair over gaps may not be."""
    whole = (_windowed(np.isfinite(moves) * 1.0, wanted, window) == np.minimum(window, wanted + 1)).all(
        axis=0
    )
    known: NDArray[np.bool_] = np.asarray(np.isfinite(together).all(axis=(1, 2)))
    gaps: Instants = np.flatnonzero(np.logical_and(known, np.logical_not(whole)))
    for hour in gaps.tolist():
        known[hour] = np.linalg.eigvalsh(together[hour])[0] >= 0
    return known
