"""Perfect foresight: the hedge that earns most, found by dynamic programming over a grid of sizes.

It knows every coming settlement, pays the costs that the planner pays and knows nothing of the planner. With costs that
are linear in the size the best path lies on the grid {0, cap} alone; impact makes steps between worth having.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hedged.evaluation.hedging.history import HedgeHistory
from hedged.evaluation.hedging.setting import Ledger, Setting, decides
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE

Floats = NDArray[np.float64]
STEPS = 4
"""The cap is reached in so many steps: sizes 0, ¼, ½, ¾ and 1."""
CHUNK = 4_096
"""Hours that are reckoned at once."""


def sizes(kinds: tuple[str, ...], n_venues: int, delta_share: float = 1.0) -> Floats:
    """Return every set of positions as shares of the cap, counted as a `Ledger` does. (states, 1 + venues), flat first.

    Legs are the kinds at every venue; their sizes add up to at most the cap, those that change the price exposure to at
    most `delta_share` of it. A venue never holds both a relocation and an opposite position.
    """
    legs = [(CUT, 0)] if CUT in kinds else []
    legs += [(kind, 1 + v) for v in range(n_venues) for kind in (OPPOSITE, RELOCATE) if kind in kinds]
    found = []
    for units in product(range(STEPS + 1), repeat=len(legs)):
        of = dict(zip(legs, units, strict=True))
        exposed = sum(n for (kind, _), n in of.items() if kind != RELOCATE)
        both = any(of.get((OPPOSITE, 1 + v), 0) and of.get((RELOCATE, 1 + v), 0) for v in range(n_venues))
        if sum(units) > STEPS or exposed > delta_share * STEPS + 1e-9 or both:
            continue
        row = np.zeros(1 + n_venues)
        for (kind, v), n in of.items():
            row[0] += n if kind in (CUT, RELOCATE) else 0
            row[v] += {CUT: 0, OPPOSITE: -n, RELOCATE: n}[kind]
        found.append(tuple(row / STEPS))
    return np.array(sorted(set(found), key=lambda row: (sum(map(abs, row)), row)))


def best_path(
    earned: Floats,
    cost: Floats | Callable[[int], Floats],
    free: NDArray[np.bool_] | None = None,
    *,
    closes: bool = True,
) -> NDArray[np.int64]:
    """Return the states (n,) that earn most: Σ earned[k, s_k] − Σ cost[s_k−1, s_k], from state 0 and back to it.

    earned: (n, states), in hour k by the state held through it; cost: (states, states), from row to column, of every
    hour or by hour; free: (n,) hours before which the state may change (default: all). `closes` False: the last state
    need not be left.
    """
    cost_at = cost if callable(cost) else lambda _hour: cost
    n, states = earned.shape
    came_from = np.zeros((n, states), np.int64)
    value = np.full(states, -np.inf)
    value[0] = 0.0
    everyone = np.arange(states)
    for k in range(n):
        if free is not None and not free[k]:
            came_from[k] = everyone
            value = value + earned[k]
            continue
        through = value[:, None] - cost_at(k)
        came_from[k] = through.argmax(axis=0)
        value = through[came_from[k], everyone] + earned[k]
    path = np.zeros(n, np.int64)
    at = int((value - cost_at(n)[:, 0] if closes else value).argmax())
    for k in range(n - 1, -1, -1):
        path[k], at = at, came_from[k, at]
    return path


def foresee(
    history: HedgeHistory,
    setting: Setting,
    side: int,
    kinds: tuple[str, ...] | None = None,
    *,
    in_step: bool = False,
) -> Floats:
    """Return the positions in USD held through every hour, (hours, 1 + venues), with legs of `kinds` (default: all that
    the setting allows). Flat in the first hour of a stretch: nothing was known before it.

    `in_step`: positions change only when the planner decides too, else every hour.
    """
    planner = setting.planner
    chosen = kinds or setting.kinds
    # one kind that is asked for shows what it could bring; else all keep to the band as the planner does
    banded = kinds is None or len(chosen) > 1
    band = planner.delta_band / planner.cap if planner.cap and banded else 1.0
    cap_usd = planner.cap * setting.notional_usd
    held = sizes(chosen, len(setting.venues), band) * cap_usd
    ledger, ratio = setting.ledger, history.ratio
    earned = np.empty((len(history.ts_ms), len(held)))
    for some in range(0, len(earned), CHUNK):  # years of hours × states × venues at once would take gigabytes
        part = slice(some, some + CHUNK)
        paid = history.paid.T[part, None, :]  # (hours, 1, venues)
        charge = ledger.holding_usd(held * ratio[part, None, :])
        earned[part] = ledger.saved_usd(held[None], paid, side) - charge
    out = np.zeros((len(history.ts_ms), held.shape[1]))
    for first, end in history.stretches:
        if end - first > 1:
            decided = decides(history, setting, first, end)[:-1] if in_step else None
            cost = _Changes(ledger, held, ratio[first:end])
            path = best_path(earned[first + 1 : end], cost, decided, closes=setting.closes)
            out[first + 1 : end] = held[path]
    return out


class _Changes:
    """What going from every state to every other costs at the prices of an hour: (states, states)."""

    def __init__(self, ledger: Ledger, held: Floats, ratio: Floats) -> None:
        size = np.moveaxis(np.abs(held[:, None, :] - held[None, :, :]), -1, 0)
        self._terms = np.concatenate(
            (ledger.per_usd[:, None, None] * size, ledger.impact_per_usd2[:, None, None] * size**2)
        )
        self._ratio = ratio

    def __call__(self, hour: int) -> Floats:
        ratio = self._ratio[hour]
        cost: Floats = np.tensordot(np.concatenate((ratio, ratio**2)), self._terms, axes=1)
        return cost
