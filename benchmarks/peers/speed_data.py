"""The same markets for every engine: M coins on two perpetuals each, hourly bars, deterministic. numpy alone.

Leg A settles each hour, leg B every eight hours. A print at an hour is known at that hour's bar's end. Rates are an
AR(1) with a standard deviation of 1.15 bp per 8 h, so that the rule (short A and long B while A's last rate is above
1 bp per 8 h, flat below zero) trades now and then.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

START_S = 1_577_836_800  # 2020-01-01
HOUR_S = 3_600
ENTER, LEAVE = 1e-4, 0.0
"""Of leg A's last rate per 8 h: a short of A against a long of B is opened above the first, closed below the second."""
FEE = 0.0004
COINS = 1.0
SD_8H, KEPT_8H = 1.15e-4, 0.9


@dataclass(frozen=True, slots=True)
class Leg:
    """Bars by their end (s since the epoch) and prints. `rates` as fractions for their own `hours`."""

    name: str
    ends_s: NDArray[np.int64]
    opens: NDArray[np.float64]
    highs: NDArray[np.float64]
    lows: NDArray[np.float64]
    closes: NDArray[np.float64]
    volumes: NDArray[np.float64]
    prints_s: NDArray[np.int64]
    rates: NDArray[np.float64]
    hours: int

    def last_per_8h(self) -> NDArray[np.float64]:
        """Return the last rate known at each bar's end, per 8 h; 0 before the first."""
        index = np.searchsorted(self.prints_s, self.ends_s, side="right") - 1
        return np.where(index >= 0, self.rates[index] * 8 / self.hours, 0.0)


def legs(coin: int, bars: int, bar_s: int = HOUR_S) -> tuple[Leg, Leg]:
    """Return both perpetuals of a coin."""
    rng = np.random.default_rng(coin)
    spread = 0.003 * np.sqrt(bar_s / HOUR_S * 4)
    price = np.clip(2_000 * np.exp(np.cumsum(rng.normal(-0.5 * spread**2, spread, bars))), 200, 20_000)
    near = price * (1 + rng.normal(0, 2e-4, bars))
    hours = bars * bar_s // HOUR_S
    kept = KEPT_8H ** (1 / 8)
    noise = rng.normal(0, SD_8H * np.sqrt(1 - kept**2), hours)
    per_8h = np.empty(hours)
    last = 0.0
    for hour in range(hours):
        last = kept * last + noise[hour]
        per_8h[hour] = last
    other = 0.5 * per_8h[7::8] + rng.normal(0, 3e-5, hours // 8)
    start = START_S + HOUR_S * np.arange(1, hours + 1)
    ends = START_S + bar_s * np.arange(1, bars + 1)
    one = _leg(f"P{coin:02d}A", ends, price, rng, start, per_8h / 8, 1)
    return one, _leg(f"P{coin:02d}B", ends, near, rng, start[7::8], other, 8)


def _leg(
    name: str,
    ends: NDArray[np.int64],
    closes: NDArray[np.float64],
    rng: np.random.Generator,
    prints_s: NDArray[np.int64],
    rates: NDArray[np.float64],
    hours: int,
) -> Leg:
    closes = closes.round(2)
    opens = np.concatenate((closes[:1], closes[:-1]))
    wide = 1 + np.abs(rng.normal(0, 0.001, (2, len(closes))))
    highs = (np.maximum(opens, closes) * wide[0]).round(2)
    lows = (np.minimum(opens, closes) / wide[1]).round(2)
    return Leg(
        name, ends, opens, highs, lows, closes, rng.uniform(10, 1_000, len(closes)).round(3), prints_s,
        rates.round(10), hours,
    )  # fmt: skip
