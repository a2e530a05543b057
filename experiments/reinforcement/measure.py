"""Measures policies beside the planner, rules and perfect foresight on recorded funding: same decisions, same costs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.reinforcement.course import Floats
from experiments.reinforcement.playing import Policy, played, positions
from experiments.reinforcement.worlds import ORACLE, SIDES, Market, recorded, told
from hedged.domain.clock import DAY_MS, HOURS_A_YEAR
from hedged.evaluation.bootstrap import drawn_sums
from hedged.evaluation.hedging.laws import FORECASTERS
from hedged.evaluation.hedging.perfect import foresee
from hedged.evaluation.hedging.result import (
    BLOCK_DAYS,
    IN_BP,
    IN_STEP,
    LEAST_BP,
    PERFECT,
    Outcome,
    outcome,
    together,
)
from hedged.evaluation.hedging.scenarios import Scenarios
from hedged.evaluation.hedging.setting import RULES, Setting
from hedged.evaluation.hedging.walk import Planned, account, constant, on_sign, walk

MEASURED_MS = (19_905 * DAY_MS, 20_454 * DAY_MS)
"""2024-07-01 … 2026-01-01, of which no policy has seen anything."""
SYMBOLS = ("BTC", "ETH", "SOL", "DOGE", "BNB", "LTC", "LINK", "ARB", "ADA")
"""The majors, on which a year before may have been learnt, and four that no policy and no rule has met."""
PLANNED = (*FORECASTERS, ORACLE)
YARDSTICK = "ewma"
"""The planner on the tuned EWMA, which all are compared with."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. bp of notional a year; the intervals are 95 % of a moving-block bootstrap over days.

    Of a policy that was trained with several seeds, all but `lowest_bp` and `highest_bp` are means over them.
    `ahead_bp`: the difference to the planner on the EWMA, days drawn jointly. `share` of perfect foresight: NaN
    where that earns less than LEAST_BP.
    """

    name: str
    seeds: int
    net_bp: float
    net_interval: tuple[float, float]
    lowest_bp: float
    highest_bp: float
    ahead_bp: float
    ahead_interval: tuple[float, float]
    cost_bp: float
    share: float
    turnover_month: float
    hedged: float
    changes: float


def markets(data: Path, setting: Setting, forecaster: str, symbols: Sequence[str] = SYMBOLS) -> list[Market]:
    """Read what is measured on."""
    return list(recorded(data, symbols, RULES, setting, MEASURED_MS, forecaster))


def baselines(market: Market, setting: Setting) -> list[Outcome]:
    """Measure one market's planner on every forecast, the simple rules and perfect foresight, both sides."""
    history, found = market.history, []
    scenarios = {
        name: Scenarios(history, told(name, history, setting.horizon), setting.horizon) for name in PLANNED
    }
    for side in SIDES:
        paths: dict[str, Floats] = {
            name: walk(history, setting, Planned(history, setting, side, one))
            for name, one in scenarios.items()
        }
        paths["constant"] = walk(history, setting, constant(setting))
        paths["sign"] = walk(history, setting, on_sign(history, setting, side))
        paths[PERFECT] = foresee(history, setting, side)
        paths[IN_STEP] = foresee(history, setting, side, in_step=True)
        for name, held in paths.items():
            walked = account(history, setting, side, held)
            found.append(outcome(history, setting, market.symbol, market.rule, side, name, walked))
    return found


def learned(found: Sequence[Market], setting: Setting, policies: Mapping[str, Policy]) -> list[Outcome]:
    """Measure policies, by name, in markets whose forecasts are those that the policies have learnt with."""
    courses = [(market, course) for market in found for course in market.courses(setting)]
    outcomes = []
    for name, policy in policies.items():
        states = played(policy, [course for _, course in courses])
        for (market, course), held in zip(courses, states, strict=True):
            path = positions(course, held, len(market.history.ts_ms))
            walked = account(market.history, setting, course.side, path)
            outcomes.append(
                outcome(market.history, setting, market.symbol, market.rule, course.side, name, walked)
            )
    return outcomes


def lines(outcomes: Sequence[Outcome], rng: np.random.Generator) -> list[Line]:
    """Return the table over all of the outcomes' markets. A strategy named NAME-SEED is one of its seeds."""
    by_name: dict[str, dict[str, list[Outcome]]] = {}
    for one in outcomes:
        base, _, seed = one.strategy.partition("-")
        by_name.setdefault(base, {}).setdefault(seed, []).append(one)
    daily = {
        name: np.mean([_daily(outcomes, of) for of in seeds.values()], axis=0)
        for name, seeds in by_name.items()
    }
    some = next(iter(by_name[YARDSTICK].values()))
    to_bp = IN_BP * HOURS_A_YEAR / sum(one.hours for one in some) / some[0].notional_usd
    best = daily[PERFECT].sum()
    drawn = drawn_sums(np.stack(list(daily.values())), BLOCK_DAYS, rng)
    if drawn is None:
        raise ValueError("too few days to draw blocks of")
    sums = dict(zip(daily, drawn * to_bp, strict=True))
    return [_line(name, seeds, daily, sums, to_bp, float(best)) for name, seeds in by_name.items()]


def _daily(outcomes: Sequence[Outcome], of: Sequence[Outcome]) -> Floats:
    """Return the net saving by day of some outcomes, on the days of all. (days,)."""
    begin, everyone = together(outcomes)
    first, days = together(of)
    out = np.zeros(len(everyone))
    out[first - begin : first - begin + len(days)] = days
    return out


def _line(
    name: str,
    seeds: Mapping[str, Sequence[Outcome]],
    daily: Mapping[str, Floats],
    sums: Mapping[str, Floats],
    to_bp: float,
    best_usd: float,
) -> Line:
    every = [one for of in seeds.values() for one in of]
    nets = [sum(one.net_usd for one in of) * to_bp for of in seeds.values()]
    ahead = sums[name] - sums[YARDSTICK]
    return Line(
        name=name,
        seeds=len(seeds),
        net_bp=float(np.mean(nets)),
        net_interval=_interval(sums[name]),
        lowest_bp=min(nets),
        highest_bp=max(nets),
        ahead_bp=float((daily[name].sum() - daily[YARDSTICK].sum()) * to_bp),
        ahead_interval=_interval(ahead),
        cost_bp=sum(one.cost_usd for one in every) * to_bp / len(seeds),
        share=float(daily[name].sum()) / best_usd if best_usd * to_bp >= LEAST_BP else math.nan,
        turnover_month=float(np.average([o.turnover_month for o in every], weights=[o.hours for o in every])),
        hedged=float(np.average([o.hedged for o in every], weights=[o.hours for o in every])),
        changes=sum(one.changes for one in every) / len(every),
    )


def _interval(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
