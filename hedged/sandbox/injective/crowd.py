"""The simulated crowd: oracle price, quotes around the market's premium, and trades that let the premium evolve.

Fed by the hidden world of the market simulator, minute by minute. A shortened hour runs the same 60 minutes faster, so
funding rates keep their size.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import numpy as np

from hedged.domain.clock import DAY_MS
from hedged.domain.market import decimal_of
from hedged.sandbox.dynamics import MINUTES, DayPath, DayTrades, Dynamics
from hedged.sandbox.markets import INJECTIVE_COLUMNS, SYMBOLS
from hedged.sandbox.more_markets import START_PRICES

LEVELS = 10
DEPTH_SPAN = Decimal("0.005")
"""Within 50 bp of the mid stands a market's stated depth, as `Costs.depth_usd` says."""
MARK_PLACES = Decimal("0.000001")

Series = Sequence[Decimal]
"""One number of every hour before the start, oldest first."""


@dataclass(frozen=True, slots=True)
class CrowdFlow:
    """What the crowd wants in one block: (price, signed quantity) trades, and quotes (is_buy, price, quantity).

    `quotes` None leaves those of the block before.
    """

    trades: Sequence[tuple[Decimal, Decimal]] = ()
    quotes: Sequence[tuple[bool, Decimal, Decimal]] | None = None


@dataclass(frozen=True, slots=True)
class Mood:
    """Where one market stands: oracle mark, USDT; premium of the book's mid over it, fraction; blocks' trades.

    `trades`: (premium of the price over the mark, signed USDT).
    """

    mark: Decimal
    premium: Decimal
    trades: Sequence[tuple[Decimal, Decimal]] = ()


class Feed(Protocol):
    """Where prices come from."""

    def until(self, time_ms: int) -> Mapping[str, Mood]:
        """Return every market's mood at an instant, with the trades since the last call. Times never go back."""
        ...

    @property
    def past_rates(self) -> Mapping[str, Series]:
        """Hourly funding rates settled before the start, by symbol."""
        ...

    @property
    def past_prices(self) -> Mapping[str, Series]:
        """Prices at which the crowd traded in the middle of those hours, by symbol."""
        ...


class StillFeed:
    """A market in which nothing moves and nobody trades, unless a test says so."""

    def __init__(self, marks: Mapping[str, Decimal] | None = None) -> None:
        """Start at the given marks; others at the simulator's start prices."""
        self.marks = START_PRICES | dict(marks or {})
        self.premiums: dict[str, Decimal] = dict.fromkeys(self.marks, Decimal(0))
        self._trades: dict[str, list[tuple[Decimal, Decimal]]] = {symbol: [] for symbol in self.marks}

    @property
    def past_rates(self) -> Mapping[str, Series]:
        """Nothing happened before."""
        return {}

    @property
    def past_prices(self) -> Mapping[str, Series]:
        """Nobody traded before."""
        return {}

    def trade(self, symbol: str, premium: Decimal, usd: Decimal) -> None:
        """Let the crowd trade in the next block: `premium` over the mark, `usd` > 0 bought."""
        self._trades[symbol].append((premium, usd))

    def until(self, time_ms: int) -> Mapping[str, Mood]:
        """Return the marks as they were set, and the trades ordered since."""
        trades, self._trades = self._trades, {symbol: [] for symbol in self.marks}
        return {s: Mood(mark, self.premiums[s], trades[s]) for s, mark in self.marks.items()}


class SimulatedFeed:
    """The market simulator, from `start_ms` on; 60 of its minutes pass in `hour_s` seconds.

    `history_h` hours, rounded up to days, are lived through before.
    """

    def __init__(self, seed: int, start_ms: int, hour_s: float, history_h: int = 0) -> None:
        self._start_ms, self._minute_ms = start_ms, hour_s * 1_000 / 60
        self._dynamics = Dynamics(seed, first_weekday=(start_ms // DAY_MS + 3) % 7)
        days = [self._dynamics.next_day() for _ in range(-(-history_h // 24))]
        self.past_rates: Mapping[str, Series] = _hourly_rates(days, history_h)
        self.past_prices: Mapping[str, Series] = _hourly_prices(days, history_h)
        self._first_day = 0
        self._path, self._traded = self._dynamics.next_day()
        self._trade_minutes = _minutes_with_trades(self._traded)
        self._seen = -1

    def until(self, time_ms: int) -> Mapping[str, Mood]:
        """Return the minute that `time_ms` lies in, and the trades of all minutes since the last call."""
        minute = int((time_ms - self._start_ms) / self._minute_ms)
        trades: dict[str, list[tuple[Decimal, Decimal]]] = {symbol: [] for symbol in SYMBOLS}
        while minute - self._first_day >= MINUTES:
            self._collect(trades, MINUTES)
            self._path, self._traded = self._dynamics.next_day()
            self._trade_minutes = _minutes_with_trades(self._traded)
            self._first_day, self._seen = self._first_day + MINUTES, -1
        self._collect(trades, minute - self._first_day + 1)
        self._seen = max(self._seen, minute - self._first_day)
        return {symbol: self._mood(column, trades[symbol]) for column, symbol in enumerate(SYMBOLS)}

    def _mood(self, column: int, trades: Sequence[tuple[Decimal, Decimal]]) -> Mood:
        row = max(self._seen, 0)
        injective: DayPath = self._path
        mark = decimal_of(injective.mark[row, INJECTIVE_COLUMNS][column]).quantize(MARK_PLACES)
        premium = decimal_of(round(float(injective.premium[row, INJECTIVE_COLUMNS][column]), 9))
        return Mood(mark, premium, trades)

    def _collect(self, trades: dict[str, list[tuple[Decimal, Decimal]]], end: int) -> None:
        """Add the trades of minutes after the last seen one and before `end`."""
        for column, symbol in enumerate(SYMBOLS):
            rows = self._trade_minutes[column]
            for row in rows[bisect_right(rows, self._seen) : bisect_right(rows, end - 1)]:
                premium = decimal_of(round(float(self._traded.premium[row, column]), 9))
                usd = decimal_of(round(float(self._traded.usd[row, column]), 2))
                # buyers lift the offer where the market trades above its mid, sellers hit the bid
                above = (
                    self._traded.premium[row, column] >= self._path.premium[row, INJECTIVE_COLUMNS][column]
                )
                trades[symbol].append((premium, usd if above else -usd))


def _hourly_rates(days: Sequence[tuple[DayPath, DayTrades]], hours: int) -> dict[str, list[Decimal]]:
    """Return the rates that the chain settled in the last `hours` of these days."""
    if not days:
        return {}
    from hedged.sandbox.market_simulator import (  # brings polars, which is slow
        interval_rates,
        running_premium,
    )

    rates = np.vstack([interval_rates(running_premium(*day)[59::60])[:, INJECTIVE_COLUMNS] for day in days])
    columns = rates[len(rates) - hours :].T.tolist()
    return {symbol: list(map(decimal_of, column)) for symbol, column in zip(SYMBOLS, columns, strict=True)}


def _hourly_prices(days: Sequence[tuple[DayPath, DayTrades]], hours: int) -> dict[str, list[Decimal]]:
    """Return what the perpetuals cost in the middle of each of the last `hours` of these days."""
    if not days:
        return {}
    paths = [path for path, _ in days]
    price = np.vstack([(path.mark * (1 + path.premium))[30::60, INJECTIVE_COLUMNS] for path in paths])
    columns = price[len(price) - hours :].T.tolist()
    return {
        symbol: [decimal_of(usd).quantize(MARK_PLACES) for usd in column]
        for symbol, column in zip(SYMBOLS, columns, strict=True)
    }


def _minutes_with_trades(traded: DayTrades) -> list[list[int]]:
    return [np.flatnonzero(traded.traded[:, column]).tolist() for column in range(len(SYMBOLS))]


def quotes(
    mood: Mood, tick: Decimal, step: Decimal, half_spread: Decimal, depth_usd: Decimal
) -> list[tuple[bool, Decimal, Decimal]]:
    """Return LEVELS quotes a side around mark·(1 + premium): together `depth_usd` a side within 50 bp."""
    mid = mood.mark * (1 + mood.premium)
    usd = depth_usd / LEVELS
    found = []
    for level in range(LEVELS):
        away = half_spread + (DEPTH_SPAN - half_spread) * level / LEVELS
        bid = (mid * (1 - away)) // tick * tick
        ask = (mid * (1 + away)) // tick * tick + tick
        quantity = max(usd / mid // step * step, step)
        found += [(True, bid, quantity), (False, ask, quantity)]
    return found
