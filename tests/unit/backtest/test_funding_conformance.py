"""Funding to the cent: hand-made scenarios through the replay, the paper venue and the journal's ledger."""

import importlib.util
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from hedged.backtest.batch.engine import run_batch
from hedged.backtest.laws.build import Asked, precomputed
from hedged.backtest.runner import Window, run_window
from hedged.backtest.world import World
from hedged.config import parse_config
from hedged.domain.market import INJECTIVE, SeriesKey
from hedged.forecast.registry import make_forecaster

ROOT = Path(__file__).parents[3]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


page = load(ROOT / "scripts" / "funding_conformance.py")
engine = load(ROOT / "benchmarks" / "peers" / "run_hedged.py")
scenarios = load(ROOT / "benchmarks" / "peers" / "funding_scenarios.py")
SCENARIOS = {one.name: one for one in scenarios.SCENARIOS}


@pytest.fixture(scope="module")
def outcomes():
    return {name: engine.play(one) for name, one in SCENARIOS.items()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_funding_is_what_was_worked_out_by_hand(outcomes, name: str) -> None:
    """If this fails, a backtest pays for what was not held, or not for what was: every saving it shows is wrong."""
    scenario, outcome = SCENARIOS[name], outcomes[name]
    assert outcome.funding_usd == Decimal(scenario.usd), scenario.by_hand
    assert outcome.ledger_usd == outcome.funding_usd
    assert outcome.profit_usd == outcome.funding_usd + scenarios.price_profit(scenario), (
        "nothing else was booked"
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_looking_at_the_account_changes_nothing(outcomes, name: str) -> None:
    """If this fails, funding depends on when somebody asked for the account, at the settlement's own instant too."""
    assert engine.play(SCENARIOS[name], watched=True) == outcomes[name]


def test_what_is_missing_is_stated_and_nothing_else(outcomes) -> None:
    """If this fails, a lost print or a delisting passes in silence, or a whole recording is said to have gaps."""
    lacking = {"missing_print", "delisting", "delisting_announced"}
    assert {name for name, outcome in outcomes.items() if outcome.gaps} == lacking
    assert outcomes["missing_print"].gaps == (
        "funding: 2024-03-01T08:00:00Z to 2024-03-02T00:00:00Z: about 1 prints missing",
    )


@pytest.mark.parametrize(
    "name", ["long_receives", "interval_change", "at_the_cap", "delisting_announced", "missing_print"]
)
def test_daemon_and_batch_engine_book_the_same_prints_on_the_own_position(name: str) -> None:
    """If this fails, an engine does not pay on the trader's position what the venue's prints say."""
    scenario = SCENARIOS[name]
    here = SeriesKey(INJECTIVE, engine.SYMBOL)
    world = engine.world(scenario)
    (data,), (market,) = world.series.values(), world.markets.values()
    world = World({here: replace(data, key=here)}, {here: replace(market, key=here)}, None)
    settings = parse_config(
        {
            "book": {"positions": {here.symbol: {"quantity": 10}}},
            "hedge": {"forecaster": "ewma", "venues": []},
            "cycle": {"history_days": 7},
        }
    )
    window = Window(engine.START_MS, engine.START_MS + scenario.end * engine.MINUTE_MS)
    book = {here.symbol: (Decimal(10), Decimal(100))}
    result = run_window(settings, world.venues([INJECTIVE]), book, window)
    told = [
        (engine.START_MS + p.minute * engine.MINUTE_MS, -1_000 * Decimal(p.rate)) for p in scenario.prints
    ]
    assert [(p.settlement.ts_ms, p.payment_usd) for p in result.payments] == [
        (ts_ms, usd) for ts_ms, usd in told if ts_ms < window.to_ms
    ]
    laws = precomputed(make_forecaster("ewma", None), Asked(world, settings, [here.symbol], window))
    assert list(run_batch(settings, world, book, window, laws).payments) == list(result.payments)


def test_every_other_engine_answered_every_scenario() -> None:
    """If this fails, a scenario was added and the engines beside us were not run on it."""
    recorded = json.loads((ROOT / "benchmarks" / "peers" / "results.json").read_text(encoding="utf-8"))
    assert set(recorded) == {"freqtrade", "nautilus_trader 1", "nautilus_trader 2"}
    for engine_name, section in recorded.items():
        assert set(section["usd"]) == set(SCENARIOS), f"run benchmarks/peers again for {engine_name}"


def test_the_page_is_what_is_made(outcomes) -> None:
    """If this fails, docs/funding-conformance.md tells what is not so: run scripts/funding_conformance.py."""
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.with_tables(text, outcomes) == text
