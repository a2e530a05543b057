"""A small market: prices that walk and jump, funding rates that change their regime every half hour or so.

All of it is drawn beforehand, so that asking is a look into a table: prices every ten seconds, rates every minute.
"""

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hedged.buffer.ring import BarWindow
from hedged.domain.bars import BAR_MS, N_FIELDS, Field
from hedged.domain.clock import HOUR_MS, SECOND_MS
from hedged.domain.funding import FundingRate, Settlement
from hedged.domain.market import INJECTIVE, Costs, Market, SeriesKey, decimal_of
from hedged.simulate.dice import Dice

STEP_MS = 10 * SECOND_MS
RATE_STEP_MS = 60 * SECOND_MS
PAST_MS = 52 * HOUR_MS
"""What is known of the time before the run: enough for the spread of two days' moves."""
VENUES = (INJECTIVE, "binance", "bybit")
INTERVALS_H = {INJECTIVE: 1, "binance": 1, "bybit": 8}
PRICES = {"BTC": (60_000.0, "0.1", "0.001"), "ETH": (3_000.0, "0.01", "0.01"), "IMX": (1.5, "0.0001", "1")}
"""First price, tick and step of each coin."""
SIGMA_STEP = 0.0003
BASIS_SIGMA = 0.0002
HIGH_RATE = 0.0004
"""Rates per hour lie between this and its mirror image: high enough that hedging is worth its costs within a day."""


class SimMarket:
    """What all venues quote from `from_ms` − PAST_MS to `to_ms`; nothing moves after `quiet_ms`."""

    def __init__(self, dice: Dice, from_ms: int, to_ms: int, quiet_ms: int) -> None:
        self.start_ms = (from_ms - PAST_MS) // HOUR_MS * HOUR_MS
        self.keys = tuple(
            SeriesKey(venue, symbol)
            for venue in VENUES
            for symbol in PRICES
            if (venue, symbol) != (INJECTIVE, "IMX")
        )
        self._row = {key: row for row, key in enumerate(self.keys)}
        steps = (to_ms - self.start_ms) // STEP_MS + 2
        self._marks = self._walk(dice, steps, (quiet_ms - self.start_ms) // STEP_MS)
        minutes = (to_ms - self.start_ms) // RATE_STEP_MS + 2
        self._rates = self._regimes(dice, minutes, (quiet_ms - self.start_ms) // RATE_STEP_MS)
        self.markets = {key: _rules(key) for key in self.keys}

    def _walk(self, dice: Dice, steps: int, quiet: int) -> NDArray[np.float64]:
        rng = dice.numpy
        rows = []
        moves = {symbol: rng.normal(0.0, SIGMA_STEP, steps) for symbol in PRICES}
        for move in moves.values():
            for at in rng.integers(0, steps, 2):  # a few minutes in which everything goes one way
                move[at : at + 24] += rng.choice((-1, 1)) * rng.uniform(0.0005, 0.0025)
            move[max(quiet, 0) :] = 0.0
        for key in self.keys:
            basis = np.repeat(rng.normal(0.0, BASIS_SIGMA, steps // 60 + 1), 60)[:steps]
            basis[max(quiet, 0) :] = basis[min(max(quiet, 0), steps - 1)]
            rows.append(PRICES[key.symbol][0] * np.exp(np.cumsum(moves[key.symbol]) + basis))
        return np.array(rows)

    def _regimes(self, dice: Dice, minutes: int, quiet: int) -> NDArray[np.float64]:
        rng = dice.numpy
        rows = []
        for key in self.keys:
            row = np.empty(minutes)
            at = 0
            while at < minutes:
                lasts = int(rng.integers(20, 90))
                size = rng.uniform(0.1, 1.0) * HIGH_RATE * (1.0 if key.venue == INJECTIVE else 0.7)
                row[at : at + lasts] = size * rng.choice((-1, 1)) if rng.random() < 0.8 else 1.25e-5
                at += lasts
            row[max(quiet, 0) :] = row[min(max(quiet, 0), minutes - 1)]
            rows.append(row)
        return np.array(rows)

    def mark(self, key: SeriesKey, at_ms: int) -> float:
        """Return the mark price."""
        return float(self._marks[self._row[key], self._step(at_ms, STEP_MS, self._marks)])

    def price(self, key: SeriesKey, at_ms: int) -> Decimal:
        """Return the mark price on the tick."""
        return self.markets[key].quantise_price(decimal_of(round(self.mark(key, at_ms), 8)))

    def rate(self, key: SeriesKey, at_ms: int) -> float:
        """Return the rate per hour of the regime of an instant: what a perfect forecaster would know."""
        return float(self._rates[self._row[key], self._step(at_ms, RATE_STEP_MS, self._rates)])

    def _step(self, at_ms: int, every_ms: int, table: NDArray[np.float64]) -> int:
        return min(max(0, at_ms - self.start_ms) // every_ms, len(table[0]) - 1)

    def window(self, until_ms: int) -> BarWindow:
        """Return the bars of the past, as an earlier run would have kept them."""
        first = (
            -(-self.start_ms // BAR_MS) + 32
        )  # eight hours later: the longest interval has settled by then
        times_ms = np.arange(first, until_ms // BAR_MS + 1, dtype=np.int64) * BAR_MS
        values = np.full((len(self.keys), len(times_ms), N_FIELDS), np.nan, dtype=np.float32)
        marks = self._marks[:, (times_ms - self.start_ms) // STEP_MS]
        rates = self._rates[:, (times_ms - self.start_ms) // RATE_STEP_MS]
        hours = np.array([INTERVALS_H[key.venue] for key in self.keys])[:, None]
        due_ms = times_ms // (hours * HOUR_MS) * hours * HOUR_MS
        settled = np.take_along_axis(self._rates, (due_ms - 1 - self.start_ms) // RATE_STEP_MS, axis=1)
        told = {
            Field.MARK: marks, Field.INDEX: marks * 0.9999, Field.PREMIUM: rates * 8, Field.FUNDING_ESTIMATE: rates,
            Field.FUNDING_SETTLED: settled, Field.SETTLED_INTERVAL_H: hours, Field.INTERVAL_H: hours,
            Field.SETTLES_IN_S: (due_ms + hours * HOUR_MS - times_ms) / SECOND_MS,
            Field.SETTLED_AGO_S: (times_ms - due_ms) / SECOND_MS, Field.OPEN_INTEREST: 1_000.0 + rates * 1e5,
        }  # fmt: skip
        for field, series in told.items():
            values[:, :, field] = series
        ages_s = np.where(np.isnan(values), np.nan, 0).astype(np.float32)
        return BarWindow(self.keys, BAR_MS, times_ms, values, ages_s)

    def last_due_ms(self, venue: str, at_ms: int) -> int:
        """Return the last settlement at or before an instant."""
        every_ms = INTERVALS_H[venue] * HOUR_MS
        return at_ms // every_ms * every_ms

    def settlement(self, key: SeriesKey, due_ms: int) -> Settlement:
        """Return the print of a settlement."""
        hours = INTERVALS_H[key.venue]
        rate = decimal_of(round(self.rate(key, due_ms - 1) * hours, 10))
        return Settlement(key, due_ms, FundingRate(key.venue, rate, Decimal(hours)), self.price(key, due_ms))


def _rules(key: SeriesKey) -> Market:
    _, tick, step = PRICES[key.symbol]
    here = key.venue == INJECTIVE
    costs = Costs(
        Decimal("-0.00005") if here else Decimal("0.0002"),
        Decimal("0.0005"),
        Decimal("0.0001"),
        Decimal(500_000) if here else Decimal(2_000_000),
    )
    return Market(
        key, Decimal(tick), Decimal(step), Decimal(1) if here else Decimal(5),
        Decimal("0.083333") if here else Decimal("0.05"), Decimal("0.05") if here else Decimal("0.025"), costs,
    )  # fmt: skip
