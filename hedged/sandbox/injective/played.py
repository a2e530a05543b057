"""A market whose hours are known beforehand, played hour by hour: a recording, or a rehearsal's tides."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from hedged.domain.injective import InjectiveRule
from hedged.domain.market import decimal_of
from hedged.sandbox.dynamics import Floats
from hedged.sandbox.injective.crowd import MARK_PLACES, Mood, Series

TRADE_MINUTES = 5
TRADE_USD = Decimal(5_000)


@dataclass(frozen=True, slots=True)
class Hours:
    """One market, hour by hour on the grid that all share: both (hours,).

    `mark`: at the begin of each hour; `premium`: within it, a fraction of the mark.
    """

    mark: Floats
    premium: Floats


class PlayedFeed:
    """Plays the hours from `first` on, each in `hour_s` seconds; those before are the past.

    Hour `first` is the funding hour that `start_ms` lies in, so that each hour's premium is that of one settlement. The
    crowd trades every five minutes of an hour at the hour's premium. At the end the market stands still.
    """

    def __init__(
        self, hours: Mapping[str, Hours], first: int, start_ms: int, hour_s: float, history_h: int = 0
    ) -> None:
        self._hour_ms = hour_s * 1_000
        self._start_ms = start_ms // self._hour_ms * self._hour_ms
        self._played = {s: Hours(h.mark[first:], h.premium[first:]) for s, h in hours.items()}
        past = range(max(0, first - history_h), first)
        self.past_rates: Mapping[str, Series] = {
            s: [_rate(float(h.premium[i])) for i in past] for s, h in hours.items()
        }
        self.past_prices: Mapping[str, Series] = {s: [_price(h, i) for i in past] for s, h in hours.items()}
        self._traded = 0

    def until(self, time_ms: int) -> Mapping[str, Mood]:
        """Return the market at an instant; between hours the mark moves in a straight line."""
        hours = max(0.0, (time_ms - self._start_ms) / self._hour_ms)
        slots = int(hours * 60 / TRADE_MINUTES)
        due, self._traded = slots - self._traded, slots
        return {symbol: _mood(played, hours, due, slots) for symbol, played in self._played.items()}


def _mood(played: Hours, hours: float, due: int, slots: int) -> Mood:
    grid = np.arange(len(played.mark))
    mark = _mark(float(np.interp(hours, grid, played.mark)))
    premium = _premium(float(played.premium[min(int(hours), len(grid) - 1)]))
    ended = hours >= len(grid)
    trades = [] if ended else [(premium, TRADE_USD * (-1) ** (slots - n)) for n in range(min(due, 60))]
    return Mood(mark, premium, trades)


def _price(hours: Hours, i: int) -> Decimal:
    """Return what the perpetual cost in the middle of an hour that another one follows."""
    mark = float(hours.mark[i : i + 2].mean())
    return _mark(mark) * (1 + _premium(float(hours.premium[i])))


def _mark(mark: float) -> Decimal:
    return decimal_of(mark).quantize(MARK_PLACES)


def _premium(premium: float) -> Decimal:
    return decimal_of(round(premium, 9))


def _rate(premium: float) -> Decimal:
    return InjectiveRule().rate_from_twap(decimal_of(premium))
