"""Bars ahead at which the plan surely leaves every position as it is: both steps of `strategy.kelly`, for all of them.

While what is held stands still, the bars ahead state the same programme with other figures. It is stated and solved for
many bars at once, without the limits that markets share (margin, equity at risk), which are then looked at: an answer
that keeps to them is the answer with them. What is nearly a change, nearly at a limit, or not proven, is not sure.
"""

from dataclasses import dataclass

import numpy as np

from hedged.backtest.batch.bars import Floats
from hedged.backtest.batch.kinked import Kinks, Minimiser
from hedged.backtest.batch.legs import CUT, OPPOSITE, RELOCATE, Flags, Ints, LegTable
from hedged.backtest.batch.quick import LAST_DIGITS, Bar, alone
from hedged.domain.clock import HOURS_A_YEAR
from hedged.strategy.economics import kelly_shares
from hedged.strategy.kelly import NEGLIGIBLE
from hedged.strategy.programme import HEADROOM, IN_BP, Z_95

NEARLY = 0.95
"""Share of the least change that is worth an order below which a change surely is none."""
CLOSE = 5e-5
"""Sizes, in units of scale, that are not told apart: half of what `strategy.kelly` takes for no change."""

EXACT = 2e-6
"""The same where a limit or a kink says what a size is: a solver keeps to those far better than to what is flat."""

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
class _Task:
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


def settled(table: LegTable, ahead: BarsAhead, legs: Ints, steps: tuple[Minimiser, Minimiser]) -> Flags:
    """Tell at which bars the plan surely changes nothing: (bars,). `legs`: all that may have part in any of them;
    `steps`: what remembers the answers of both steps.
    """
    task = _stated(table, ahead, legs)
    full, sure = _step_one(table, ahead, task, steps[0])
    sure &= _within(table, ahead, task, full) & ~task.unsure
    now, dust = task.now, NEGLIGIBLE * task.own
    least = table.settings.min_change * task.own * NEARLY - CLOSE
    awake = ~ahead.paused[:, table.coin[legs]]
    # a held leg that goes to nothing is closed; a decrease within the band stays unless a limit is exceeded
    stays = (full > 2 * dust) | (now <= LAST_DIGITS * task.own)
    down = now - full
    stays &= (down < least) & ((down < dust / 2) | ~_over(table, ahead, task))
    sure &= (stays | _kept(table, task, full) | ~awake).all(axis=1)
    grows, may = full > now + dust, awake & ~_filled(table, task)
    asked = np.flatnonzero(sure & (grows & (full - now >= least) & may).any(axis=1))
    if len(asked):
        sure[asked] = _step_two(table, task, asked, full, grows, least, may, steps[1])
    return sure


def _stated(table: LegTable, ahead: BarsAhead, legs: Ints) -> _Task:
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
    book = _met(cut, np.maximum(cut, same), table.own * ahead.mark)
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
    return _Task(
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


def _step_one(table: LegTable, ahead: BarsAhead, task: _Task, step: Minimiser) -> tuple[Floats, Flags]:
    """Full Kelly without the limits that markets share; which answers are proven."""
    settings, legs, now = table.settings, task.legs, task.now
    coin, kind, far = table.coin[legs], table.kind[legs], table.far[legs]
    n, mine = len(legs), np.unique(table.coin[legs])
    near = kind != OPPOSITE
    cuts = _on_injective(table, task)
    moved = np.flatnonzero((kind != CUT) & (now > 0).any(axis=0))
    unit, of_coin = np.eye(n), (coin == mine[:, None]) * 1.0
    shut = ~ahead.open_[:, legs]
    still = np.flatnonzero(shut.any(axis=0))  # what is closed does not grow
    allowed = task.chosen if settings.allow_own_cut else task.chosen & ~near
    own = np.stack([task.own[:, np.flatnonzero(coin == c)[0]] for c in mine], axis=1)
    to_book = np.concatenate((table.per_usd[table.here[cuts]], table.per_usd[far[moved]])) * IN_BP
    shape, zero = (len(now), n), np.zeros((len(now), n))
    cap, band = settings.cap * own, settings.delta_band * own
    # limits that are filled but for a lot's rounding: kinks that all but meet are taken for one
    held_here, moved_here = now @ (of_coin * (kind != RELOCATE)).T, now @ (of_coin * (kind == RELOCATE)).T
    band = _met(band, held_here, own)
    cap = _met(_met(cap, band + moved_here, own), held_here + moved_here, own)
    kinks = (
        (unit, zero, np.full(shape, -np.inf), np.where(allowed, 0.0, np.inf)),
        (unit[still], np.where(shut, now, np.inf)[:, still], zero[:, still], np.full(shape, np.inf)[:, still]),
        (
            np.concatenate((near & (coin == cuts[:, None]), unit[moved])) * 1.0,
            np.concatenate((task.cut[:, cuts], now[:, moved]), axis=1),
            np.broadcast_to(-to_book, (len(now), len(to_book))),
            np.broadcast_to(to_book, (len(now), len(to_book))),
        ),
        (of_coin, cap, np.zeros_like(own), np.full_like(own, np.inf)),
        (of_coin * (kind != RELOCATE), band, np.zeros_like(own), np.full_like(own, np.inf)),
    )  # fmt: skip
    of, at, low, high = (np.concatenate(x, axis=min(1, i)) for i, x in enumerate(zip(*kinks, strict=True)))
    names = _names(legs, legs[still], cuts, legs[moved], mine, mine)
    full, sure = step.minimise(task.variance + task.impact, task.linear, Kinks(names, of, at, low, high))
    if not settings.allow_own_cut:
        sure &= ~(now[:, near] > 0).any(axis=1)
    return np.maximum(full, 0.0), sure


def _met(limit: Floats, size: Floats, own: Floats) -> Floats:
    """Return the limit, or the size where that is the limit but for a lot's rounding."""
    return np.where(np.abs(limit - size) < CLOSE * own, size, limit)


def _within(table: LegTable, ahead: BarsAhead, task: _Task, full: Floats) -> Flags:
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


def _filled(table: LegTable, task: _Task) -> Flags:
    """Tell by bar and leg whether the cap and the delta band leave less than what is worth an order."""
    settings, own = table.settings, task.own
    share = np.where(table.kind[task.legs] == RELOCATE, settings.cap, min(settings.cap, settings.delta_band))
    out: Flags = share * own - task.now < settings.min_change * own - EXACT
    return out


def _over(table: LegTable, ahead: BarsAhead, task: _Task) -> Flags:
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


def _kept(table: LegTable, task: _Task, full: Floats) -> Flags:
    """Tell which cuts stay because full Kelly turns all of them into relocations (`planner._without_round_trip`).

    What a solver's last digits leave of the difference must be less than any order.
    """
    coin, kind = table.coin[task.legs], table.kind[task.legs]
    near = (coin[:, None] == coin) & (kind != OPPOSITE)
    enough = full @ near.T > task.now @ near.T - EXACT * task.own
    noise_usd = EXACT * task.own * task.scale[:, None]
    out: Flags = (kind == CUT) & enough & (noise_usd < table.smallest[table.here[coin]])
    return out


def _step_two(
    table: LegTable,
    task: _Task,
    bars: Ints,
    full: Floats,
    grows: Flags,
    least: Floats,
    may: Flags,
    step: Minimiser,
) -> Flags:
    """Tell at which of the bars no leg that `may` grows by what is worth an order."""
    full, grows, now = full[bars], grows[bars], task.now[bars]
    count, clear = _confidences(table, task, bars, full, grows)
    shares = kelly_shares(count, table.settings.knots)
    grows = grows & (shares > 0)
    low = np.where(grows, now, np.minimum(full, now))
    root = 1 / np.sqrt(np.where(grows, shares, 1.0))
    p = task.variance[bars] * root[:, :, None] * root[:, None, :] + task.impact[bars]
    coin, kind, n = table.coin[task.legs], table.kind[task.legs], len(task.legs)
    near = kind != OPPOSITE
    cuts = _on_injective(table, task)
    # what is held there and grows is above what it was; the kinks that are left are those on Injective
    moved = np.where((kind != CUT) & (now > 0), table.per_usd[table.far[task.legs]] * IN_BP, 0.0)
    to_book = table.per_usd[table.here[cuts]] * IN_BP
    unit, shape = np.eye(n), now.shape
    book = np.broadcast_to(to_book, (len(now), len(cuts)))
    kinks = Kinks(
        _names(task.legs, task.legs, cuts),
        np.concatenate((unit, unit, (near & (coin == cuts[:, None])) * 1.0)),
        np.concatenate((low, np.where(grows, full, np.inf), task.cut[bars][:, cuts]), axis=1),
        np.concatenate((np.full(shape, -np.inf), np.zeros(shape), -book), axis=1),
        np.concatenate((np.where(grows, 0.0, np.inf), np.full(shape, np.inf), book), axis=1),
    )
    sizes, sure = step.minimise(p, task.linear[bars] + moved, kinks)
    ahead_of_now = (np.clip(sizes, now, full) - now) * grows
    return sure & clear.all(axis=1) & ((ahead_of_now < least[bars]) | ~may[bars]).all(axis=1)


def _confidences(
    table: LegTable, task: _Task, bars: Ints, full: Floats, grows: Flags
) -> tuple[Floats, Flags]:
    """Return `quick`'s confidences of the legs that grow, and which of them no last digit of the sizes would change."""
    out, clear = np.zeros(full.shape), np.ones(full.shape, dtype=bool)
    at, leg = np.nonzero(grows)
    bar, unit = bars[at], task.scale[bars[at]]
    saved = table.settings.horizon_h * (task.rates[bar, leg] - task.charge[bar, leg][:, None])
    saved += task.after[bar, leg][:, None]
    trade, impact = table.trade[task.legs[leg]], table.impact[task.legs[leg]]
    told = []
    for off in (-CLOSE, CLOSE):
        size = (full[at, leg] + off) * unit
        change = size - task.now[bar, leg] * unit
        needed = (trade * np.abs(change) + impact * change**2) / size
        told.append(np.count_nonzero(saved > needed[:, None], axis=1) / saved.shape[1])
    out[at, leg] = told[0]
    clear[at, leg] = told[0] == told[1]
    return out, clear


def _on_injective(table: LegTable, task: _Task) -> Ints:
    """Return the coins of which something is cut on Injective and that have a leg there."""
    coin = table.coin[task.legs]
    held = np.asarray((task.cut > 0).any(axis=0), dtype=bool)
    out: Ints = np.unique(coin[(table.kind[task.legs] != OPPOSITE) & held[coin]])
    return out


def _names(*families: Ints) -> Ints:
    """Number the kinks of several kinds, each by its legs or coins."""
    return np.concatenate([of * len(families) + kind for kind, of in enumerate(families)])
