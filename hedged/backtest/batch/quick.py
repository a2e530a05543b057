"""Would a plan change anything at this bar? The planner's own programme, stated from arrays, and none of its words.

It answers with the arithmetic of `strategy.economics`, `programme`, `kelly` and `planner`; where the answer is yes, or
cannot be told here, the bar is decided by the planner itself.
"""

from dataclasses import dataclass

import numpy as np

from hedged.backtest.batch.bars import Floats
from hedged.backtest.batch.legs import CUT, OPPOSITE, RELOCATE, Flags, Ints, LegTable
from hedged.domain.clock import HOURS_A_YEAR
from hedged.strategy.economics import kelly_shares
from hedged.strategy.kelly import NEGLIGIBLE, snapped, step_one, step_two
from hedged.strategy.programme import Z_95, Programme, standing

LAST_DIGITS = 1e-9
"""Of the own position: what adding up leaves of no change, far below what any venue takes an order for."""

ALMOST = 0.9
"""Share of the smallest order that is taken for one."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What is known at a bar. By coin: `mark` on Injective, `sigma`, whether it is `paused` by a stop; `correlation`
    (coins, coins). By series, with one more row of nothing: `usual`, `means`, `basis`, and the daemon's `held` coins.
    `collateral`: by hedge venue, in name order; `venue_of` its number by series. `open_`: the legs that may grow.
    """

    mark: Floats
    sigma: Floats
    correlation: Floats
    usual: Floats
    means: Floats
    basis: Floats
    held: Floats
    collateral: Floats
    venue_of: Ints
    paused: Flags
    open_: Flags


@dataclass(frozen=True, slots=True)
class _Look:
    """The legs that are looked at, in the order of `legs`: sizes now, USD; by coin what is held on Injective, and what
    of it relocations need.
    """

    legs: Ints
    now: Floats
    cut: Floats
    moved: Floats


def changes(table: LegTable, bar: Bar, legs: Ints, draws: Floats, rows: Ints) -> bool:
    """Tell whether the plan would change the size of any leg.

    `legs`: those of every coin that holds something or has a leg that may pay, all usable; `rows` (series,): which of
    the `draws` (rows, scenarios) a series has.
    """
    look = _now(table, bar, legs)
    if alone(table, look.cut, look.moved).any():
        return True
    value, mean_value, savings, leverage = _worth(table, bar, look, draws, rows)
    chosen = _candidates(table, bar, look, mean_value)
    if not chosen.any():
        return False
    at = np.flatnonzero(chosen)
    picked = _Look(look.legs[at], look.now[at], look.cut, look.moved)
    own_usd = table.own * bar.mark
    scale = float(own_usd[table.coin[picked.legs]].max())
    task = _programme(table, bar, picked, mean_value[at], savings[at], leverage[at], scale)
    dust = NEGLIGIBLE * own_usd[table.coin[picked.legs]]
    sizes = step_one(task, bar.open_[picked.legs])
    if sizes is None:
        return False  # it stays where it is
    full = snapped(sizes * task.scale, picked.now, dust)
    sure = _confidences(table, picked, full, value[at])
    shares = kelly_shares(sure, table.settings.knots)
    found = step_two(task, full / task.scale, shares)
    grown = picked.now if found is None else np.clip(found * task.scale, picked.now, full)
    target = np.where(full > picked.now, grown, full)
    target = _worth_an_order(table, bar, picked, target, own_usd)
    kept = _kept_cuts(table, picked, full, target)
    moves = np.abs(kept - picked.now) > LAST_DIGITS * own_usd[table.coin[picked.legs]]
    return bool((moves & ~bar.paused[table.coin[picked.legs]]).any())


def alone(table: LegTable, cut: Floats, moved: Floats) -> Flags:
    """Tell of which coins (…, coins) a relocation stands without its cut on Injective, by more than lots leave: the
    plan cuts what is missing though no leg changes.
    """
    out: Flags = moved - cut > ALMOST * table.smallest[table.here]
    return out


def _now(table: LegTable, bar: Bar, legs: Ints) -> _Look:
    coin, kind = table.coin[legs], table.kind[legs]
    side, mark = table.side[coin], bar.mark[coin]
    there = side * bar.held[table.far[legs]] * mark
    cut = np.maximum(0.0, -table.side * bar.held[table.here] * bar.mark)
    same = np.zeros(len(table.coins))
    np.add.at(same, coin[kind == RELOCATE], np.maximum(0.0, there[kind == RELOCATE]))
    pure = np.maximum(0.0, cut - same)[coin]
    now = np.where(kind == CUT, pure, np.maximum(0.0, np.where(kind == OPPOSITE, -there, there)))
    return _Look(legs, now, cut, same)


def _worth(
    table: LegTable, bar: Bar, look: _Look, draws: Floats, rows: Ints
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return value by scenario and its mean, saving by scenario, and leverage of each leg."""
    settings, legs = table.settings, look.legs
    side, kind = table.side[table.coin[legs]], table.kind[legs]
    rates = draws[rows[table.earn[legs]]]
    both = np.flatnonzero(kind == RELOCATE)
    rates[both] -= draws[rows[table.pay[legs[both]]]]
    rates *= side[:, None]
    most = table.most_leverage(bar.sigma)[legs]
    sure = np.clip(2.0 * (rates > 0).mean(axis=1) - 1.0, 0.0, 1.0)
    low = np.minimum(settings.min_leverage, most)
    leverage = low + sure * (most - low)
    charge = np.where(kind == CUT, 0.0, settings.capital_rate_per_year / HOURS_A_YEAR / leverage)
    rates -= charge[:, None]
    saving = settings.horizon_h * rates
    level = np.where(np.isnan(bar.usual), bar.means, bar.usual)
    trade = table.trade[legs]
    after = settings.tail_h * (side * (level[table.earn[legs]] - level[table.pay[legs]]) - charge)
    value = saving + np.clip(after, -trade, trade)[:, None]
    return value, value.mean(axis=1), saving, leverage


def _candidates(table: LegTable, bar: Bar, look: _Look, mean_value: Floats) -> Flags:
    """Tell which legs may change (`kelly._candidates`)."""
    coin, kind = table.coin[look.legs], table.kind[look.legs]
    near, holds = kind != OPPOSITE, look.now > 0
    beyond = np.where(kind == CUT, 0.0, table.per_usd[table.far[look.legs]])
    worst = np.full(len(table.coins), np.inf)
    np.minimum.at(worst, coin[near & holds], (mean_value + beyond)[near & holds])
    replaces = near & (mean_value - beyond > worst[coin])
    pays = (mean_value > table.trade[look.legs]) | replaces
    out: Flags = holds | (pays & bar.open_[look.legs])
    return out


def _programme(
    table: LegTable,
    bar: Bar,
    look: _Look,
    mean_value: Floats,
    savings: Floats,
    leverage: Floats,
    scale: float,
) -> Programme:
    """State `strategy.programme` for these legs."""
    coin, kind, far = table.coin[look.legs], table.kind[look.legs], table.far[look.legs]
    near, there, held = kind != OPPOSITE, kind != CUT, look.now != 0
    here = table.here[coin]
    cut = look.cut[coin]
    linear = -mean_value
    linear += np.where(near, table.per_usd[here] * (cut == 0) - 2 * table.per_usd2[here] * cut, 0.0)
    linear += np.where(there, table.per_usd[far] * ~held - 2 * table.per_usd2[far] * look.now, 0.0)
    together = near[:, None] & near & (coin[:, None] == coin)
    impact = np.where(together, (2 * scale * table.per_usd2[here])[:, None], 0.0)
    diagonal = np.arange(len(coin))
    impact[diagonal, diagonal] += np.where(there, 2 * scale * table.per_usd2[far], 0.0)
    cuts = np.unique(coin[near & (cut != 0)])
    moved = np.flatnonzero(there & held)
    books = np.concatenate((near & (coin == cuts[:, None]), diagonal == moved[:, None])) * 1.0
    today = np.concatenate((look.cut[cuts], look.now[moved])) / scale
    per_change = np.concatenate((table.per_usd[table.here[cuts]], table.per_usd[far[moved]]))
    rows, limits = _limits(table, bar, look, leverage)
    variance = _variance(table, bar, look, savings) * scale / table.settings.equity_usd
    return Programme(
        scale, look.now / scale, variance, impact, linear, rows, limits / scale, books, today, per_change
    )


def _variance(table: LegTable, bar: Bar, look: _Look, savings: Floats) -> Floats:
    coin, kind = table.coin[look.legs], table.kind[look.legs]
    delta = np.where(kind == RELOCATE, 0.0, table.side[coin] * bar.sigma[coin])
    out: Floats = delta[:, None] * delta * bar.correlation[np.ix_(coin, coin)]
    basis = np.where(kind == CUT, 0.0, bar.basis[table.far[look.legs]])
    out[np.diag_indices(len(coin))] += basis**2
    savings = savings - savings.mean(axis=1, keepdims=True)
    out += savings @ savings.T / max(1, savings.shape[1] - 1)
    return out


def _limits(table: LegTable, bar: Bar, look: _Look, leverage: Floats) -> tuple[Floats, Floats]:
    settings = table.settings
    coin, kind, now = table.coin[look.legs], table.kind[look.legs], look.now
    mine = np.unique(coin)
    own_usd = table.own[mine] * bar.mark[mine]
    of_coin = coin == mine[:, None]
    rows, limits = (
        [of_coin, of_coin & (kind != RELOCATE)],
        [settings.cap * own_usd, settings.delta_band * own_usd],
    )
    if not settings.allow_own_cut:
        rows.append(of_coin & (kind != OPPOSITE))
        limits.append(np.zeros(len(mine)))
    there = kind != CUT
    venue = np.where(there, bar.venue_of[table.far[look.legs]], -1)
    margin = np.where(venue == np.arange(len(bar.collateral))[:, None], 1.0 / leverage, 0.0)
    for number, (collateral, used) in enumerate(
        zip(bar.collateral.tolist(), (margin @ now).tolist(), strict=True)
    ):
        within = float(now[venue == number].sum()) <= settings.max_leverage * collateral
        limits.append(np.array([max(standing(collateral, used), used if within else 0.0)]))
    basis = np.where(there, bar.basis[table.far[look.legs]], 0.0)
    risk = Z_95 * (np.where(kind == RELOCATE, 0.0, bar.sigma[coin]) + basis)
    limits.append(np.array([standing(settings.equity_at_risk * settings.equity_usd, float(risk @ now))]))
    return np.concatenate((*rows, margin, risk[None])).astype(float), np.concatenate(limits)


def _confidences(table: LegTable, look: _Look, full: Floats, value: Floats) -> Floats:
    size = np.where(full > 0, full, 1.0)
    change = size - np.where(full > 0, look.now, 0.0)
    cost = table.trade[look.legs] * np.abs(change) + table.impact[look.legs] * change**2
    out: Floats = np.count_nonzero(value * size[:, None] > cost[:, None], axis=1) / value.shape[1]
    return out


def _worth_an_order(table: LegTable, bar: Bar, look: _Look, target: Floats, own_usd: Floats) -> Floats:
    """Return the sizes without changes that are worth no order; what nearly is one is left to the planner."""
    coin, kind, now = table.coin[look.legs], table.kind[look.legs], look.now
    settings, n = table.settings, len(table.coins)
    least = settings.min_change * own_usd[coin] * (1 - 1e-6)
    over = np.bincount(coin, now, n) > settings.cap * own_usd
    over |= np.bincount(coin, np.where(kind == RELOCATE, 0.0, now), n) > settings.delta_band * own_usd
    venue = bar.venue_of[table.far[look.legs]]
    far = np.where(kind == CUT, 0.0, now)
    crowded = np.bincount(venue, far, len(bar.collateral) + 1)[:-1] > settings.max_leverage * bar.collateral
    over[coin[(far > 0) & np.append(crowded, False)[venue]]] = True
    small = (np.abs(target - now) < least) & (~over[coin] | (target > now)) & (target > 0)
    out: Floats = np.where(small, now, target)
    return out


def _kept_cuts(table: LegTable, look: _Look, full: Floats, target: Floats) -> Floats:
    """Keep a cut until the relocations that full Kelly turns it into have taken its place (`planner`)."""
    coin, kind = table.coin[look.legs], table.kind[look.legs]
    near, n = kind != OPPOSITE, len(table.coins)
    now, most, then = (np.bincount(coin[near], of[near], n) for of in (look.now, full, target))
    short = np.maximum(0.0, np.minimum(now, most) - then)[coin]
    kept = np.maximum(target, np.minimum(look.now, target + short))
    out: Floats = np.where((kind == CUT) & (short > 0), kept, target)
    return out
