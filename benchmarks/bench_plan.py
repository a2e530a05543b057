"""The plan of a whole book, warm: 25 symbols × 4 venues (Injective and three exchanges), 200 scenarios.

Three books: *calm*, where few legs pay, as on most days; *stormy*, where nearly all of them do and nothing is held;
*held*, the stormy one once its hedges are held. Beside the plan the same programme is given to PIQP alone, already in
arrays, so that the ratio says what stating and explaining it costs.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `hedged` does, before the first import of numpy

import numpy as np

from hedged.domain.market import INJECTIVE
from hedged.strategy import kelly
from hedged.strategy.planner import plan
from hedged.strategy.programme import Programme
from hedged.strategy.state import LegCosts, PlannerSettings, PlannerState, SymbolState

VENUES = (INJECTIVE, "binance", "bybit", "okx")
SCENARIOS = 200
BP_A_YEAR = 1e-4 / (365 * 24)
SETTINGS = PlannerSettings(
    horizon_h=24, cap=0.4, delta_band=0.1, allow_own_cut=True, min_change=0.02, equity_usd=800_000,
    equity_at_risk=0.02, max_leverage=3, capital_rate_per_year=0.05, knots=((0.5, 0.25), (0.8, 0.6)), tail_h=168,
)  # fmt: skip


def book(symbols: int, storm: float) -> PlannerState:
    """A book whose rates are `storm` times as far from each other as usual."""
    rng = np.random.default_rng(7)

    def one(i: int) -> SymbolState:
        level = {v: rng.normal(800, 900 * storm) for v in VENUES}
        return SymbolState(
            symbol=f"C{i:02}", side=int(rng.choice([-1, 1])), own_usd=float(rng.uniform(2e4, 2e5)), cut_usd=0.0,
            legs_usd={}, rates={v: (level[v] + 300 * rng.standard_normal(SCENARIOS)) * BP_A_YEAR for v in VENUES},
            costs={v: LegCosts(6e-4, 1e-9) for v in VENUES}, sigma=float(rng.uniform(0.02, 0.06)),
            basis_sigma=dict.fromkeys(VENUES[1:], 0.001), usual={v: level[v] * BP_A_YEAR for v in VENUES},
        )  # fmt: skip

    coins = tuple(one(i) for i in range(symbols))
    correlation = np.full((symbols, symbols), 0.6) + 0.4 * np.eye(symbols)
    return PlannerState(coins, correlation, dict.fromkeys(VENUES[1:], 200000.0), SETTINGS)


def held(state: PlannerState) -> PlannerState:
    """The same book once its plan is held, with rates that moved since."""
    rng = np.random.default_rng(8)
    coins = tuple(
        replace(
            s, cut_usd=p.cut_usd, legs_usd=dict(p.legs_usd),
            rates={v: r * rng.uniform(0.6, 1.4) for v, r in s.rates.items()},
        )
        for s, p in zip(state.symbols, plan(state), strict=True)
    )  # fmt: skip
    return replace(state, symbols=coins)


def median_ms(call: Callable[[], object], rounds: int) -> float:
    call()
    took = []
    for _ in range(rounds):
        started = time.thread_time()
        call()
        took.append(time.thread_time() - started)
    return statistics.median(took) * 1e3


def solver_alone(state: PlannerState, rounds: int) -> tuple[float, int]:
    """Time and number of the solver's calls in one plan, on arrays that are already there."""
    calls: list[tuple[Programme, tuple[np.ndarray, ...]]] = []
    plain = Programme.solve

    def noted(task: Programme, *given: np.ndarray) -> np.ndarray | None:
        calls.append((task, given))
        return plain(task, *given)

    Programme.solve = noted  # type: ignore[method-assign]
    try:
        kelly.solve(state)
    finally:
        Programme.solve = plain  # type: ignore[method-assign]
    return median_ms(lambda: [plain(task, *given) for task, given in calls], rounds), len(calls)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--symbols", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args()
    calm, stormy = book(args.symbols, 1.0), book(args.symbols, 6.0)
    print(f"{args.symbols} symbols x {len(VENUES)} venues, median CPU time of {args.rounds}")
    for name, state in (("calm", calm), ("stormy", stormy), ("held", held(stormy))):
        whole = median_ms(lambda: plan(state), args.rounds)  # noqa: B023
        alone, calls = solver_alone(state, args.rounds)
        legs = sum(len(p.legs) for p in plan(state))
        moving = sum(leg.target_usd != leg.now_usd for p in plan(state) for leg in p.legs)
        ratio = whole / alone if alone else float("nan")
        print(
            f"{name:7} plan {whole:6.2f} ms  solver {alone:5.2f} ms in {calls}  ratio {ratio:4.1f}  legs {legs}, "
            f"moving {moving}"
        )


if __name__ == "__main__":
    main()
