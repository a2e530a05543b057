"""What one market shows a hedger at each decision and what then follows: arrays, laid out once.

An observation holds only what was known a minute after the hour at which it is made; what follows is the reward's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOUR_MS
from hedged.domain.forecast import LEVELS
from hedged.evaluation.hedging.history import HedgeHistory
from hedged.evaluation.hedging.laws import standing
from hedged.evaluation.hedging.moments import MomentsByHour, moments_by_hour
from hedged.evaluation.hedging.perfect import sizes
from hedged.evaluation.hedging.setting import Ledger, Setting, decides
from hedged.evaluation.hedging.state import horizon_h
from hedged.evaluation.prints import yardsticks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WEEK_H = 168
DAY_H = 24
BOUND = 10.0
"""No feature is shown beyond it; compressed, it stands for 22,000 times the cost of opening a week."""
SHOWN = (0, len(LEVELS) // 2, len(LEVELS) - 1)
"""Places in LEVELS of the quantiles that are observed: 5, 50 and 95 %."""


@dataclass(frozen=True, slots=True)
class Course:
    """One symbol and side under a setting. n decisions in order of time, those of a stretch one after the other.

    `place` (n,): hour of the history at whose end is decided. `shown` (n, features) float32: what is observed beside
    the positions held. `known` (n,): whether every venue has a forecast; without one nothing may be changed. `hours`
    (n,): until the next decision or the stretch's end. `stretches`: first and one behind the last decision of each.

    `states` (states, venues) USD: the positions that may be held, flat first; their size is bounded by the risk gate's
    cap and delta band. By decision and by the state held after it, (n, states) USD: `saved` funding, `charged` for
    holding, and `risk`, the planner's charge for it. `change` (states, states) USD: what going from a row's state to a
    column's costs. `unit_usd`: what opening the largest hedge costs; rewards are counted in it.
    `own` (states, features) float32: how a hedger sees that it holds a state, its positions ÷ cap and which it is.
    """

    setting: Setting
    side: int
    place: Ints
    shown: NDArray[np.float32]
    known: NDArray[np.bool_]
    hours: Floats
    stretches: tuple[tuple[int, int], ...]
    states: Floats
    saved: Floats
    charged: Floats
    risk: Floats
    change: Floats
    unit_usd: float
    own: NDArray[np.float32]


def course_of(
    history: HedgeHistory, setting: Setting, side: int, told: Sequence[tuple[Ints, Floats]]
) -> Course:
    """Lay a history out. `told`: who forecasts what, by venue, as in `evaluation.hedging.laws`.

    Raises ValueError where positions are constant in coins: here they are constant in USD.
    """
    if history.price_ratio is not None:
        raise ValueError("a course wants positions that are constant in USD")
    series = [history.series[key] for key in history.keys]
    horizon = horizon_h(setting, float(np.median(series[0].funding_hours)))
    moments = moments_by_hour(history, horizon, setting.priced)
    laws = [standing(law, data, history.decided_ms) for law, data in zip(told, series, strict=True)]
    places, lasts, edges = [], [], [0]
    for first, end in history.stretches:
        # at the stretch's last hour nothing follows that a change could be held through
        at = first + np.flatnonzero(decides(history, setting, first, end)[:-1])
        places.append(at)
        lasts.append(np.r_[at[1:], end - 1] if len(at) else at)
        edges.append(edges[-1] + len(at))
    place, last = np.concatenate(places), np.concatenate(lasts)
    paid = np.concatenate((np.zeros((1, len(series))), np.cumsum(history.paid.T, axis=0)))
    hours = (last - place).astype(np.float64)
    law = np.stack(laws, axis=1)
    known = np.asarray(np.isfinite(law).all(axis=(1, 2)), bool)
    states, ledger = states_of(setting), setting.ledger
    shown = _shown(history, setting, side, law, moments, states)[place].astype(np.float32)
    risk = risk_usd(setting, horizon, states, moments.sigma[place, None], moments.basis_sigma.T[place, None])
    change = ledger.change_usd(states[:, None], states[None])
    return Course(
        setting, side, place, shown, known[place], hours,
        tuple((a, b) for a, b in pairwise(edges) if b > a), states,
        ledger.saved_usd(states[None], (paid[last + 1] - paid[place + 1])[:, None], side),
        hours[:, None] * ledger.holding_usd(states), hours[:, None] * risk, change, float(change[0, -1]),
        np.concatenate((states / np.abs(states).max(), np.eye(len(states))), axis=1).astype(np.float32),
    )  # fmt: skip


def states_of(setting: Setting) -> Floats:
    """Return the positions that may be held: those of perfect foresight's grid, under the cap and the delta band."""
    planner = setting.planner
    band = planner.delta_band / planner.cap if len(setting.kinds) > 1 else 1.0
    return sizes(setting.kinds, len(setting.venues), band) * planner.cap * setting.notional_usd


def risk_usd(setting: Setting, horizon: float, held: Floats, sigma: Floats, basis_sigma: Floats) -> Floats:
    """Return the planner's charge for an hour's risk of price and basis: half the variance ÷ equity. (...).

    held (..., venues) USD; sigma (...) and basis_sigma (..., hedge venues) over `horizon` hours.
    """
    exposed = held[..., 1:].sum(axis=-1) - held[..., 0]
    variance = (exposed * sigma) ** 2 + ((held[..., 1:] * basis_sigma) ** 2).sum(axis=-1)
    charge: Floats = 0.5 * variance / setting.planner.equity_usd / horizon
    return charge


def edge_column(setting: Setting) -> int:
    """Return the place in `Course.shown` of what a week of the largest hedge earns by the forecast's median."""
    return (len(SHOWN) + 4) * (1 + len(setting.venues))


def _shown(
    history: HedgeHistory, setting: Setting, side: int, law: Floats, moments: MomentsByHour, states: Floats
) -> Floats:
    """Put the observation together at every hour, (hours, features). Rates are weeks' savings ÷ the cost of opening.

    law: (hours, venues, levels).
    """
    ledger, n = setting.ledger, len(history.ts_ms)
    full = states[-1]
    unit = float(ledger.change_usd(np.zeros_like(full), full)) / np.abs(full).max()
    scale = WEEK_H / unit
    prints = [yardsticks(history.series[key], history.decided_ms) for key in history.keys]
    signed = [side * law[..., i] for i in (SHOWN if side > 0 else SHOWN[::-1])]
    last = np.stack([one.last for one in prints], axis=1)
    day = _trailing(history.paid.T, DAY_H)
    usual = moments.usual.T
    rates = [*signed, side * last, side * day, side * usual, np.stack([one.s for one in prints], axis=1)]
    edges = [
        _edge(ledger, full, rate, side) / np.abs(full).max()
        for rate in (law[..., SHOWN[1]], last, day, usual)
    ]
    risk = risk_usd(setting, horizon_h(setting, 1.0), full, moments.sigma, moments.basis_sigma.T)
    charge = np.full(n, float(ledger.holding_usd(full)))
    columns = [
        *(_compressed(scale * rate) for rate in rates),
        *(_compressed(scale * edge)[:, None] for edge in edges),
        *(_compressed(scale * usd / np.abs(full).max())[:, None] for usd in (risk, charge)),
        _p_up(law, last) if side > 0 else 1.0 - _p_up(law, last),
        _to_settlement(history),
        np.full((n, 1), np.log2(unit / 1e-3)),
        np.full((n, 1), float(side)),
    ]
    out: Floats = np.clip(np.nan_to_num(np.concatenate(columns, axis=1), nan=0.0), -BOUND, BOUND)
    return out


def _edge(ledger: Ledger, full: Floats, rate: Floats, side: int) -> Floats:
    """Return what an hour of the largest hedge earns at rates (hours, venues), margin's charge paid. USD, (hours,)."""
    return ledger.saved_usd(full, rate, side) - ledger.holding_usd(full)


def _compressed(values: Floats) -> Floats:
    out: Floats = np.sign(values) * np.log1p(np.abs(values))
    return out


def _trailing(values: Floats, window: int) -> Floats:
    """Return the mean of the trailing rows, fewer at the beginning. (n, …)."""
    total = np.concatenate((np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)))
    hi = np.arange(1, len(values) + 1)
    lo = np.maximum(hi - window, 0)
    out: Floats = (total[hi] - total[lo]) / (hi - lo)[:, None]
    return out


def _p_up(law: Floats, last: Floats) -> Floats:
    """Return the law's probability that the coming mean lies above the last settled rate. (hours, venues)."""
    out = np.full(last.shape, 0.5)
    levels = np.asarray(LEVELS)
    # the law between its quantiles is linear; outside them its outer levels stand
    for i in range(len(levels) - 1):
        lo, hi = law[..., i], law[..., i + 1]
        inside = (last >= lo) & (last < hi)
        with np.errstate(divide="ignore", invalid="ignore"):
            out = np.where(inside, 1 - levels[i] - (levels[i + 1] - levels[i]) * (last - lo) / (hi - lo), out)
    out = np.where(last < law[..., 0], 1 - levels[0], out)
    return np.where(last > law[..., -1], 1 - levels[-1], out)


def _to_settlement(history: HedgeHistory) -> Floats:
    """Return the share of its interval that each venue's coming settlement is away. (hours, venues), NaN unknown."""
    out = np.full((len(history.ts_ms), len(history.keys)), np.nan)
    for v, key in enumerate(history.keys):
        data = history.series[key]
        at = np.searchsorted(data.funding_ts, history.decided_ms, side="right") - 1
        interval = data.funding_hours[np.maximum(at, 0)] * HOUR_MS
        left = data.funding_ts[np.maximum(at, 0)] + interval - history.decided_ms
        out[:, v] = np.where(at >= 0, np.clip(left / interval, 0.0, 1.0), np.nan)
    return out
