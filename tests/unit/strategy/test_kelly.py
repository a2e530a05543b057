"""Step 1, the full-Kelly hedge: inside every limit, best among all that is, and quiet when nothing is to be gained."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import mirrored, random_state, rates, scaled, state, symbol

from hedged.domain.market import INJECTIVE
from hedged.strategy import kelly
from hedged.strategy.economics import CUT, OPPOSITE, RELOCATE, Leg
from hedged.strategy.programme import HEADROOM, Z_95
from hedged.strategy.state import LegCosts, PlannerState, SymbolState

seeds = st.integers(0, 2**31)


def solve(given_: PlannerState) -> list[tuple[SymbolState, dict[tuple[str, str], float]]]:
    """Full-Kelly sizes in USD by (kind, venue), for each symbol."""
    solution = kelly.solve(given_)
    assert solution.solved
    return [
        (s, {(leg.kind, leg.venue): float(x) for leg, x in zip(legs, sizes, strict=True)})
        for s, legs, sizes in zip(given_.symbols, solution.legs, solution.full_usd, strict=True)
    ]


@given(seeds)
def test_no_limit_is_ever_exceeded(seed: int) -> None:
    """If this fails, the plan asks for more than the cap, the delta band, the margin or the equity at risk allow."""
    given_ = random_state(seed)
    settings = given_.settings
    tolerance = 1e-5 * max(s.own_usd for s in given_.symbols)
    by_venue: dict[str, float] = {}
    at_risk = 0.0
    for s, sizes in solve(given_):
        frozen = sum(abs(usd) for v, usd in s.legs_usd.items() if v not in s.rates)
        assert all(x >= 0 for x in sizes.values())
        assert sum(sizes.values()) <= max(0.0, settings.cap * s.own_usd - frozen) + tolerance
        of_kind = {
            k: sum(x for (kind, _), x in sizes.items() if kind == k) for k in (CUT, OPPOSITE, RELOCATE)
        }
        assert of_kind[CUT] + of_kind[OPPOSITE] <= settings.delta_band * s.own_usd + tolerance
        if not settings.allow_own_cut:
            assert of_kind[CUT] + of_kind[RELOCATE] <= tolerance
        for (kind, venue), x in sizes.items():
            by_venue[venue] = by_venue.get(venue, 0.0) + x
            basis = s.basis_sigma.get(venue, 0.0)
            at_risk += Z_95 * x * {CUT: s.sigma, OPPOSITE: s.sigma + basis, RELOCATE: basis}[kind]
    for venue, usd in by_venue.items():
        if venue != INJECTIVE:
            assert usd <= settings.max_leverage * given_.collateral_usd.get(venue, 0.0) + tolerance
    assert at_risk <= settings.equity_at_risk * settings.equity_usd + tolerance


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (-900, -400),
        (0, -10),
        (300, 200),
        (-4_400, -100),
    ],  # bp a year: received, or too little to be worth a cost
)
def test_nothing_saves_nothing_is_hedged(here: float, there: float) -> None:
    """If this fails, the daemon trades to save funding that nobody pays."""
    one = symbol(rates={INJECTIVE: rates(here), "binance": rates(there, seed=2)})
    ((_, sizes),) = solve(state(one, capital_rate_per_year=0.0))
    assert sum(sizes.values()) < 1e-4 * one.own_usd


@pytest.mark.parametrize("side", [1, -1])
def test_expensive_funding_is_hedged_to_a_limit(side: int) -> None:
    """If this fails, the planner never hedges, whatever the position pays."""
    one = symbol(side=side, rates={INJECTIVE: side * rates(30_000, 0.05), "binance": side * rates(900)})
    ((_, sizes),) = solve(state(one))
    assert sum(sizes.values()) == pytest.approx(0.4 * one.own_usd, rel=1e-4)
    assert sizes[RELOCATE, "binance"] > 0


def settled(given_: PlannerState) -> PlannerState:
    """The state in which the full-Kelly hedge is already held."""
    held = []
    for s, sizes in solve(given_):
        legs = {
            v: s.side * (sizes.get((RELOCATE, v), 0.0) - sizes.get((OPPOSITE, v), 0.0))
            for v in s.rates
            if v != INJECTIVE
        }
        cut = sum(x for (kind, _), x in sizes.items() if kind != OPPOSITE)
        held.append(replace(s, cut_usd=cut, legs_usd=legs))
    return replace(given_, symbols=tuple(held))


@pytest.mark.parametrize(
    ("wobble", "moves"),
    [(0.55, 0), (0.8, 0), (0.95, 0), (0.999, 0), (1.1, 1), (0.3, -1)],  # it saves 22 bp, a change costs 6 bp
)
def test_small_changes_do_not_move_a_hedge_that_is_held(wobble: float, moves: int) -> None:
    """If this fails, every wobble of the forecast is traded, and fees eat what funding is saved."""
    one = symbol(
        rates={INJECTIVE: rates(8_000, 0.05)}, costs={INJECTIVE: LegCosts(6e-4, 0.0)}, basis_sigma={}
    )
    held = settled(state(one, equity_usd=20_000.0, equity_at_risk=1.0, cap=1.0, delta_band=1.0))
    before = held.symbols[0].cut_usd
    assert 60_000 < before < 90_000  # an inner optimum, not a limit
    moved = replace(held.symbols[0], rates={v: r * wobble for v, r in held.symbols[0].rates.items()})
    ((_, sizes),) = solve(replace(held, symbols=(moved,)))
    if moves == 0:
        assert sizes[CUT, INJECTIVE] == pytest.approx(before, rel=1e-3)
    else:
        assert (sizes[CUT, INJECTIVE] - before) * moves > 1_000


def objective(given_: PlannerState, legs: tuple[Leg, ...], sizes: np.ndarray) -> np.ndarray:
    """What step 1 maximises, written from the design: saving − cost − ½·λ·variance; `sizes` (n, legs), one symbol."""
    (s,) = given_.symbols
    settings = given_.settings
    saving = sizes @ np.array([leg.saving.mean() for leg in legs])
    held = {v: s.cut_usd if v == INJECTIVE else s.side * s.legs_usd.get(v, 0.0) for v in s.costs}
    cost = np.zeros(len(sizes))
    for venue, today in held.items():
        then = np.zeros(len(sizes))
        for j, leg in enumerate(legs):
            if venue == INJECTIVE:
                then += sizes[:, j] * (leg.kind != OPPOSITE)
            elif venue == leg.venue:
                then += sizes[:, j] * (1 if leg.kind == RELOCATE else -1)
        change = np.abs(then - today)
        cost += s.costs[venue].per_usd * change + s.costs[venue].impact_per_usd2 * change**2
    delta = sizes @ np.array([float(leg.kind != RELOCATE) for leg in legs])
    variance = (delta * s.sigma) ** 2
    for j, leg in enumerate(legs):
        if leg.kind != CUT:
            variance += (sizes[:, j] * s.basis_sigma[leg.venue]) ** 2
    variance += (sizes @ np.stack([leg.saving for leg in legs])).var(axis=1, ddof=1)
    return np.asarray(saving - cost - variance / settings.equity_usd / 2)


def feasible(given_: PlannerState, legs: tuple[Leg, ...], sizes: np.ndarray) -> np.ndarray:
    (s,), settings = given_.symbols, given_.settings
    kinds = [leg.kind for leg in legs]
    at = {k: sizes[:, kinds.index(k)] for k in kinds}
    basis = s.basis_sigma["binance"]
    risk = Z_95 * (s.sigma * at[CUT] + (s.sigma + basis) * at[OPPOSITE] + basis * at[RELOCATE])
    below = 1 - HEADROOM
    margin = below * settings.max_leverage * given_.collateral_usd["binance"]
    slack = 1e-9 * s.own_usd
    return (
        (sizes.sum(axis=1) <= settings.cap * s.own_usd + slack)
        & (at[CUT] + at[OPPOSITE] <= settings.delta_band * s.own_usd + slack)
        & (at[OPPOSITE] + at[RELOCATE] <= margin + slack)
        & (risk <= below * settings.equity_at_risk * settings.equity_usd + slack)
        & (sizes >= 0).all(axis=1)
    )


def grids(given_: PlannerState, legs: tuple[Leg, ...]) -> Iterator[float]:
    """Best objective on finer and finer grids around the best point so far."""
    top = given_.settings.cap * given_.symbols[0].own_usd
    low, high = np.zeros(3), np.full(3, top)
    for _ in range(12):
        axes = [np.linspace(a, b, 25) for a, b in zip(low, high, strict=True)]
        sizes = np.array(list(product(*axes)))
        sizes = sizes[feasible(given_, legs, sizes)]
        values = objective(given_, legs, sizes)
        best = sizes[values.argmax()]
        yield float(values.max())
        width = (high - low) / 4
        low, high = np.maximum(0, best - width), best + width


CASES = {
    "from nothing": ({}, {}),
    "an inner optimum": ({}, {"equity_usd": 10_000.0, "equity_at_risk": 1.0, "cap": 1.0, "delta_band": 1.0}),
    "the wrong kind": ({"cut_usd": 2e4, "legs_usd": {"binance": -1.5e4}}, {}),
    "more than is allowed": ({"cut_usd": 6e4, "legs_usd": {"binance": 6e4}}, {}),
    "funding has turned": (
        {
            "cut_usd": 30_000.0,
            "legs_usd": {"binance": 30_000.0},
            "rates": {INJECTIVE: rates(-3_000), "binance": rates(3_000, seed=2)},
        },
        {},
    ),
    "dear margin": (
        {"cut_usd": 5e3, "legs_usd": {"binance": 5e3}},
        {"capital_rate_per_year": 3.0, "equity_usd": 1e4},
    ),
    "a short": (
        {"side": -1, "rates": {INJECTIVE: rates(-6_000), "binance": rates(500, seed=2)}},
        {"equity_usd": 200_000.0},
    ),
    "little margin": ({}, {"collateral_usd": {"binance": 2_000.0}}),
    "little risk allowed": ({"rates": {INJECTIVE: rates(20_000), "binance": rates(-900)}}, {"equity_at_risk": 0.002}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_no_grid_point_is_better(case: str) -> None:
    """If this fails, the programme that is solved is not the problem that the design states, or it is solved badly."""
    of_symbol, of_state = CASES[case]
    given_ = state(symbol(**of_symbol), **of_state)
    solution = kelly.solve(given_)
    (legs,) = solution.legs
    found = np.array([solution.full_usd[0]])
    value = float(objective(given_, legs, found)[0])
    *_, best = grids(given_, legs)
    assert value >= best - 1e-4 * max(abs(best), 1e-3 * abs(value) + 1e-2)
    shrunk = found * (1 - 1e-6)
    assert feasible(given_, legs, shrunk).all()


@given(seeds)
def test_the_currency_does_not_matter(seed: int) -> None:
    """If this fails, a book ten times as large, with ten times the equity and depth, is hedged differently."""
    given_ = random_state(seed)
    for (one, small), (_, large) in zip(solve(given_), solve(scaled(given_, 10.0)), strict=True):
        for leg, usd in small.items():
            assert large[leg] / 10 == pytest.approx(usd, abs=1e-4 * one.own_usd)


@given(seeds)
def test_a_short_under_negated_rates_is_a_long(seed: int) -> None:
    """If this fails, shorts are hedged by other rules than longs."""
    given_ = random_state(seed)
    for (one, long), (_, short) in zip(solve(given_), solve(mirrored(given_)), strict=True):
        for leg, usd in long.items():
            assert short[leg] == pytest.approx(usd, abs=1e-4 * one.own_usd)


def test_correlated_risk_counts_together() -> None:
    """If this fails, three coins that fall together are hedged as if they were independent."""
    loose = {"equity_usd": 10_000.0, "equity_at_risk": 1.0, "cap": 1.0, "delta_band": 1.0}
    only_cuts = {"rates": {INJECTIVE: rates(6_000, 0.05)}, "basis_sigma": {}}
    pair = state(symbol(**only_cuts), symbol(**only_cuts, symbol="ETH"), **loose)
    free, tied = (
        sum(sum(sizes.values()) for _, sizes in solve(replace(pair, correlation=matrix)))
        for matrix in (np.eye(2), np.ones((2, 2)))
    )
    assert tied < 0.6 * free


def test_no_book_no_problem() -> None:
    """If this fails, a daemon without protected positions crashes."""
    solution = kelly.solve(replace(state(), symbols=(), correlation=np.empty((0, 0))))
    assert (solution.legs, solution.full_usd, solution.solved) == ((), (), True)
