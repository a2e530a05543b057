"""Sums over days, as they were and as a bootstrap draws them: what every figure with an interval is a function of."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hedged.backtest.metrics.course import Course, Unhedged
from hedged.evaluation.bootstrap import drawn_sums

Floats = NDArray[np.float64]
BLOCKS_DAYS = (14, 7)
"""Lengths of the blocks: the longest of which the window holds four; with none of them an interval is not known."""


class Sums(NamedTuple):
    """Sums over the days of a window, of the whole book: USD, and USD² where squared. All (n,).

    `unhedged`, `hedged`: funding, > 0 received, without costs; `paid`: by the unhedged book at settlements at which it
    paid; `lost_unhedged`, `lost_hedged`: of the days that ended with a loss, the hedged ones after costs; `foresight`,
    `constant`: net saving of these baselines.
    """

    saved: Floats
    cost: Floats
    turnover: Floats
    unhedged: Floats
    unhedged_squared: Floats
    hedged: Floats
    hedged_squared: Floats
    paid: Floats
    lost_unhedged: Floats
    lost_hedged: Floats
    foresight: Floats
    constant: Floats

    @property
    def net(self) -> Floats:
        """Net saving."""
        return self.saved - self.cost


def sums_of(course: Course, alone: Unhedged, foresight: Course | None, constant: Course | None) -> Sums:
    """Return the book's values by day, (days,) each; what is not known of a baseline is NaN."""
    saved, cost, turnover = (x.sum(axis=0) for x in (course.saved_usd, course.cost_usd, course.turnover_usd))
    funding = alone.funding_usd.sum(axis=0)
    hedged = funding + saved
    unknown = np.full(len(funding), np.nan)
    return Sums(
        saved, cost, turnover, funding, funding**2, hedged, hedged**2, alone.paid_usd.sum(axis=0),
        np.maximum(-funding, 0.0), np.maximum(cost - hedged, 0.0),
        foresight.net_usd.sum(axis=0) if foresight else unknown,
        constant.net_usd.sum(axis=0) if constant else unknown,
    )  # fmt: skip


def totals(daily: Sums) -> Sums:
    """Return the sums as they were. (1,) each."""
    return Sums(*(x.sum(keepdims=True) for x in daily))


def drawn(daily: Sums, rng: np.random.Generator) -> Sums | None:
    """Return the sums of drawn windows, (draws,) each: moving blocks of days, the same for all; None when too few."""
    for block in BLOCKS_DAYS:
        found = drawn_sums(np.stack(daily), block, rng)
        if found is not None:
            return Sums(*found)
    return None
