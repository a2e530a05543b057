"""The formula of each figure that is reckoned from sums: small pure functions, the same for the window and for draws.

All take `Sums` (n,) and the frame of the run and return a `Part`; money in USD. A month has 30 days, a year 365.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.metrics.sums import Sums
from hedged.evaluation.hedging.result import IN_BP, LEAST_BP

Floats = NDArray[np.float64]
MONTH_DAYS = 30.0
YEAR_DAYS = 365.0
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Frame:
    """What a run is measured against: days of its window, gross notional of the own positions at the start, the cap,
    collateral lying at hedge venues, and the yearly charge on it.
    """

    days: float
    notional_usd: float
    cap: float
    collateral_usd: float
    capital_rate_per_year: float

    @property
    def least_usd(self) -> float:
        """What counts as nothing: LEAST_BP of notional a year over the window."""
        return LEAST_BP / IN_BP * self.notional_usd * self.days / YEAR_DAYS


class Part(NamedTuple):
    """A figure (n,), NaN unknown; numerator and denominator in USD where it is a ratio of money."""

    value: Floats
    numerator_usd: Floats | None = None
    denominator_usd: Floats | None = None


def ratio(numerator: Floats, denominator: Floats, least: float | Floats = 0.0) -> Part:
    """Divide where the denominator is above `least`; else the ratio is not known."""
    known = denominator > least
    return Part(
        np.where(known, numerator / np.where(known, denominator, 1.0), np.nan), numerator, denominator
    )


def net_saving(s: Sums, _: Frame) -> Part:
    """saved − costs."""
    return Part(s.net)


def saving_ratio(s: Sums, frame: Frame) -> Part:
    """(saved − costs) ÷ −funding of the unhedged book."""
    return ratio(s.net, -s.unhedged, frame.least_usd)


def saving_ratio_ceiling(s: Sums, frame: Frame) -> Part:
    """cap · paid ÷ −funding of the unhedged book."""
    return ratio(frame.cap * s.paid, -s.unhedged, frame.least_usd)


def saving_ratio_ceiling_full(s: Sums, frame: Frame) -> Part:
    """paid ÷ −funding of the unhedged book."""
    return ratio(s.paid, -s.unhedged, frame.least_usd)


def hedge_effectiveness(s: Sums, frame: Frame) -> Part:
    """1 − Σ loss of hedged days ÷ Σ loss of unhedged days."""
    return ratio(s.lost_unhedged - s.lost_hedged, s.lost_unhedged, frame.least_usd)


def variance_effectiveness(s: Sums, frame: Frame) -> Part:
    """1 − Var(hedged) ÷ Var(unhedged), of daily funding."""
    days = max(1.0, round(frame.days))
    with_, without = (
        np.maximum(square / days - (total / days) ** 2, 0.0)
        for square, total in ((s.hedged_squared, s.hedged), (s.unhedged_squared, s.unhedged))
    )
    noise = TINY * s.unhedged_squared / days  # funding that never changes has no variance to lower
    return Part(1 - ratio(with_, without, noise).value)


def variance_effectiveness_ceiling(s: Sums, frame: Frame) -> Part:
    """1 − (1 − cap)²."""
    return Part(np.full(len(s.saved), 1 - (1 - frame.cap) ** 2))


def foresight_share(s: Sums, frame: Frame) -> Part:
    """(saved − costs) ÷ net saving of perfect foresight."""
    return ratio(s.net, s.foresight, frame.least_usd)


def over_constant(s: Sums, _: Frame) -> Part:
    """(saved − costs) − net saving of the constant hedge."""
    return Part(s.net - s.constant)


def turnover(s: Sums, _: Frame) -> Part:
    """Σ quantity · price over all orders."""
    return Part(s.turnover)


def turnover_month(s: Sums, frame: Frame) -> Part:
    """turnover ÷ notional ÷ months."""
    months = frame.days / MONTH_DAYS
    return ratio(s.turnover / months, np.full(len(s.turnover), frame.notional_usd))


def return_on_capital(s: Sums, frame: Frame) -> Part:
    """(saved − costs) · year ÷ window ÷ collateral at hedge venues."""
    return ratio(s.net * YEAR_DAYS / frame.days, np.full(len(s.saved), frame.collateral_usd))


def monthly_funding(s: Sums, frame: Frame) -> Part:
    """−funding of the unhedged book ÷ months."""
    return Part(-s.unhedged * MONTH_DAYS / frame.days)


def break_even_monthly_funding(s: Sums, frame: Frame) -> Part:
    """(costs + charge on the collateral) a month ÷ (saved ÷ −funding of the unhedged book)."""
    charge = frame.collateral_usd * frame.capital_rate_per_year * frame.days / YEAR_DAYS
    month = MONTH_DAYS / frame.days
    spent, saved = (s.cost + charge) * month, s.saved * month
    sense = (-s.unhedged > frame.least_usd) & (s.saved > TINY * -s.unhedged)
    value = np.where(sense, -s.unhedged * month * spent / np.where(sense, saved, 1.0), np.nan)
    return Part(value, spent, saved)
