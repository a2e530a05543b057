"""Where courses come from: worlds of the market simulator to learn in, recorded funding to be measured on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from experiments.reinforcement.course import Course, Floats, Ints, course_of
from hedged.adapters.replay.proxy import ProxyRule
from hedged.adapters.replay.series import SeriesData, series_of
from hedged.domain.clock import DAY_MS, HOURS_A_YEAR
from hedged.domain.errors import DataError
from hedged.domain.market import SeriesKey
from hedged.evaluation.hedging.history import HedgeHistory, history_of, load_history
from hedged.evaluation.hedging.laws import foreseen, told_by_rule
from hedged.evaluation.hedging.setting import Setting
from hedged.sandbox.market_simulator import simulate
from hedged.sandbox.markets import SYMBOLS
from hedged.strategy.state import LegCosts

SIDES = (1, -1)
ORACLE = "oracle"
START_MS = 19_358 * DAY_MS  # 2023-01-01; the simulator knows weekdays and no years
LEARNING_DAYS = 100
"""Of a simulated world before its first decision: what the EWMA is tuned on."""
SPREAD_A_YEAR = 0.25
COSTS_TIMES = 2.0
"""A world that is learnt in has costs between the configured ones divided by this and times this."""


@dataclass(frozen=True, slots=True)
class Market:
    """A history of one symbol and what a forecaster said in it. `rule`: how the stand-in became Injective's."""

    symbol: str
    rule: str
    history: HedgeHistory
    told: Sequence[tuple[Ints, Floats]]

    def courses(self, setting: Setting) -> list[Course]:
        """Lay both sides out."""
        return [course_of(self.history, setting, side, self.told) for side in SIDES]


def told(name: str, history: HedgeHistory, horizon: str) -> list[tuple[Ints, Floats]]:
    """Return a forecaster's laws by venue: `ewma`, `persistence`, or `oracle`, which is told what comes."""
    return foreseen(history, horizon) if name == ORACLE else told_by_rule(name, history, horizon)


def simulated(
    seed: int, days: int, setting: Setting, forecaster: str, rng: np.random.Generator | None = None
) -> Iterator[Market]:
    """Play a world of `days` after those of learning; its markets one by one. The same seed plays the same world.

    `rng`: the own venue's rates are moved by a constant so that what it pays beyond the hedge venue (beyond nothing,
    where there is none) is on the mean a draw between −SPREAD_A_YEAR and SPREAD_A_YEAR.
    """
    end_ms = START_MS + (LEARNING_DAYS + days) * DAY_MS
    tables = simulate(seed, START_MS, LEARNING_DAYS + days)
    series = series_of({name: tables[name] for name in ("funding", "ohlcv")})
    for symbol in SYMBOLS:
        keys = tuple(SeriesKey(venue, symbol) for venue in (setting.own, *setting.venues))
        of = {key: series[key] for key in keys}
        if rng:
            of[keys[0]] = _moved(of[keys[0]], of[keys[-1]] if setting.venues else None, rng)
        history = history_of(of, keys, keys, START_MS + LEARNING_DAYS * DAY_MS, end_ms)
        yield Market(symbol, "simulated", history, told(forecaster, history, setting.horizon))


def _moved(own: SeriesData, there: SeriesData | None, rng: np.random.Generator) -> SeriesData:
    wanted = rng.uniform(-SPREAD_A_YEAR, SPREAD_A_YEAR) / HOURS_A_YEAR
    paid = [one.funding_rate.sum() / one.funding_hours.sum() for one in (own, there) if one]
    by = wanted - (paid[0] - sum(paid[1:]))
    return replace(own, funding_rate=own.funding_rate + by * own.funding_hours)


def recorded(
    data: Path,
    symbols: Sequence[str],
    rules: Sequence[ProxyRule],
    setting: Setting,
    span_ms: tuple[int, int],
    forecaster: str,
) -> Iterator[Market]:
    """Read recorded funding, the own venue as each rule makes it; a symbol that is not recorded is left out."""
    for symbol in symbols:
        for rule in rules if setting.stood_in else (None,):
            try:
                history = load_history(data, symbol, setting.own, setting.venues, rule, *span_ms)
            except DataError:
                continue
            laws = told(forecaster, history, setting.horizon)
            yield Market(symbol, rule or "recorded", history, laws)


def school(
    seeds: Sequence[int], days: int, setting: Setting, forecaster: str, rng: np.random.Generator | None
) -> Iterator[tuple[Market, Course]]:
    """Lay out the courses of many simulated worlds, both sides of each market.

    `rng` varies them: the spread between the venues (`simulated`), and the costs of each course.
    """
    for seed in seeds:
        for market in simulated(seed, days, setting, forecaster, rng):
            for side in SIDES:
                times = COSTS_TIMES ** rng.uniform(-1, 1) if rng else 1.0
                yield market, course_of(market.history, at_costs(setting, times), side, market.told)


def at_costs(setting: Setting, times: float) -> Setting:
    """Return the setting with every change's cost times a factor."""
    costs = {v: LegCosts(c.per_usd * times, c.impact_per_usd2 * times) for v, c in setting.costs.items()}
    return replace(setting, costs=costs)
