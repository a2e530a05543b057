"""Steps through a history: decide on what is known, pay for the change, then earn what the held positions save."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hedged.evaluation.hedging.history import HedgeHistory
from hedged.evaluation.hedging.moments import moments_by_hour
from hedged.evaluation.hedging.scenarios import Scenarios
from hedged.evaluation.hedging.setting import Setting, decides
from hedged.evaluation.hedging.state import decide, horizon_h

Floats = NDArray[np.float64]
Decide = Callable[[int, Floats], Floats]
"""From the place of an hour and the positions held, USD, to the positions wanted: (1 + venues,) both."""


@dataclass(frozen=True, slots=True)
class Walked:
    """Positions held through each hour (hours, 1 + venues), and by hour the funding they saved and what they cost, USD.

    A change is paid in the first hour that it is held through; the last one of a stretch also pays for going flat.
    `unplanned`: decisions at which the planner had no forecast or found no solution, and nothing was changed.
    """

    held: Floats
    saved_usd: Floats
    cost_usd: Floats
    unplanned: int = 0

    @property
    def net_usd(self) -> Floats:
        """Net saving by hour."""
        return self.saved_usd - self.cost_usd


def account(history: HedgeHistory, setting: Setting, side: int, held: Floats, unplanned: int = 0) -> Walked:
    """Settle positions held through every hour: costs of each change, charges of holding, funding saved."""
    ledger = setting.ledger
    before = np.zeros_like(held)
    cost = np.zeros(len(held))
    for first, end in history.stretches:
        before[first + 1 : end] = held[first : end - 1]
        cost[end - 1] += ledger.change_usd(held[end - 1], np.zeros(held.shape[1]))
    cost += ledger.change_usd(before, held) + ledger.holding_usd(held)
    return Walked(held, ledger.saved_usd(held, history.paid.T, side), cost, unplanned)


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
        wanted, solved = decide(self._setting, self._side, held, rates, self._hours, moments)
        self.unplanned += not solved
        return wanted


def constant(setting: Setting) -> Decide:
    """Hold the cap always: relocated to the first hedge venue, cut where there is none."""
    full = _full(setting)[0]
    return lambda _hour, _held: full


def on_sign(history: HedgeHistory, setting: Setting, side: int) -> Decide:
    """Hold the cap where the last settled rates say that it saves most, nothing where it saves nothing."""
    choices = np.array([np.zeros(1 + len(setting.venues)), *_full(setting)])
    saves = setting.ledger.saved_usd(choices, history.level.T[:, None, :], side)
    saves[:, 1:] -= setting.ledger.carry_per_h * choices[1:, 0]
    best = choices[saves.argmax(axis=1)]
    return lambda hour, _held: best[hour]


def _full(setting: Setting) -> list[Floats]:
    """Return the cap used up by a relocation to each hedge venue; by a cut where there is none."""
    cap_usd = setting.planner.cap * setting.notional_usd
    cut = np.eye(1 + len(setting.venues))[0]
    there = np.eye(1 + len(setting.venues))[1:]
    return [cap_usd * (cut + one) for one in there] or [cap_usd * cut]
