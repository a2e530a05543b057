"""What a walk was worth: net saving in USD and in bp of notional a year, and its share of perfect foresight."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import DAY_MS, HOURS_A_YEAR
from hedged.evaluation.bootstrap import total_interval
from hedged.evaluation.hedging.history import HedgeHistory
from hedged.evaluation.hedging.setting import Setting
from hedged.evaluation.hedging.walk import Walked

Floats = NDArray[np.float64]
IN_BP = 1e4
LEAST_BP = 20.0
"""Below so many bp of notional a year of perfect foresight there is nothing to have a share of."""
BLOCK_DAYS = 14
HOURS_A_MONTH = HOURS_A_YEAR / 12
PERFECT = "perfect"
IN_STEP = "perfect in step"
"""Perfect foresight that acts only when the planner does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One strategy on one symbol, side and proxy rule. Money in USD, counted on `notional_usd` for `hours`.

    `turnover_month`: hedge notional opened and closed, in times the position, a month; `hedged`: share of hours with
    any hedge; `mean_size`: mean hedge ÷ position. `days`: first day (since the epoch) and net saving by day (days,).
    """

    symbol: str
    rule: str
    side: str
    strategy: str
    notional_usd: float
    hours: int
    left_out_h: int
    saved_usd: float
    cost_usd: float
    turnover_month: float
    changes: int
    hedged: float
    mean_size: float
    unplanned: int
    days: tuple[int, Floats]

    @property
    def net_usd(self) -> float:
        """Funding saved less all costs."""
        return self.saved_usd - self.cost_usd


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: an outcome, or several pooled. bp are of notional a year; the interval is 95 %.

    `perfect_usd` is the denominator of `share`, which is NaN where that is below LEAST_BP.
    """

    symbol: str
    rule: str
    side: str
    strategy: str
    hours: int
    left_out_h: int
    net_usd: float
    saved_usd: float
    cost_usd: float
    perfect_usd: float
    net_bp: float
    cost_bp: float
    low_bp: float
    high_bp: float
    perfect_bp: float
    share: float
    turnover_month: float
    changes: int
    hedged: float
    mean_size: float
    worst_day_usd: float
    unplanned: int


def outcome(
    history: HedgeHistory, setting: Setting, symbol: str, rule: str, side: int, strategy: str, walked: Walked
) -> Outcome:
    """Sum a walk up."""
    inside = history.walked
    size = np.abs(walked.held).max(axis=1)  # a relocation's two legs are one hedge
    held = np.concatenate([np.r_[0.0, size[first:end], 0.0] for first, end in history.stretches])
    change, size = np.abs(np.diff(held)), size[inside]
    day = history.ts_ms[inside] // DAY_MS
    hours = len(day)
    return Outcome(
        symbol=symbol,
        rule=rule,
        side="long" if side > 0 else "short",
        strategy=strategy,
        notional_usd=setting.notional_usd,
        hours=hours,
        left_out_h=history.left_out_h,
        saved_usd=float(walked.saved_usd.sum()),
        cost_usd=float(walked.cost_usd.sum()),
        turnover_month=float(change.sum()) / setting.notional_usd / hours * HOURS_A_MONTH,
        changes=int((change > 1e-6 * setting.notional_usd).sum()),
        hedged=float((size > 0).mean()),
        mean_size=float(size.mean()) / setting.notional_usd,
        unplanned=walked.unplanned,
        days=(int(day[0]), np.bincount(day - day[0], walked.net_usd[inside]).astype(np.float64)),
    )


def rows(outcomes: Sequence[Outcome], rng: np.random.Generator) -> list[Row]:
    """Return a line for each outcome, then for each strategy all symbols by side and rule, then both sides by rule."""
    found = [_row([one], _perfect(outcomes, [one]), one.symbol, one.side, rng) for one in outcomes]
    sides = list(dict.fromkeys(one.side for one in outcomes))
    for side in [*sides, "both"] if len(sides) > 1 else sides:
        for rule in dict.fromkeys(one.rule for one in outcomes):
            for strategy in dict.fromkeys(one.strategy for one in outcomes):
                pooled = [
                    one
                    for one in outcomes
                    if (one.rule, one.strategy) == (rule, strategy) and side in (one.side, "both")
                ]
                if pooled:
                    found.append(_row(pooled, _perfect(outcomes, pooled), "all", side, rng))
    return found


def _perfect(outcomes: Iterable[Outcome], of: Sequence[Outcome]) -> float:
    wanted = {(one.symbol, one.rule, one.side) for one in of}
    return sum(
        one.net_usd
        for one in outcomes
        if one.strategy == PERFECT and (one.symbol, one.rule, one.side) in wanted
    )


def _row(of: Sequence[Outcome], perfect_usd: float, symbol: str, side: str, rng: np.random.Generator) -> Row:
    hours, first = sum(one.hours for one in of), of[0]
    to_bp = IN_BP * HOURS_A_YEAR / hours / first.notional_usd
    net = sum(one.net_usd for one in of)
    _, daily = together(of)
    low, high = total_interval(daily, BLOCK_DAYS, rng)
    perfect_bp = perfect_usd * to_bp
    mean = [one.hours / hours for one in of]
    return Row(
        symbol=symbol,
        rule=first.rule,
        side=side,
        strategy=first.strategy,
        hours=hours,
        left_out_h=sum(one.left_out_h for one in of),
        net_usd=net,
        saved_usd=sum(one.saved_usd for one in of),
        cost_usd=sum(one.cost_usd for one in of),
        perfect_usd=perfect_usd,
        net_bp=net * to_bp,
        cost_bp=sum(one.cost_usd for one in of) * to_bp,
        low_bp=low * to_bp,
        high_bp=high * to_bp,
        perfect_bp=perfect_bp,
        share=net / perfect_usd if perfect_bp >= LEAST_BP else math.nan,
        turnover_month=sum(w * one.turnover_month for w, one in zip(mean, of, strict=True)),
        changes=sum(one.changes for one in of),
        hedged=sum(w * one.hedged for w, one in zip(mean, of, strict=True)),
        mean_size=sum(w * one.mean_size for w, one in zip(mean, of, strict=True)),
        worst_day_usd=float(daily.min()),
        unplanned=sum(one.unplanned for one in of),
    )


def together(of: Sequence[Outcome]) -> tuple[int, Floats]:
    """Return the first day (since the epoch) and the net saving by day of several outcomes."""
    begin = min(one.days[0] for one in of)
    end = max(one.days[0] + len(one.days[1]) for one in of)
    daily = np.zeros(end - begin)
    for one in of:
        at = one.days[0] - begin
        daily[at : at + len(one.days[1])] += one.days[1]
    return begin, daily
