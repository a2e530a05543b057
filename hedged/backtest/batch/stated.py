"""Many bars' programmes stated at once: what `strategy.programme` states of one, while what is held stands still."""

from dataclasses import dataclass

import numpy as np

from hedged.backtest.batch.bars import Floats
from hedged.backtest.batch.legs import CUT, OPPOSITE, RELOCATE, Flags, Ints, LegTable
from hedged.backtest.batch.quick import Bar, alone
from hedged.domain.clock import HOURS_A_YEAR
from hedged.strategy.programme import IN_BP

CLOSE = 5e-5
"""Sizes, in units of scale, that are not told apart: half of what `strategy.kelly` takes for no change."""
TIE = 1e-13
"""Of a leg's worth per USD: what two ways of adding up may tell apart."""


@dataclass(frozen=True, slots=True)
class BarsAhead(Bar):
    """Many bars: (bars, …) by coin, series or leg of the table. `draws` (bars, rows, scenarios), `rows` (series,): of
    which it has one; `in_` (bars, legs): the leg's coin is looked at, and its rates are known.
    """

    in_: Flags
    draws: Floats
    rows: Ints


@dataclass(frozen=True, slots=True)
class Task:
    """Both steps' programmes in basis points and units of `scale` (bars,); legs are those that are looked at."""

    legs: Ints
    scale: Floats
    own: Floats
    now: Floats
    cut: Floats
    unsure: Flags
    chosen: Flags
    rates: Floats
    charge: Floats
    mean_value: Floats
    after: Floats
    leverage: Floats
    variance: Floats
    impact: Floats
    linear: Floats


def stated(table: LegTable, ahead: BarsAhead, legs: Ints) -> Task:
    """State the programmes of all bars. `legs`: all that may have part in any of them."""
    settings, coin, kind = table.settings, table.coin[legs], table.kind[legs]
    near, there, far = kind != OPPOSITE, kind != CUT, table.far[legs]
    in_, side, mark = ahead.in_[:, legs], table.side[coin], ahead.mark[:, coin]
    lying = side * ahead.held[far] * mark
    cut = np.maximum(0.0, -table.side * ahead.held[table.here] * ahead.mark)
    same = np.zeros_like(cut)
    for leg in np.flatnonzero(kind == RELOCATE):
        same[:, coin[leg]] += np.maximum(0.0, lying[:, leg])
    now = np.where(kind == OPPOSITE, -lying, lying)
    now = np.maximum(0.0, np.where(kind == CUT, (cut - same)[:, coin], now))
    rates, charge, mean_value, after, leverage, tied = _worth(table, ahead, legs, in_)
    own_usd = table.own[coin] * mark
    scale = np.where(in_, own_usd, 0.0).max(axis=1, initial=1e-9)
    # what is cut is what relocations and cuts add up to, but for a lot's rounding
    book = met(cut, np.maximum(cut, same), table.own * ahead.mark)
    held, on_cut, unit = now > 0, (cut > 0)[:, coin], scale[:, None]
    beyond = np.where(there, table.per_usd[far], 0.0)
    worst = np.full(cut.shape, np.inf)
    for leg in np.flatnonzero(near):
        value = np.where(held[:, leg], mean_value[:, leg] + beyond[leg], np.inf)
        worst[:, coin[leg]] = np.minimum(worst[:, coin[leg]], value)
    pays = (mean_value > table.trade[legs]) | (near & (mean_value - beyond > worst[:, coin]))
    chosen = in_ & (held | (pays & ahead.open_[:, legs]))
    # where last digits decide which legs have part, they are the planner's
    edge = (np.abs(mean_value - table.trade[legs]) < TIE) | (
        near & (np.abs(mean_value - beyond - worst[:, coin]) < TIE)
    )
    unsure = (in_ & (tied | (edge & ~held))).any(axis=1) | alone(table, cut, same).any(axis=1)
    here, out = table.here[coin], table.per_usd2
    linear = -mean_value + np.where(near, table.per_usd[here] * ~on_cut - 2 * out[here] * cut[:, coin], 0.0)
    linear += np.where(there, table.per_usd[far] * ~held - 2 * out[far] * now, 0.0)
    together = np.where(near[:, None] & near & (coin[:, None] == coin), 2 * out[here], 0.0)
    impact = unit[:, :, None] * (together + np.diag(np.where(there, 2 * out[far], 0.0))) * IN_BP
    variance = _variance(table, ahead, legs, rates) * (unit[:, :, None] / settings.equity_usd * IN_BP)
    return Task(
        legs, scale, own_usd / unit, now / unit, book / unit,
        unsure, chosen, rates, charge, mean_value, after, leverage,
        variance, impact, linear * IN_BP,
    )  # fmt: skip


def _worth(
    table: LegTable, ahead: BarsAhead, legs: Ints, in_: Flags
) -> tuple[Floats, Floats, Floats, Floats, Floats, Flags]:
    """Return the rates that legs save, before the charge: (bars, legs, scenarios); by bar and leg the charge per hour,
    the mean value, what of it comes after the horizon, the leverage, and whether that hangs on last digits.
    """
    settings, side, kind = table.settings, table.side[table.coin[legs]], table.kind[legs]
    rates = ahead.draws[:, ahead.rows[table.earn[legs]]]
    both = np.flatnonzero(kind == RELOCATE)
    rates[:, both] -= ahead.draws[:, ahead.rows[table.pay[legs[both]]]]
    rates *= side[:, None]
    rates[~in_] = 0.0
    most = table.most_leverage(ahead.sigma.T)[legs].T
    saves = np.count_nonzero(rates > 0, axis=2)
    tied: Flags = np.count_nonzero(rates > -TIE / settings.horizon_h, axis=2) != saves
    tied |= np.count_nonzero(rates > TIE / settings.horizon_h, axis=2) != saves
    sure = np.clip(2.0 * (saves / rates.shape[2]) - 1.0, 0.0, 1.0)
    low = np.minimum(settings.min_leverage, most)
    leverage = low + sure * (most - low)
    charge = np.where(kind == CUT, 0.0, settings.capital_rate_per_year / HOURS_A_YEAR / leverage)
    level = np.where(np.isnan(ahead.usual), ahead.means, ahead.usual)
    trade = table.trade[legs]
    usual = side * (level[:, table.earn[legs]] - level[:, table.pay[legs]])
    after = np.clip(settings.tail_h * (np.where(in_, usual, 0.0) - charge), -trade, trade)
    mean_value = settings.horizon_h * (rates.mean(axis=2) - charge) + after
    return rates, charge, mean_value, after, leverage, tied


def _variance(table: LegTable, ahead: BarsAhead, legs: Ints, rates: Floats) -> Floats:
    coin, kind = table.coin[legs], table.kind[legs]
    delta = np.where(kind == RELOCATE, 0.0, table.side[coin] * ahead.sigma[:, coin])
    out: Floats = delta[:, :, None] * delta[:, None, :] * ahead.correlation[:, coin[:, None], coin]
    basis = np.where(kind == CUT, 0.0, ahead.basis[:, table.far[legs]])
    diagonal = np.arange(len(legs))
    out[:, diagonal, diagonal] += basis**2
    moved = rates - rates.mean(axis=2, keepdims=True)
    share = table.settings.horizon_h**2 / max(1, rates.shape[2] - 1)
    out += share * (moved @ np.swapaxes(moved, 1, 2))
    return out


def met(limit: Floats, size: Floats, own: Floats) -> Floats:
    """Return the limit, or the size where that is the limit but for a lot's rounding."""
    return np.where(np.abs(limit - size) < CLOSE * own, size, limit)
