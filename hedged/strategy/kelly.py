"""The two steps of the plan: the full-Kelly hedge of all markets together, then the fraction that confidence allows.

**Step 1** maximises what the legs are worth, less the cost of the change, less ½·λ·variance with λ = 1 / equity: log
growth to second order, full Kelly (`programme`).

**Step 2** takes from each leg that step 1 enlarges the share κ(c) of Kelly that its confidence c allows. Kelly at share
κ is Kelly at risk aversion λ/κ (MacLean, Thorp & Ziemba 2010): where nothing but risk limits a leg, its size is κ times
the full one; where a limit does, the limit stands. Never beyond step 1's size, never below today's; with a confidence
under the first knot nothing grows. What step 1 does not enlarge, step 2 does not touch.

A leg that does not pay by itself is not opened for what it would do for the others' variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import OPPOSITE, Leg, confidences, kelly_shares, legs_of_all, may_grow
from hedged.strategy.programme import Array, Programme, programme
from hedged.strategy.state import PlannerState, SymbolState

NEGLIGIBLE = 1e-4
"""Of the own position: below this a solver's answer is zero, or no change."""


@dataclass(frozen=True, slots=True)
class KellySolution:
    """Per market, in the order of its legs: full-Kelly sizes and those of step 2 in USD, confidence at the full size.
    `solved` is False when the solver gave up: then every leg stays where it is.
    """

    legs: tuple[tuple[Leg, ...], ...]
    full_usd: tuple[list[float], ...]
    target_usd: tuple[list[float], ...]
    confidence: tuple[list[float], ...]
    solved: bool


def solve(state: PlannerState) -> KellySolution:
    """Solve both steps."""
    legs = tuple(tuple(of) for of in legs_of_all(state.symbols, state.settings))
    if not legs:
        return KellySolution((), (), (), (), True)
    every = [leg for of in legs for leg in of]
    today = np.array([leg.now_usd for leg in every])
    full = today.copy()
    chosen = _candidates(state, legs)
    some, at = [], 0
    for of in legs:
        some.append([leg for j, leg in enumerate(of, start=at) if chosen[j]])
        at += len(of)
    task = programme(state, some) if chosen.any() else None
    owner = np.repeat(np.arange(len(legs)), [len(of) for of in legs])
    dust = NEGLIGIBLE * np.array([s.own_usd for s in state.symbols])[owner]
    grow = np.array([may_grow(leg, state.symbols[i]) for leg, i in zip(every, owner, strict=True)])
    solved = True
    if task is not None:
        sizes = step_one(task, grow[chosen])
        solved = sizes is not None
        full[chosen] = snapped(
            full[chosen] if sizes is None else sizes * task.scale, full[chosen], dust[chosen]
        )
    sure = confidences(every, full)
    target = full.copy()
    if task is not None and solved:
        shares = kelly_shares(sure[chosen], state.settings.knots)
        sizes = step_two(task, full[chosen] / task.scale, shares)
        solved = sizes is not None
        now, most = today[chosen], full[chosen]
        grown = now if sizes is None else np.clip(sizes * task.scale, now, most)
        target[chosen] = np.where(most > now, grown, most)
    full_usd, target_usd, confidence = (tuple(in_markets(x.tolist(), legs)) for x in (full, target, sure))
    return KellySolution(legs, full_usd, target_usd, confidence, solved)


def in_markets(per_leg: list[float], legs: Sequence[Sequence[Leg]]) -> list[list[float]]:
    """Return the figures of all legs market by market."""
    starts = accumulate((len(of) for of in legs), initial=0)
    return [per_leg[start:end] for start, end in pairwise(starts)]


def _candidates(state: PlannerState, legs: tuple[tuple[Leg, ...], ...]) -> NDArray[np.bool_]:
    """Tell which legs may change: what is held, what pays by itself, and what may take the place of what is held."""
    out = []
    for symbol, of in zip(state.symbols, legs, strict=True):
        # a cut or relocation that replaces another needs no trade on Injective
        held = [leg for leg in of if leg.now_usd > 0 and leg.kind != OPPOSITE]
        worst = min((leg.mean_value + _beyond(leg, symbol) for leg in held), default=np.inf)
        for leg in of:
            replaces = leg.kind != OPPOSITE and leg.mean_value - _beyond(leg, symbol) > worst
            pays = leg.mean_value > leg.trade_cost or replaces
            out.append(leg.now_usd > 0 or (pays and may_grow(leg, symbol)))
    return np.array(out)


def _beyond(leg: Leg, symbol: SymbolState) -> float:
    """Cost of trading one USD of a leg elsewhere than on Injective."""
    return symbol.costs[leg.venue].per_usd if leg.venue != INJECTIVE else 0.0


def step_one(task: Programme, may_grow_: NDArray[np.bool_]) -> Array | None:
    """Full Kelly, units of scale; what may not grow stays below today's size."""
    most = task.most()
    high = np.where(may_grow_, most, np.minimum(most, task.now))
    return task.solve(np.zeros(len(high)), high, np.ones(len(high)))


def step_two(task: Programme, full: Array, shares: Array) -> Array | None:
    """Kelly at each growing leg's own share, between today's size and step 1's."""
    grows = (full > task.now) & (shares > 0)
    low = np.where(grows, task.now, np.minimum(full, task.now))
    high = np.where(grows, full, low)
    return task.solve(low, high, 1.0 / np.where(grows, shares, 1.0))


def snapped(size: Array, now: Array, dust: Array) -> Array:
    """Take a solver's last digits for what they are: no change, or nothing."""
    size = np.where(np.abs(size - now) < dust, now, size)
    return np.where(size < dust, 0.0, size)
