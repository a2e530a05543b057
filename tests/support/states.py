"""Planner states: one by hand, many at random."""

from dataclasses import replace
from typing import Any

import numpy as np

from hedged.domain.market import INJECTIVE
from hedged.strategy.state import LegCosts, PlannerSettings, PlannerState, SymbolState

N = 200
SETTINGS = PlannerSettings(
    horizon_h=24.0,
    cap=0.4,
    delta_band=0.2,
    allow_own_cut=True,
    min_change=0.02,
    equity_usd=50_000.0,
    equity_at_risk=0.02,
    max_leverage=3.0,
    capital_rate_per_year=0.05,
    knots=((0.5, 0.25), (0.8, 0.6)),
)
BP_A_YEAR = 1e-4 / (365 * 24)


def rates(mean_bp_a_year: float, spread: float = 0.3, seed: int = 1) -> np.ndarray:
    """Scenarios of the mean rate per hour, `spread` times the mean wide, with exactly this mean."""
    noise = np.random.default_rng(seed).standard_normal(N)
    noise -= noise.mean()
    return (mean_bp_a_year + spread * abs(mean_bp_a_year) * noise) * BP_A_YEAR


def symbol(**changes: Any) -> SymbolState:
    """A long of 100,000 USD that pays 44 % a year here and would pay 9 % there; no hedge yet."""
    plain = SymbolState(
        symbol="BTC",
        side=1,
        own_usd=100_000.0,
        cut_usd=0.0,
        legs_usd={},
        rates={INJECTIVE: rates(4_400), "binance": rates(900, seed=2)},
        costs={INJECTIVE: LegCosts(6e-4, 5e-9), "binance": LegCosts(5e-4, 1e-9)},
        sigma=0.02,
        basis_sigma={"binance": 0.0008},
    )
    return replace(plain, **changes)


def state(*symbols: SymbolState, **settings: Any) -> PlannerState:
    return PlannerState(
        symbols=symbols or (symbol(),),
        correlation=np.full((max(1, len(symbols)),) * 2, 0.7) + 0.3 * np.eye(max(1, len(symbols))),
        collateral_usd=settings.pop("collateral_usd", {"binance": 30_000.0, "bybit": 30_000.0}),
        settings=replace(SETTINGS, **settings),
    )


def random_state(seed: int) -> PlannerState:
    """Any state a trader may get into, hedged or not, above a limit or not."""
    rng = np.random.default_rng(seed)
    symbols = []
    for name in ("BTC", "ETH", "INJ")[: rng.integers(1, 4)]:
        own = float(10 ** rng.uniform(3, 6))
        venues = [v for v in ("binance", "bybit") if rng.random() < 0.8]
        held = [v for v in ("binance", "bybit") if rng.random() < 0.5]
        scale = 10 ** rng.uniform(2, 4)
        symbols.append(
            SymbolState(
                symbol=name,
                side=int(rng.choice([-1, 1])),
                own_usd=own,
                cut_usd=float(own * rng.uniform(0, 0.5) * (rng.random() < 0.5)),
                legs_usd={v: float(own * rng.uniform(-0.4, 0.4)) for v in held},
                rates={
                    v: rates(float(rng.normal() * scale), 1.0, seed + i)
                    for i, v in enumerate([INJECTIVE, *venues])
                },
                costs={
                    v: LegCosts(float(rng.uniform(0, 1e-3)), float(10 ** rng.uniform(-11, -8)))
                    for v in [INJECTIVE, *venues]
                },
                sigma=float(rng.uniform(0.005, 0.1)),
                basis_sigma={v: float(rng.uniform(0.0005, 0.01)) for v in venues},
            )
        )  # fmt: skip
    return state(
        *symbols,
        cap=float(rng.uniform(0, 1)),
        delta_band=float(rng.uniform(0, 1)),
        allow_own_cut=bool(rng.random() < 0.7),
        equity_usd=float(10 ** rng.uniform(3, 6)),
        equity_at_risk=float(rng.uniform(0.001, 0.1)),
        horizon_h=float(rng.choice([24, 120])),
        collateral_usd={
            v: float(10 ** rng.uniform(2, 6) * (rng.random() < 0.9)) for v in ("binance", "bybit")
        },
    )


def scaled(given: PlannerState, factor: float) -> PlannerState:
    """The same state in another currency: every USD, and the depth behind the impact, times `factor`."""
    return replace(
        given,
        symbols=tuple(
            replace(
                s,
                own_usd=s.own_usd * factor,
                cut_usd=s.cut_usd * factor,
                legs_usd={v: usd * factor for v, usd in s.legs_usd.items()},
                costs={v: LegCosts(c.per_usd, c.impact_per_usd2 / factor) for v, c in s.costs.items()},
            )
            for s in given.symbols
        ),
        collateral_usd={v: usd * factor for v, usd in given.collateral_usd.items()},
        settings=replace(given.settings, equity_usd=given.settings.equity_usd * factor),
    )


def mirrored(given: PlannerState) -> PlannerState:
    """The opposite book under the opposite rates."""
    return replace(
        given,
        symbols=tuple(
            replace(
                s,
                side=-s.side,
                legs_usd={v: -usd for v, usd in s.legs_usd.items()},
                rates={v: -r for v, r in s.rates.items()},
            )
            for s in given.symbols
        ),
    )
