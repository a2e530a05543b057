"""Step 1 of the plan: the full-Kelly hedge of all markets together, as one convex quadratic programme.

maximise  E[saving(h)] − cost(h − h_now) − ½·λ·Var[PnL(h) − PnL(unchanged)],   λ = 1 / equity
subject to the cap, the delta band, collateral × leverage per venue, and the equity at risk; a leg on a closed venue is
no larger than today.

Absolute-value costs are linear in the two halves (up, down) of each change. Solved by Clarabel (interior point).
Everything inside is in units of `scale` USD so that the programme is well conditioned.
"""

from dataclasses import dataclass
from itertools import accumulate

import clarabel
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hedged.domain.market import INJECTIVE
from hedged.strategy.economics import (
    CUT,
    OPPOSITE,
    RELOCATE,
    Leg,
    frozen_cut_usd,
    legs_of,
    may_grow,
    usable_venues,
)
from hedged.strategy.state import PlannerState, SymbolState

IN_BP = 1e4  # the objective is a matter of basis points; the solver's tolerances are absolute
Z_95 = 1.6449  # one-sided 95 % of the normal law, for the equity at risk


@dataclass(frozen=True, slots=True)
class KellySolution:
    """Full-Kelly sizes in USD, per market in the order of its legs; `solved` is False when the solver gave up."""

    legs: tuple[tuple[Leg, ...], ...]
    sizes_usd: tuple[NDArray[np.float64], ...]
    solved: bool


def full_kelly(state: PlannerState) -> KellySolution:
    """Solve step 1. Without a solution every leg stays where it is."""
    legs = tuple(tuple(legs_of(symbol, state.settings)) for symbol in state.symbols)
    if not legs:
        return KellySolution((), (), True)
    programme = _Programme(state, legs)
    x = programme.solve()
    if x is None:
        now = tuple(np.array([leg.now_usd for leg in of]) for of in legs)
        return KellySolution(legs, now, False)
    sizes, at = [], 0
    for of in legs:
        sizes.append(np.maximum(x[at : at + len(of)], 0.0) * programme.scale)
        at += len(of)
    return KellySolution(legs, tuple(sizes), True)


class _Programme:
    """Variables: [leg sizes | ups | downs | growths]: an up/down pair for each (market, venue) traded, a growth for
    each leg beyond today's size, which the charge on tied-up margin is paid on.
    """

    def __init__(self, state: PlannerState, legs: tuple[tuple[Leg, ...], ...]) -> None:
        self.state = state
        self.legs = legs
        self.flat = [(i, leg) for i, of in enumerate(legs) for leg in of]
        self.books = [(i, v) for i, of in enumerate(legs) for v in dict.fromkeys(leg.venue for leg in of)]
        self.scale = max(symbol.own_usd for symbol in state.symbols)
        self.n_legs, self.n_books = len(self.flat), len(self.books)
        self.n = 2 * self.n_legs + 2 * self.n_books

    def solve(self) -> NDArray[np.float64] | None:
        """Return the leg sizes in units of `scale`, or None."""
        equal, equal_to = self._balance()
        rows, limits = self._limits()
        grown, held = self._growth()
        a = sparse.csc_matrix(np.vstack([equal, rows, grown, -np.eye(self.n)]))
        b = np.concatenate([equal_to, limits, held, np.zeros(self.n)])
        cones = [clarabel.ZeroConeT(len(equal_to)), clarabel.NonnegativeConeT(len(b) - len(equal_to))]
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        p = sparse.csc_matrix(np.triu(self._risk())) * IN_BP
        solution = clarabel.DefaultSolver(p, self._linear() * IN_BP, a, b, cones, settings).solve()
        if solution.status not in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
            return None
        return np.asarray(solution.x)[: self.n_legs]

    def _linear(self) -> NDArray[np.float64]:
        """Cost less expected saving per unit."""
        trade = [self.state.symbols[i].costs[venue].per_usd for i, venue in self.books]
        saving = [-leg.mean_saving for _, leg in self.flat]
        return np.array([*saving, *trade, *trade, *(leg.capital_cost for _, leg in self.flat)])

    def _growth(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Growth of a leg ≥ its size − today's."""
        rows = np.zeros((self.n_legs, self.n))
        rows[:, : self.n_legs] = np.eye(self.n_legs)
        rows[:, -self.n_legs :] = -np.eye(self.n_legs)
        return rows, np.array([leg.now_usd for _, leg in self.flat]) / self.scale

    def _risk(self) -> NDArray[np.float64]:
        """λ·Var as a matrix on leg sizes, impact on the diagonal of ups and downs; units of scale²."""
        state, m = self.state, self.n_legs
        delta = np.zeros((len(state.symbols), m))  # price exposure taken away, per unit of leg
        variance = np.zeros((m, m))
        for j, (i, leg) in enumerate(self.flat):
            symbol = state.symbols[i]
            if leg.kind != RELOCATE:
                delta[i, j] = symbol.side * symbol.sigma
            if leg.kind != CUT:
                variance[j, j] += symbol.basis_sigma.get(leg.venue, 0.0) ** 2
        variance += delta.T @ state.correlation @ delta
        savings = np.stack([leg.saving for _, leg in self.flat], axis=1)  # (scenarios, legs)
        variance += np.atleast_2d(np.cov(savings, rowvar=False))
        p = np.zeros((self.n, self.n))
        p[:m, :m] = variance * self.scale / state.settings.equity_usd
        for k, (i, venue) in enumerate(self.books):
            impact = 2 * state.symbols[i].costs[venue].impact_per_usd2 * self.scale
            p[m + k, m + k] = p[m + self.n_books + k, m + self.n_books + k] = impact
        return p

    def _balance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position in own-side units at each (market, venue) = today's + up − down."""
        rows = np.zeros((self.n_books, self.n))
        today = np.zeros(self.n_books)
        of_symbol = [range(at, at + len(of)) for at, of in zip(self._starts(), self.legs, strict=True)]
        for k, (i, venue) in enumerate(self.books):
            for j in of_symbol[i]:
                rows[k, j] = _effect(self.flat[j][1], venue)
            rows[k, self.n_legs + k], rows[k, self.n_legs + self.n_books + k] = -1.0, 1.0
            today[k] = _today(self.state.symbols[i], venue) / self.scale
        return rows, today

    def _starts(self) -> list[int]:
        """Return the index of each market's first leg."""
        return [0, *accumulate(len(of) for of in self.legs)][:-1]

    def _limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Inequalities: cap, delta band and permission per market; closed venues; margin per venue; equity at risk."""
        settings, rows, limits = self.state.settings, [], []
        for i, symbol in enumerate(self.state.symbols):
            mine = np.array([owner == i for owner, _ in self.flat])
            of_kind = {
                k: np.array([leg.kind == k for _, leg in self.flat]) & mine for k in (CUT, OPPOSITE, RELOCATE)
            }
            frozen = frozen_legs(symbol)
            rows += [mine, of_kind[CUT] | of_kind[OPPOSITE]]
            limits += [
                max(0.0, settings.cap * symbol.own_usd - sum(frozen.values())),
                max(0.0, settings.delta_band * symbol.own_usd - _frozen_opposite(symbol)),
            ]
            if not settings.allow_own_cut:
                rows.append(of_kind[CUT] | of_kind[RELOCATE])
                limits.append(0.0)
        for j, (i, leg) in enumerate(self.flat):
            if not may_grow(leg, self.state.symbols[i]):
                rows.append(np.arange(self.n_legs) == j)
                limits.append(leg.now_usd)
        for venue, collateral in sorted(self.state.collateral_usd.items()):
            rows.append(np.array([leg.venue == venue for _, leg in self.flat]))
            held = sum(frozen_legs(symbol).get(venue, 0.0) for symbol in self.state.symbols)
            limits.append(max(0.0, settings.max_leverage * collateral - held))
        rows.append(np.array([Z_95 * self._sigma(i, leg) for i, leg in self.flat]))
        at_risk = sum(Z_95 * symbol.sigma * _frozen_opposite(symbol) for symbol in self.state.symbols)
        limits.append(max(0.0, settings.equity_at_risk * settings.equity_usd - at_risk))
        wide = np.zeros((len(rows), self.n))
        wide[:, : self.n_legs] = np.array(rows, dtype=float)
        return wide, np.array(limits) / self.scale

    def _sigma(self, i: int, leg: Leg) -> float:
        """Standard deviation over the horizon of what the leg adds per USD: price, and basis where there is any."""
        symbol = self.state.symbols[i]
        basis = symbol.basis_sigma.get(leg.venue, 0.0)
        return {CUT: symbol.sigma, OPPOSITE: symbol.sigma + basis, RELOCATE: basis}[leg.kind]


def _effect(leg: Leg, venue: str) -> float:
    """Change of what is followed at `venue` per unit of the leg: cut size on Injective, own-side units elsewhere."""
    if venue == INJECTIVE:
        return 1.0 if leg.kind in (CUT, RELOCATE) else 0.0
    if leg.venue != venue:
        return 0.0
    return 1.0 if leg.kind == RELOCATE else -1.0


def _today(symbol: SymbolState, venue: str) -> float:
    if venue == INJECTIVE:
        return symbol.cut_usd - frozen_cut_usd(symbol)
    return symbol.side * symbol.legs_usd.get(venue, 0.0)


def frozen_legs(symbol: SymbolState) -> dict[str, float]:
    """Return the size by venue of the legs whose venue's rate is unknown: they stay, and use up every limit."""
    usable = usable_venues(symbol)
    return {venue: abs(usd) for venue, usd in symbol.legs_usd.items() if venue not in usable and usd}


def _frozen_opposite(symbol: SymbolState) -> float:
    return sum(usd for venue, usd in frozen_legs(symbol).items() if symbol.side * symbol.legs_usd[venue] < 0)
