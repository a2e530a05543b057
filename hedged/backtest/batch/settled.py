"""Bars ahead at which the plan surely leaves every position as it is: both steps of `strategy.kelly`, for all of them.

While what is held stands still, the bars ahead state the same programme with other figures. It is stated and solved for
many bars at once, without the limits that markets share (margin, equity at risk), which are then looked at: an answer
that keeps to them is the answer with them. What is nearly a change, nearly at a limit, or not proven, is not sure.
"""

import numpy as np

from hedged.backtest.batch.bars import Floats
from hedged.backtest.batch.kinked import Kinks, Minimiser
from hedged.backtest.batch.legs import CUT, OPPOSITE, RELOCATE, Flags, Ints, LegTable
from hedged.backtest.batch.quick import LAST_DIGITS
from hedged.backtest.batch.room import EXACT, filled, over, within
from hedged.backtest.batch.stated import CLOSE, BarsAhead, Task, met, stated
from hedged.strategy.economics import kelly_shares
from hedged.strategy.kelly import NEGLIGIBLE
from hedged.strategy.programme import IN_BP

NEARLY = 0.95
"""Share of the least change that is worth an order below which a change surely is none."""


def settled(
    table: LegTable, ahead: BarsAhead, legs: Ints, steps: tuple[Minimiser, Minimiser]
) -> tuple[Flags, Flags]:
    """Tell at which bars the plan surely changes nothing, and at which it is proven to change something but for last
    digits: (bars,) each; where neither is told the plan has to be asked. `legs`: all that may have part in any of them;
    `steps`: what remembers the answers of both steps.
    """
    task = stated(table, ahead, legs)
    full, sure = _step_one(table, ahead, task, steps[0])
    sure &= within(table, ahead, task, full) & ~task.unsure
    now, dust = task.now, NEGLIGIBLE * task.own
    least = table.settings.min_change * task.own * NEARLY - CLOSE
    awake = ~ahead.paused[:, table.coin[legs]]
    kept = _kept(table, task, full) | ~awake
    # a held leg that goes to nothing is closed; a decrease within the band stays unless a limit is exceeded
    stays = (full > 2 * dust) | (now <= LAST_DIGITS * task.own)
    moves = sure & ~(stays | kept).all(axis=1)
    down = now - full
    stays &= (down < least) & ((down < dust / 2) | ~over(table, ahead, task))
    sure &= (stays | kept).all(axis=1)
    grows, may = full > now + dust, awake & ~filled(table, task)
    asked = np.flatnonzero(sure & (grows & (full - now >= least) & may).any(axis=1))
    if len(asked):
        sure[asked], moves[asked] = _step_two(table, task, asked, full, grows, least, may, steps[1])
    return sure, moves


def _step_one(table: LegTable, ahead: BarsAhead, task: Task, step: Minimiser) -> tuple[Floats, Flags]:
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
    band = met(band, held_here, own)
    cap = met(met(cap, band + moved_here, own), held_here + moved_here, own)
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


def _kept(table: LegTable, task: Task, full: Floats) -> Flags:
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
    task: Task,
    bars: Ints,
    full: Floats,
    grows: Flags,
    least: Floats,
    may: Flags,
    step: Minimiser,
) -> tuple[Flags, Flags]:
    """Tell at which of the bars no leg that `may` grows by what is worth an order, and at which one does."""
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
    sure &= clear.all(axis=1)
    much = table.settings.min_change * task.own[bars] + CLOSE
    still = ((ahead_of_now < least[bars]) | ~may[bars]).all(axis=1)
    return sure & still, sure & ((ahead_of_now > much) & may[bars]).any(axis=1)


def _confidences(table: LegTable, task: Task, bars: Ints, full: Floats, grows: Flags) -> tuple[Floats, Flags]:
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


def _on_injective(table: LegTable, task: Task) -> Ints:
    """Return the coins of which something is cut on Injective and that have a leg there."""
    coin = table.coin[task.legs]
    held = np.asarray((task.cut > 0).any(axis=0), dtype=bool)
    out: Ints = np.unique(coin[(table.kind[task.legs] != OPPOSITE) & held[coin]])
    return out


def _names(*families: Ints) -> Ints:
    """Number the kinks of several kinds, each by its legs or coins."""
    return np.concatenate([of * len(families) + kind for kind, of in enumerate(families)])
