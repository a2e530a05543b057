"""Where the market stands at any instant: pure functions of time, so that present and past agree without a memory.

Slow waves of several periods, the same for one seed; `shock` bends the path from an instant on. Rates are fractions per
interval as Binance, Bybit and OKX print them.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.funding import PremiumRule
from hedged.domain.market import decimal_of
from hedged.sandbox.cex.instruments import Instrument

CAP = Decimal("0.02")
SAMPLES = 24
"""Instants by which an interval's mean premium is taken."""
PERIODS_H = (0.7, 5.0, 26.0, 190.0)


@dataclass(frozen=True, slots=True)
class Print:
    """A settlement: `rate` for `interval_h` hours up to `ts_ms`, and the mark it was charged at."""

    ts_ms: int
    rate: Decimal
    interval_h: int
    mark: Decimal


@dataclass(slots=True)
class Path:
    """The story of one market. `intervals`: (from ms, hours), ascending; `shocks`: (from ms, factor of the price).

    `followed`: (from ms, index) that another market dictates; before the first of them the waves lead up to it.
    """

    instrument: Instrument
    seed: int
    price_swing: float = 0.02
    premium_swing: float = 0.002
    premium_mean: float = 0.0
    intervals: list[tuple[int, int]] = field(default_factory=list)
    shocks: list[tuple[int, Decimal]] = field(default_factory=list)
    followed: list[tuple[int, Decimal]] = field(default_factory=list)

    def mark(self, ts_ms: int) -> Decimal:
        """Return the mark price, on a finer grid than the tick, as exchanges print it."""
        return _grid(self.index(ts_ms) * (1 + decimal_of(self.premium(ts_ms))), self.instrument.tick / 100)

    def index(self, ts_ms: int) -> Decimal:
        """Return the index price."""
        factor = Decimal(1)
        for from_ms, by in self.shocks:
            if from_ms <= ts_ms:
                factor *= by
        return _grid(self._level(ts_ms) * factor, self.instrument.tick / 100)

    def follow(self, ts_ms: int, index: Decimal) -> None:
        """Take the index of another market from an instant on."""
        if not self.followed or self.followed[-1][1] != index:
            self.followed.append((ts_ms, index))

    def _level(self, ts_ms: int) -> Decimal:
        at = bisect_right(self.followed, ts_ms, key=lambda one: one[0])
        if at:
            return self.followed[at - 1][1]
        level = self.instrument.price * decimal_of(1 + self._wave(ts_ms, 0) * self.price_swing)
        if self.followed:
            first_ms, first = self.followed[0]
            joined = self.instrument.price * decimal_of(1 + self._wave(first_ms, 0) * self.price_swing)
            level *= first / joined
        return level

    def premium(self, ts_ms: int) -> float:
        """Return (mark − index) ÷ index."""
        return round(self.premium_mean + self._wave(ts_ms, 1) * self.premium_swing, 8)

    def premium_exact(self, ts_ms: int) -> Decimal:
        """Return the premium as a decimal."""
        return decimal_of(self.premium(ts_ms))

    def open_interest(self, ts_ms: int) -> Decimal:
        """Return the open interest in coins, a multiple of the step."""
        coins = self.instrument.open_interest_usd / self.instrument.price
        return _grid(coins * decimal_of(1 + 0.1 * self._wave(ts_ms, 2)), self.instrument.step)

    def shock(self, ts_ms: int, factor: Decimal) -> None:
        """Multiply the price by `factor` from an instant on."""
        self.shocks.append((ts_ms, factor))

    def interval_h(self, ts_ms: int) -> int:
        """Return the hours of the interval that ends at or after an instant."""
        found = bisect_right(self.intervals, (ts_ms, 10**9)) - 1
        return self.intervals[found][1] if found >= 0 else self.instrument.interval_h

    def change_interval(self, ts_ms: int, hours: int) -> int:
        """Settle every `hours` hours once the coming settlement has passed; return when that is."""
        from_ms = self.next_settlement_ms(ts_ms)
        self.intervals = [row for row in self.intervals if row[0] < from_ms]
        self.intervals.append((from_ms, hours))
        return from_ms

    def next_settlement_ms(self, ts_ms: int) -> int:
        """Return the first settlement strictly after an instant."""
        span = self.interval_h(ts_ms) * HOUR_MS
        return (ts_ms // span + 1) * span

    def estimate(self, ts_ms: int) -> Decimal:
        """Return the running estimate of the coming settlement, per interval."""
        due_ms = self.next_settlement_ms(ts_ms)
        hours = self.interval_h(ts_ms)
        return self._rate(due_ms - hours * HOUR_MS, max(ts_ms, due_ms - hours * HOUR_MS + MINUTE_MS), hours)

    def prints(self, since_ms: int, until_ms: int) -> list[Print]:
        """Return the settlements with since < ts ≤ until, oldest first."""
        found, at_ms = [], since_ms
        while (at_ms := self.next_settlement_ms(at_ms)) <= until_ms:
            hours = self.interval_h(at_ms - 1)
            found.append(
                Print(at_ms, self._rate(at_ms - hours * HOUR_MS, at_ms, hours), hours, self.mark(at_ms))
            )
        return found

    def _rate(self, from_ms: int, to_ms: int, hours: int) -> Decimal:
        step = (to_ms - from_ms) / SAMPLES
        mean = sum(self.premium(int(from_ms + step * (n + 0.5))) for n in range(SAMPLES)) / SAMPLES
        rate = PremiumRule(Decimal(hours), CAP).rate(decimal_of(mean))
        return rate.quantize(Decimal("0.00000001"))

    def _wave(self, ts_ms: int, kind: int) -> float:
        """Return a number in about ±1."""
        total = 0.0
        for n, period_h in enumerate(PERIODS_H):
            phase = math.fmod((self.seed * 7 + kind * 3 + n * 5) * 0.6180339887, 1.0)
            total += math.sin(2 * math.pi * (ts_ms / (period_h * HOUR_MS) + phase)) * (n + 1)
        return total / sum(range(1, len(PERIODS_H) + 1))


Candle = tuple[Decimal, Decimal, Decimal, Decimal]


def candle(value: Callable[[int], Decimal], open_ms: int, bar_ms: int, now_ms: int) -> Candle:
    """Return (open, high, low, close) of a bar; one that is under way closes now."""
    first, last = value(open_ms), value(min(open_ms + bar_ms, now_ms))
    return first, max(first, last), min(first, last), last


def _grid(value: Decimal, unit: Decimal) -> Decimal:
    return (value / unit).to_integral_value() * unit
