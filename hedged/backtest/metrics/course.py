"""A way of hedging as money by symbol and day: what every figure of a run is reckoned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.forced import while_held
from hedged.backtest.runner import RunResult, Window
from hedged.domain.clock import DAY_MS
from hedged.domain.funding import Settlement, funding_payment
from hedged.domain.market import INJECTIVE

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Days:
    """The days (UTC) of a window, the first and the last perhaps in part. `first`: since the epoch."""

    first: int
    count: int

    @classmethod
    def of(cls, window: Window) -> "Days":
        """Return the days that a window touches."""
        first = window.from_ms // DAY_MS
        return cls(first, (window.to_ms - 1) // DAY_MS - first + 1)

    def place(self, ts_ms: int) -> int:
        """Return the number of the day of an instant within the window."""
        return min(max(ts_ms // DAY_MS - self.first, 0), self.count - 1)


@dataclass(frozen=True, slots=True)
class Course:
    """One way of hedging. USD by symbol and day, (symbols, days), rows as `symbols`: funding that it saved against the
    unhedged book, what its orders cost (fees, half-spread, impact, latency), and their notional. `every_h`: hours
    between decisions, None where there are none or the daemon's cycle makes them.
    """

    name: str
    symbols: tuple[str, ...]
    saved_usd: Floats
    cost_usd: Floats
    turnover_usd: Floats
    every_h: int | None = None

    @property
    def net_usd(self) -> Floats:
        """Net saving, (symbols, days)."""
        return self.saved_usd - self.cost_usd


@dataclass(frozen=True, slots=True)
class Unhedged:
    """The trader's own positions left alone. USD by symbol and day, (symbols, days): `funding_usd` > 0 received;
    `paid_usd` ≥ 0 what was paid at those settlements at which something was paid.
    """

    symbols: tuple[str, ...]
    funding_usd: Floats
    paid_usd: Floats


def unhedged(
    own: Mapping[str, Decimal], settlements: Sequence[Settlement], days: Days, symbols: Sequence[str]
) -> Unhedged:
    """Pay Injective's prints on the own positions (signed coins), whatever was held beside them."""
    row = {symbol: i for i, symbol in enumerate(symbols)}
    funding, paid = np.zeros((2, len(symbols), days.count))
    for settlement in settlements:
        at = row.get(settlement.key.symbol)
        quantity = own.get(settlement.key.symbol)
        if at is None or not quantity:
            continue
        usd = float(funding_payment(quantity, settlement).payment_usd)
        day = days.place(settlement.ts_ms)
        funding[at, day] += usd
        paid[at, day] += max(0.0, -usd)
    return Unhedged(tuple(symbols), funding, paid)


def course_of(
    result: RunResult,
    own: Mapping[str, Decimal],
    settlements: Sequence[Settlement],
    days: Days,
    symbols: Sequence[str],
) -> Course:
    """Return the run itself. A saving is all funding that was settled less that of the unhedged book, print by print:
    where nothing was changed it is exactly zero.
    """
    row = {symbol: i for i, symbol in enumerate(symbols)}
    saved, cost, turnover = np.zeros((3, len(symbols), days.count))
    owed = {
        (s.key, s.ts_ms): funding_payment(own.get(s.key.symbol, Decimal(0)), s).payment_usd
        for s in settlements
    }
    for payment in result.payments:
        due = payment.settlement
        usd = payment.payment_usd - owed.pop((due.key, due.ts_ms), Decimal(0))
        saved[row[due.key.symbol], days.place(due.ts_ms)] += float(usd)
    for (key, ts_ms), usd in owed.items():  # nothing was held there at all
        if key.symbol in row:
            saved[row[key.symbol], days.place(ts_ms)] -= float(usd)
    for fill in result.fills:
        at = row[fill.key.symbol], days.place(fill.execution.ts_ms)
        cost[at] += float(fill.execution.fee_usd + fill.spread_usd)
        turnover[at] += float(fill.execution.quantity * fill.execution.price)
    return Course("hedged", tuple(symbols), saved, cost, turnover)


def as_paid(settlements: Sequence[Settlement], result: RunResult) -> list[Settlement]:
    """Return Injective's prints at the prices that the run paid them at, which differ where a price was in doubt; none
    of a position that the venue has closed by force, which an unhedged book would have lost as well.
    """
    paid = {(p.settlement.key, p.settlement.ts_ms): p.settlement for p in result.payments}
    return [paid.get((s.key, s.ts_ms), s) for s in while_held(settlements, result.accounts)]


def held_symbols(result: RunResult) -> tuple[str, ...]:
    """Return the symbols that a run held or traded, in order."""
    own = {symbol for _, venue, symbol, _ in result.book if venue == INJECTIVE}
    paid = {payment.settlement.key.symbol for payment in result.payments}
    return tuple(sorted(own | paid | {fill.key.symbol for fill in result.fills}))
