"""A run held against its baselines: the daemon's own ledger and theirs agree, and doing nothing is worth nothing."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from worlds import config, run, tables, world_of

from hedged.backtest.measured import Measured, measure
from hedged.backtest.recorded import window_settlements
from hedged.backtest.world import World
from hedged.config import Config
from hedged.strategy.economics import RELOCATE
from hedged.strategy.state import PlannerState, SymbolPlan

QUANTITIES = {"BTC": {"quantity": 1}, "INJ": {"quantity": -2_000}}
DAYS = 1.5


def fine_world() -> World:
    """Ticks that round nothing, books that no order moves: what is left is what is asked about."""
    world = world_of(tables(2))
    markets = {
        key: replace(
            market,
            price_tick=Decimal("1e-9"),
            costs=replace(market.costs, half_spread=Decimal("0.0001"), depth_usd=Decimal(10) ** 12),
        )
        for key, market in world.markets.items()
    }
    return replace(world, markets=markets)


def played(settings: Config, world: World) -> Measured:
    result = run(world, settings, DAYS)
    return measure(result, world, window_settlements(world, result.window))


Plan = Callable[[PlannerState], tuple[SymbolPlan, ...]]


def always(plan: Plan) -> Plan:
    """Plan the cap relocated to Binance, whatever is expected of it, and worth so much that nothing stops it."""

    def at_the_cap(state: PlannerState) -> tuple[SymbolPlan, ...]:
        plans = []
        for one, symbol in zip(plan(state), state.symbols, strict=True):
            full = state.settings.cap * symbol.own_usd
            legs = tuple(
                leg._replace(
                    target_usd=full if (leg.kind, leg.venue) == (RELOCATE, "binance") else 0.0,
                    protects_per_usd=1.0,
                )
                for leg in one.legs
            )
            plans.append(replace(one, cut_usd=full, legs_usd={"binance": symbol.side * full}, legs=legs))
        return tuple(plans)

    return at_the_cap


def test_the_constant_hedge_is_the_same_in_both_ledgers_to_the_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a run and its baselines are not paid alike, and comparing them means nothing."""
    from hedged.strategy import funding_hedge

    monkeypatch.setattr(funding_hedge, "plan", always(funding_hedge.plan))
    measured = played(
        config(book={"positions": QUANTITIES}, risk={"max_notional_per_hour_usd": 10**6}), fine_world()
    )
    course = {one.name: one for one in measured.courses}
    hedged, constant = course["hedged"], course["constant"]
    assert hedged.saved_usd == pytest.approx(constant.saved_usd, abs=0.01)
    assert hedged.cost_usd == pytest.approx(constant.cost_usd, abs=0.01)
    assert hedged.turnover_usd == pytest.approx(constant.turnover_usd, rel=2e-4), (
        "at fill prices and at marks"
    )
    assert constant.cost_usd.sum() > 30


def test_a_run_that_never_hedges_is_the_baseline_of_none() -> None:
    """If this fails, doing nothing is told to have been worth something."""
    measured = played(config(hedge={"cap": 0}), world_of(tables(2)))
    for one in measured.courses:
        assert not one.saved_usd.any(), one.name
        assert not one.cost_usd.any()
        assert not one.turnover_usd.any()
    value = {name: figure["value"] for name, figure in measured.metrics.items()}
    assert (value["net_saving"], value["turnover"], value["worst_day"], value["naked_hours"]) == (0, 0, 0, 0)
    assert measured.by_rule == {}
