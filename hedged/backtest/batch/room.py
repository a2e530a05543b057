"""What limits leave of many bars' programmes: those that markets share, those of each market, and what exceeds them."""

import numpy as np

from hedged.backtest.batch.bars import Floats
from hedged.backtest.batch.legs import CUT, RELOCATE, Flags, LegTable
from hedged.backtest.batch.stated import CLOSE, BarsAhead, Task
from hedged.strategy.programme import HEADROOM, Z_95

EXACT = 2e-6
"""Sizes, in units of scale, that are not told apart where a limit or a kink says what they are: a solver keeps to those
far better than to what is flat."""


def within(table: LegTable, ahead: BarsAhead, task: Task, full: Floats) -> Flags:
    """Tell where sizes keep to the limits that markets share, with room to spare: margin and equity at risk."""
    settings, legs = table.settings, task.legs
    coin, kind, far, now = table.coin[legs], table.kind[legs], table.far[legs], task.now
    there = kind != CUT
    venue, out = np.where(there, ahead.venue_of[far], -1), np.ones(len(now), dtype=bool)
    for number in range(ahead.collateral.shape[1]):
        room = ahead.collateral[:, number] / task.scale
        row = np.where(venue == number, 1.0 / task.leverage, 0.0)
        out &= _stands(room, row, now, full)
        out &= now[:, venue == number].sum(axis=1) < settings.max_leverage * room * (1 - 1e-9)
    basis = np.where(there, ahead.basis[:, far], 0.0)
    risk = Z_95 * (np.where(kind == RELOCATE, 0.0, ahead.sigma[:, coin]) + basis)
    return out & _stands(settings.equity_at_risk * settings.equity_usd / task.scale, risk, now, full)


def _stands(limit: Floats, row: Floats, now: Floats, full: Floats) -> Flags:
    """Tell where `programme.standing` leaves room for the sizes."""
    below = (1 - HEADROOM) * np.maximum(0.0, limit)
    out: Flags = (row * full).sum(axis=1) < below * (1 - 1e-6) - CLOSE
    return out


def filled(table: LegTable, task: Task) -> Flags:
    """Tell by bar and leg whether the cap and the delta band leave less than what is worth an order."""
    settings, own = table.settings, task.own
    share = np.where(table.kind[task.legs] == RELOCATE, settings.cap, min(settings.cap, settings.delta_band))
    out: Flags = share * own - task.now < settings.min_change * own - EXACT
    return out


def over(table: LegTable, ahead: BarsAhead, task: Task) -> Flags:
    """Tell by bar and leg whether its market exceeds, or is about to exceed, the cap or the delta band."""
    settings, coin, kind = table.settings, table.coin[task.legs], table.kind[task.legs]
    out = np.zeros(task.now.shape, dtype=bool)
    for number in np.unique(coin):
        mine = coin == number
        now, own = task.now[:, mine], task.own[:, np.flatnonzero(mine)[0]] * (1 - 1e-9)
        over = now.sum(axis=1) > settings.cap * own
        over |= now[:, kind[mine] != RELOCATE].sum(axis=1) > settings.delta_band * own
        out[:, mine] = over[:, None]
    return out
