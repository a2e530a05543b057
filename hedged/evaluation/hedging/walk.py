"""Steps through a history: decide on what is known, pay for the change, then earn what the held positions save."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hedged.evaluation.hedging.history import HedgeHistory
from hedged.evaluation.hedging.moments import moments_by_hour
from hedged.evaluation.hedging.scenarios import Scenarios
from hedged.evaluation.hedging.setting import Setting, decides
from hedged.evaluation.hedging.state import decide, horizon_h
from hedged.strategy.economics import CUT, RELOCATE

Floats = NDArray[np.float64]
Decide = Callable[[int, Floats], Floats]
"""From the place of an hour and the positions held, USD, to the positions wanted: (1 + venues,) both."""


@dataclass(frozen=True, slots=True)
class Walked:
    """Positions held through each hour (hours, 1 + venues), and by hour the funding they saved, what they cost and the
    notional that was traded, USD.

    A change is paid in the first hour that it is held through; the last one of a stretch also pays for going flat.
    `unplanned`: decisions at which the planner had no forecast or found no solution, and nothing was changed.
    """

    held: Floats
    saved_usd: Floats
    cost_usd: Floats
    traded_usd: Floats
    unplanned: int = 0

    @property
    def net_usd(self) -> Floats:
        """Net saving by hour."""
        return self.saved_usd - self.cost_usd


def account(history: HedgeHistory, setting: Setting, side: int, held: Floats, unplanned: int = 0) -> Walked:
    """Settle positions held through every hour: costs of each change, charges of holding, funding saved."""
    ledger, ratio = setting.ledger, history.ratio
    before, at = np.zeros_like(held), np.ones_like(held)
    cost, traded = np.zeros((2, len(held)))
    for first, end in history.stretches:
        before[first + 1 : end] = held[first : end - 1]
        at[first + 1 : end] = ratio[first : end - 1]  # a change is made at the prices of its decision
        if setting.closes:
            last = held[end - 1] * ratio[end - 1]
            cost[end - 1] += ledger.change_usd(last, np.zeros_like(last))
            traded[end - 1] += np.abs(last).sum()
    cost += ledger.change_usd(before * at, held * at) + ledger.holding_usd(held * ratio)
    traded += np.abs((held - before) * at).sum(axis=1)
    return Walked(held, ledger.saved_usd(held, history.paid.T, side), cost, traded, unplanned)


def walk(history: HedgeHistory, setting: Setting, decision: Decide) -> Floats:
    """Return the positions held through every hour. What is decided at an hour's end is held from the next hour on."""
    held = np.zeros((len(history.ts_ms), 1 + len(setting.venues)))
    for first, end in history.stretches:
        now = np.zeros(held.shape[1])
        decided = decides(history, setting, first, end)
        for k in range(first, end - 1):
            if decided[k - first]:
                now = decision(k, now)
            held[k + 1] = now
    return held


class Planned:
    """The planner's decisions on a forecaster's scenarios."""

    def __init__(self, history: HedgeHistory, setting: Setting, side: int, scenarios: Scenarios) -> None:
        self._setting, self._side, self._scenarios = setting, side, scenarios
        self._ratio = history.ratio[:, 0]
        data = history.series[history.keys[0]]
        self._hours = horizon_h(setting, float(np.median(data.funding_hours)))
        self._moments = moments_by_hour(history, self._hours, setting.priced)
        self.unplanned = 0

    def __call__(self, hour: int, held: Floats) -> Floats:
        """Decide at the end of an hour."""
        rates = self._scenarios.at(hour)
        if rates is None:
            self.unplanned += 1
            return held
        moments = self._moments.at(hour)
        grown = float(self._ratio[hour])
        setting = replace(self._setting, notional_usd=self._setting.notional_usd * grown)
        wanted, solved = decide(setting, self._side, held * grown, rates, self._hours, moments)
        self.unplanned += not solved
        positions: Floats = wanted / grown
        return positions


def constant(setting: Setting) -> Decide:
    """Hold the cap always: relocated to the first hedge venue, cut where there is none, else opposite."""
    full = _full(setting)[0]
    return lambda _hour, _held: full


def on_sign(history: HedgeHistory, setting: Setting, side: int, among: int | None = None) -> Decide:
    """Hold the cap where the last settled rates say that it saves most, nothing where it saves nothing.

    `among`: how many of the hedge venues it looks at (default: all).
    """
    choices = np.array([np.zeros(1 + len(setting.venues)), *_full(setting)[:among]])
    saves = setting.ledger.saved_usd(choices, history.level.T[:, None, :], side)
    saves[:, 1:] -= setting.ledger.carry_per_h * choices[1:, 0]
    best = choices[np.nan_to_num(saves, nan=0.0).argmax(axis=1)]
    return lambda hour, _held: best[hour]


def _full(setting: Setting) -> list[Floats]:
    """Return the cap used up by one kind of leg, at each venue: relocations if they may be, else cut, else opposite.

    An opposite leg changes the price exposure, so it is no larger than the delta band.
    """
    planner, venues = setting.planner, len(setting.venues)
    cut, *there = np.eye(1 + venues)
    if RELOCATE in setting.kinds and venues:
        return [planner.cap * setting.notional_usd * (cut + one) for one in there]
    exposed = min(planner.cap, planner.delta_band) * setting.notional_usd
    if CUT in setting.kinds:
        return [exposed * cut]
    return [-exposed * one for one in there] or [0.0 * cut]
