"""The convex programme of the plan, as dense arrays: what both steps of `kelly` minimise, and within which limits.

minimise  cost(h − h_now) − E[value(h)] + ½·λ·Var[PnL(h) − PnL(unchanged)],   λ = 1 / equity
subject to the cap, the delta band, collateral × leverage per venue and the equity at risk.

Variables: leg sizes; for each position that is held an up (what it grows by), which its absolute-value cost is made
of. Where nothing is held a leg's cost is linear in its size and needs none. Everything is in units of `scale` USD and
basis points, so that the programme is well conditioned. Solved by PIQP (Schwan et al. 2023, a proximal interior-point
method), whose dense form takes these few hundred variables faster than a sparse one can order them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import piqp
from numpy.typing import NDArray

from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE, Leg, frozen_cut_usd
from hedged.strategy.state import PlannerState, SymbolState

IN_BP = 1e4
"""The objective is a matter of basis points; the solver's tolerances are absolute."""
Z_95 = 1.6449
"""One-sided 95 % of the normal law, for the equity at risk."""

HEADROOM = 0.05
"""Share of a limit that drifts with prices (margin, equity at risk) which is left free when a hedge grows or is cut."""
LEAST = 1e-7
"""Room, in units of scale, that is none: bounds that all but meet leave an interior-point method no interior."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Programme:
    """`variance` (legs, legs): λ·Var; `impact` (legs, legs) and `linear` (legs,): costs less value; `rows` (limits,
    legs) · sizes ≤ `limits`; `books` (held, legs): positions that are held, `today` (held,) what they are, `per_change`
    (held,) what a change of them costs.
    """

    scale: float
    now: Array
    variance: Array
    impact: Array
    linear: Array
    rows: Array
    limits: Array
    books: Array
    today: Array
    per_change: Array

    def most(self) -> Array:
        """Return the size that each leg alone could have within the limits, 0 where that is next to nothing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            alone = np.where(self.rows > 0, self.limits[:, None] / self.rows, np.inf).min(axis=0)
        out: Array = np.where(alone < LEAST, 0.0, alone)
        return out

    def solve(self, low: Array, high: Array, risk: Array) -> Array | None:
        """Return the sizes between `low` and `high` (units of scale), or None. `risk` (legs,): each leg's PnL counts as
        √risk times as wide as it is. Legs whose bounds meet are fixed.
        """
        free = np.flatnonzero(high > low + LEAST)
        sizes = low.copy()
        if not len(free):
            return sizes
        root = np.sqrt(risk)
        p = self.variance * root[:, None] * root + self.impact
        fixed = sizes.copy()
        fixed[free] = 0.0
        n, k = len(free), len(self.today)
        quadratic = np.zeros((n + k, n + k))
        quadratic[:n, :n] = p[np.ix_(free, free)]
        linear = np.concatenate((self.linear[free] + p[free] @ fixed, 2 * self.per_change))
        linear[:n] -= self.books[:, free].T @ self.per_change
        bind = (self.rows[:, free] > 0).any(axis=1)
        rows = np.zeros((bind.sum() + k, n + k))
        rows[: bind.sum(), :n] = self.rows[np.ix_(bind, free)]
        rows[bind.sum() :, :n] = self.books[:, free]
        rows[bind.sum() :, n:] = -np.eye(k)
        # a limit that today's sizes already fill to the last digit must not make the programme infeasible
        room = np.maximum((self.limits - self.rows @ fixed)[bind], rows[: bind.sum(), :n] @ low[free] + LEAST)
        limits = np.concatenate((room, self.today - self.books @ fixed))
        lows = np.concatenate((low[free], np.zeros(k)))
        highs = np.concatenate((high[free], np.full(k, np.inf)))
        found = _solved(quadratic * IN_BP, linear * IN_BP, rows, limits, lows, highs)
        if found is None:
            return None
        sizes[free] = np.clip(found[:n], low[free], high[free])
        return sizes


def _solved(p: Array, q: Array, rows: Array, limits: Array, lows: Array, highs: Array) -> Array | None:
    """Minimise ½·xᵀ·p·x + q·x subject to rows·x ≤ limits and the bounds; None where the solver gives up.

    Of a thousand programmes one or two are taken for unbounded, though every one has a least value: its equilibration
    misleads it there, and without it they are solved.
    """
    for equilibrated in (True, False):
        solver = piqp.DenseSolver()
        solver.settings.verbose = False
        solver.settings.preconditioner_scale_cost = True
        if not equilibrated:
            solver.settings.preconditioner_iter = 0
        solver.setup(p, q, None, None, rows, None, limits, lows, highs)
        if solver.solve() == piqp.PIQP_SOLVED:
            x: Array = solver.result.x
            return x
    return None


def programme(state: PlannerState, legs: Sequence[Sequence[Leg]]) -> Programme:
    """State the programme for these legs of each market, at least one. Markets without any do not touch it."""
    flat = [(i, leg) for i, of in enumerate(legs) for leg in of]
    scale = max(symbol.own_usd for symbol, of in zip(state.symbols, legs, strict=True) if of)
    books, today, per_change, linear, impact = _books(state, legs, scale)
    linear -= np.array([leg.mean_value for _, leg in flat])
    now = np.array([leg.now_usd for _, leg in flat]) / scale
    rows, limits = _limits(state, flat)
    return Programme(
        scale, now, _variance(state, flat) * scale / state.settings.equity_usd, impact, linear, rows, limits / scale,
        books, today, per_change,
    )  # fmt: skip


def _books(
    state: PlannerState, legs: Sequence[Sequence[Leg]], scale: float
) -> tuple[Array, Array, Array, Array, Array]:
    """What is held per unit of leg, how much that is today, what a change of it costs; and for all legs linear costs
    (where nothing is held) and impact as a matrix on leg sizes.

    On Injective cut and relocations are one position. Elsewhere each leg is its own: one that is both relocated to and
    hedged against at the same venue would cost nothing if they were netted, and be worth something to both.
    """
    n = sum(len(of) for of in legs)
    members: list[tuple[int, ...]] = []
    terms: list[tuple[float, float, float]] = []  # per position: held, USD; cost per USD; impact
    for start, mine, symbol in zip(_starts(legs), legs, state.symbols, strict=True):
        near = tuple(k for k, one in enumerate(mine, start=start) if one.kind != OPPOSITE)
        if near:
            costs = symbol.costs[INJECTIVE]
            members.append(near)
            terms.append((symbol.cut_usd - frozen_cut_usd(symbol), costs.per_usd, costs.impact_per_usd2))
        for k, one in enumerate(mine, start=start):
            if one.kind != CUT:
                costs = symbol.costs[one.venue]
                members.append((k,))
                terms.append((one.now_usd, costs.per_usd, costs.impact_per_usd2))
    held, per_usd, impact_of = np.array(terms).reshape(-1, 3).T
    linear, impact = np.zeros(n), np.zeros((n, n))
    of, leg = np.array([(i, k) for i, those in enumerate(members) for k in those]).T
    books = np.zeros((len(members), n))
    books[of, leg] = 1.0
    weight = 2 * impact_of * scale
    np.add.at(linear, leg, (per_usd * (held == 0) - weight * held / scale)[of])
    pairs = [(i, k, other) for i, those in enumerate(members) for k in those for other in those]
    of, leg, other_leg = np.array(pairs).T
    np.add.at(impact, (leg, other_leg), weight[of])
    is_held = held != 0
    return books[is_held], held[is_held] / scale, per_usd[is_held], linear, impact


def _variance(state: PlannerState, flat: Sequence[tuple[int, Leg]]) -> Array:
    """Variance of what the legs add to the book's PnL, per unit of leg: price, basis, funding."""
    owner = np.array([i for i, _ in flat], dtype=int)
    sigma = np.array([s.side * s.sigma for s in state.symbols])
    delta = np.where([leg.kind == RELOCATE for _, leg in flat], 0.0, sigma[owner])
    out: Array = delta[:, None] * delta * state.correlation[np.ix_(owner, owner)]
    basis = [state.symbols[i].basis_sigma.get(leg.venue, 0.0) if leg.kind != CUT else 0.0 for i, leg in flat]
    out[np.diag_indices(len(flat))] += np.square(basis)
    savings = np.stack([leg.saving for _, leg in flat])
    savings = savings - savings.mean(axis=1, keepdims=True)
    out += savings @ savings.T / max(1, savings.shape[1] - 1)
    return out


def _limits(state: PlannerState, flat: Sequence[tuple[int, Leg]]) -> tuple[Array, Array]:
    """Inequalities: cap, delta band and permission per market; margin per venue; equity at risk. USD."""
    settings = state.settings
    owner = np.array([i for i, _ in flat])
    kind = np.array([leg.kind for _, leg in flat])
    venue = np.array([leg.venue for _, leg in flat])
    rows, limits = [], []
    frozen = [frozen_legs(symbol) for symbol in state.symbols]
    for i, symbol in enumerate(state.symbols):
        mine = owner == i
        if not mine.any():
            continue
        taken = sum(frozen[i].values()) + symbol.taken_usd + symbol.reserved_usd
        rows += [mine, mine & (kind != RELOCATE)]
        limits += [
            max(0.0, settings.cap * symbol.own_usd - taken),
            max(0.0, settings.delta_band * symbol.own_usd - frozen_opposite(symbol) - symbol.taken_usd),
        ]
        if not settings.allow_own_cut:
            rows.append(mine & (kind != OPPOSITE))
            limits.append(0.0)
    now = np.array([leg.now_usd for _, leg in flat])
    factor = np.array([leg.leverage for _, leg in flat])
    for name, collateral in sorted(state.collateral_usd.items()):
        rows.append(np.where(venue == name, 1.0 / factor, 0.0))
        held = sum(of.get(name, 0.0) for of in frozen) / settings.max_leverage
        used = float(rows[-1] @ now)
        # a forecast that became less sure stops what is held from growing; only the ceiling makes it shrink
        within = now[venue == name].sum() <= settings.max_leverage * (collateral - held)
        limits.append(max(standing(collateral - held, used), used if within else 0.0))
    rows.append(np.array([Z_95 * sigma_of(leg, state.symbols[i]) for i, leg in flat]))
    at_risk = sum(Z_95 * symbol.sigma * frozen_opposite(symbol) for symbol in state.symbols)
    limits.append(standing(settings.equity_at_risk * settings.equity_usd - at_risk, rows[-1] @ now))
    return np.array(rows, dtype=float), np.array(limits)


def standing(limit: float, used: float) -> float:
    """Return the limit that the plan keeps to, of one that drifts with prices: what is used stands while it is within.

    Growing stops a little below, and what exceeds it goes back as far: else every tick at a limit is an order.
    """
    below = (1 - HEADROOM) * max(0.0, limit)
    return used if below <= used <= limit else below


def sigma_of(leg: Leg, symbol: SymbolState) -> float:
    """Return the standard deviation over the horizon of what a leg adds per USD: price and, elsewhere, basis."""
    basis = symbol.basis_sigma.get(leg.venue, 0.0)
    return {CUT: symbol.sigma, OPPOSITE: symbol.sigma + basis, RELOCATE: basis}[leg.kind]


def frozen_legs(symbol: SymbolState) -> dict[str, float]:
    """Return the size by venue of the legs whose venue's rate is unknown: they stay, and use up every limit."""
    rates, costs = symbol.rates, symbol.costs
    return {
        venue: abs(usd)
        for venue, usd in symbol.legs_usd.items()
        if usd and not (venue in rates and venue in costs)
    }


def frozen_opposite(symbol: SymbolState) -> float:
    """Return how much of the frozen legs is against the own side, USD."""
    return sum(usd for venue, usd in frozen_legs(symbol).items() if symbol.side * symbol.legs_usd[venue] < 0)


def _starts(legs: Sequence[Sequence[Leg]]) -> list[int]:
    """Return the index of each market's first leg."""
    return [0, *accumulate(len(of) for of in legs)][:-1]
