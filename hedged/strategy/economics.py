"""What a leg earns and costs: the arithmetic that the planner, its confidences and its explanations share.

A leg takes one unit (USD) of exposure away from the own position's funding:
cut: the own position is smaller here; opposite: an opposite perpetual there; relocate: smaller here, same side there.

**What a leg is worth when the horizon ends.** A hedge is held for weeks and paid for once, so its cost is not to be
earned within one horizon. Who holds the leg then has what others would have to open, if it still pays, or has to close
it, if it does not: it is worth the funding that it saves over the `tail_h` hours that follow, but never more than
opening it would cost then, and never less than the cost of closing it. Funding returns to its usual level, so these
hours are reckoned at the usual rates (`features.moments`), whatever the horizon brings.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hedged.domain.clock import HOURS_A_YEAR
from hedged.domain.market import INJECTIVE
from hedged.strategy.state import PlannerSettings, SymbolState

CUT, OPPOSITE, RELOCATE = "cut", "opposite", "relocate"


class Leg(NamedTuple):
    """One possible leg of one market, per USD.

    `saving`: (n_scenarios,) over the whole horizon, less the charge on the margin that the leg ties up, before costs of
    trading; `mean_saving` is its mean. `trade_cost`: fees and half-spreads of opening or closing it; `impact_per_usd`:
    what a change costs on top, per USD and per USD of the change. `value`: (n_scenarios,) saving and the worth at the
    horizon's end; `mean_value` is its mean. `protects`: funding that it is held against, over the horizon and the time
    after it: what the own position is expected to pay or the leg to save or to be worth, whichever is most.
    `leverage`: notional that a dollar of collateral may back while the leg grows.
    """

    kind: str
    venue: str
    now_usd: float
    saving: NDArray[np.float64]
    trade_cost: float
    mean_saving: float
    impact_per_usd: float
    value: NDArray[np.float64]
    mean_value: float
    protects: float = 0.0
    leverage: float = np.inf


class _Term(NamedTuple):
    """A leg before its rates are looked at: numbers of the series that it `earns` and that it `pays` (−1: none)."""

    kind: str
    venue: str
    now_usd: float
    trade_cost: float
    impact_per_usd: float
    most_leverage: float
    earns: int
    pays: int


def legs_of(state: SymbolState, settings: PlannerSettings) -> list[Leg]:
    """List the legs of a market whose rates are known: cut first, then by venue opposite and relocate."""
    return legs_of_all((state,), settings)[0]


def legs_of_all(states: Sequence[SymbolState], settings: PlannerSettings) -> list[list[Leg]]:
    """List the legs of every market. A book has hundreds of them: they are reckoned together."""
    if not states:
        return []
    venues = [(INJECTIVE, *usable_venues(state)) for state in states]
    series = list(accumulate((len(of) for of in venues), initial=0))
    terms = [_terms(*given, settings) for given in zip(states, venues, series[:-1], strict=True)]
    starts = list(accumulate((len(of) for of in terms), initial=0))
    flat = [term for of in terms for term in of]
    sizes = [len(of) for of in terms]
    owner, side = np.repeat(starts[:-1], sizes), np.repeat([state.side for state in states], sizes)
    trade, most = np.array([of.trade_cost for of in flat]), np.array([of.most_leverage for of in flat])
    rates, usual = _rates(states, venues, flat)
    rates *= side[:, None]
    factor = leverage_of(rates, most, settings)
    # margin is tied up for as long as a leg is held: its charge comes off every hour that is saved
    charge = settings.capital_rate_per_year / HOURS_A_YEAR / factor
    charge[starts[:-1]] = 0.0  # a cut ties up none
    rates -= charge[:, None]
    saving = settings.horizon_h * rates
    after = settings.tail_h * (side * usual - charge)
    value = saving + np.clip(after, -trade, trade)[:, None]
    mean_saving, mean_value = saving.mean(axis=1), value.mean(axis=1)
    whole = mean_saving + after
    protects = np.maximum.reduce([whole, whole[owner], mean_value, np.zeros_like(whole)])
    means = (column.tolist() for column in (mean_saving, mean_value, protects, factor))
    legs = [
        Leg(
            of.kind, of.venue, of.now_usd, save, of.trade_cost, mean, of.impact_per_usd, worth, mean_worth, protect,
            leverage,
        )
        for of, save, worth, mean, mean_worth, protect, leverage in zip(flat, saving, value, *means, strict=True)
    ]  # fmt: skip
    return [legs[start:end] for start, end in pairwise(starts)]


def _terms(state: SymbolState, venues: Sequence[str], near: int, settings: PlannerSettings) -> list[_Term]:
    """List a market's legs. `venues`: Injective, then the hedge venues; `near`: number of the first one's series."""
    cut, usd = state.costs[INJECTIVE], pure_cut_usd(state)
    most = _most_leverage(state, settings, INJECTIVE)
    terms = [_Term(CUT, INJECTIVE, usd, cut.per_usd, cut.impact_per_usd2, most, near, -1)]
    for far, venue in enumerate(venues[1:], start=near + 1):
        costs, held = state.costs[venue], state.side * state.legs_usd.get(venue, 0.0)
        most = _most_leverage(state, settings, venue)
        both = cut.per_usd + costs.per_usd, cut.impact_per_usd2 + costs.impact_per_usd2
        terms.append(
            _Term(OPPOSITE, venue, max(0.0, -held), costs.per_usd, costs.impact_per_usd2, most, far, -1)
        )
        terms.append(_Term(RELOCATE, venue, max(0.0, held), *both, most, near, far))
    return terms


def _rates(
    states: Sequence[SymbolState], venues: Sequence[Sequence[str]], terms: Sequence[_Term]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each leg takes away from what longs pay, per hour: (legs, scenarios), and as is usual (legs,)."""
    table = np.stack([state.rates[venue] for state, of in zip(states, venues, strict=True) for venue in of])
    usual = np.array([_usual(state, venue) for state, of in zip(states, venues, strict=True) for venue in of])
    earns, pays = np.array([of.earns for of in terms]), np.array([of.pays for of in terms])
    both = np.flatnonzero(pays >= 0)
    rates, level = table[earns], usual[earns]
    rates[both] -= table[pays[both]]
    level[both] -= usual[pays[both]]
    return rates, level


def leverage_of(
    saving: NDArray[np.float64], most: Sequence[float] | NDArray[np.float64], settings: PlannerSettings
) -> NDArray[np.float64]:
    """Return the leverage of legs by how sure their saving is (requirement B5): from `min_leverage` for a coin toss or
    worse, rising linearly to `most` for a saving in every scenario. saving (legs, scenarios) → (legs,).
    """
    sure = np.clip(2.0 * (saving > 0).mean(axis=1) - 1.0, 0.0, 1.0)
    high = np.asarray(most)
    low = np.minimum(settings.min_leverage, high)
    out: NDArray[np.float64] = low + sure * (high - low)
    return out


def _most_leverage(state: SymbolState, settings: PlannerSettings, venue: str) -> float:
    return min(settings.max_leverage, state.leverage.get(venue, np.inf))


def _usual(state: SymbolState, venue: str) -> float:
    """Usual rate per hour of a venue; where it is unknown, what is expected over the horizon."""
    usual = state.usual.get(venue)
    return float(state.rates[venue].mean()) if usual is None else usual


def usable_venues(state: SymbolState) -> list[str]:
    """Return the hedge venues whose rate and cost are known, in name order."""
    return sorted(v for v in state.rates if v != INJECTIVE and v in state.costs)


def may_grow(leg: Leg, state: SymbolState) -> bool:
    """Tell whether a leg may be opened or enlarged: every venue it trades on must be open."""
    if not state.closed:
        return True
    trades_on = {leg.venue} if leg.kind == OPPOSITE else {INJECTIVE, leg.venue}
    return trades_on.isdisjoint(state.closed)


def pure_cut_usd(state: SymbolState) -> float:
    """Return the part of the cut that is not the near side of a relocation."""
    same = sum(max(0.0, state.side * usd) for usd in state.legs_usd.values())
    return max(0.0, state.cut_usd - same)


def frozen_cut_usd(state: SymbolState) -> float:
    """Return the part of the cut that belongs to relocations whose far venue's rate is unknown: it stays with them."""
    usable = usable_venues(state)
    far = sum(max(0.0, state.side * usd) for venue, usd in state.legs_usd.items() if venue not in usable)
    return min(far, state.cut_usd)


def confidences(legs: Sequence[Leg], sizes_usd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each leg P(its value less the cost of moving it from where it is to its size > 0).

    Costs count for the change only. For a size of nothing the first dollar is judged.
    """
    now = np.array([leg.now_usd for leg in legs])
    size = np.where(sizes_usd > 0, sizes_usd, 1.0)
    change = size - np.where(sizes_usd > 0, now, 0.0)
    per_usd = np.array([leg.trade_cost for leg in legs])
    cost = per_usd * np.abs(change) + np.array([leg.impact_per_usd for leg in legs]) * change**2
    value = np.stack([leg.value for leg in legs])
    value *= size[:, None]
    value -= cost[:, None]
    out: NDArray[np.float64] = np.count_nonzero(value > 0, axis=1) / value.shape[1]
    return out


def kelly_share(confidence_: float, knots: tuple[tuple[float, float], ...]) -> float:
    """Return the share κ of full Kelly: linear between knots, flat above, nothing below the first."""
    return float(kelly_shares(np.array(confidence_), knots))


def kelly_shares(
    confidences_: NDArray[np.float64], knots: tuple[tuple[float, float], ...]
) -> NDArray[np.float64]:
    """Return `kelly_share` of each confidence; nothing for NaN."""
    xs, ys = zip(*knots, strict=True)
    out: NDArray[np.float64] = np.where(confidences_ >= xs[0], np.interp(confidences_, xs, ys), 0.0)
    return out


def own_funding_usd(symbols: Sequence[SymbolState], horizon_h: float) -> list[tuple[float, float, float]]:
    """Return (mean, 10 %, 90 %) of each unhedged own position's funding over the horizon, USD, > 0 received."""
    if not symbols:
        return []
    usd = np.array([-s.side * s.own_usd * horizon_h for s in symbols])
    paid = np.stack([s.rates[INJECTIVE] for s in symbols]) * usd[:, None]
    low, high = np.quantile(paid, [0.1, 0.9], axis=1)
    return list(zip(paid.mean(axis=1).tolist(), low.tolist(), high.tolist(), strict=True))
