"""What the gate is told: failures that are recent, losses that outlive a restart, settlements, whose forecast it is."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import HASHES, HERE, NOW_MS, OTHER, THERE, approve, intent, market, settlement

from hedged.backtest.virtual_time import run_virtually
from hedged.config import parse_config
from hedged.domain.bars import Field, Observation, blank_observation
from hedged.domain.clock import HOUR_MS, MINUTE_MS
from hedged.domain.forecast import LEVELS, ForecastSet
from hedged.domain.funding import funding_payment
from hedged.domain.market import INJECTIVE
from hedged.domain.orders import Execution, Fill, OrderState, OrderStatus, Purpose, Side
from hedged.execution.accounts import AccountState
from hedged.execution.gate_facts import GateFactsKeeper
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal
from hedged.features.moments import Moments
from hedged.risk.facts import GateFacts, OpenOrder
from hedged.risk.forecast_record import Misses
from hedged.risk.kill import KillLevel

KEYS = (HERE, THERE, OTHER)
MADE = ForecastSet(NOW_MS, 24, (HERE, THERE), {}, np.empty((1, 2)), "m", "f", {THERE: "ewma"})
MOVED = Moments(24, ("BTC",), {"BTC": 0.02}, {THERE: 0.001}, np.ones((1, 1)))
ACCOUNT = AccountState(
    own={"BTC": Decimal(10)}, collateral_usd={"binance": Decimal(900)}, free_usd={"binance": Decimal(700)}
)


def keeper() -> GateFactsKeeper:
    return GateFactsKeeper.of(parse_config({}), Decimal(1_000), HASHES)


def test_an_orphan_that_may_fill_counts_on_both_sides() -> None:
    """If this fails, the gate opens beside an order that a killed life left at the venue."""
    left = OrderState("a" * 32, THERE, OrderStatus.OPEN, Decimal(0), Decimal(3))
    facts = told(keeper(), account=replace(ACCOUNT, orphans=(left,)))
    assert facts.open_orders == (
        OpenOrder(OTHER, Decimal(1)), OpenOrder(THERE, Decimal(3)), OpenOrder(THERE, Decimal(-3)),
    )  # fmt: skip
    assert facts.worst(THERE) == 3 + abs(facts.held(THERE))


def told(
    kept: GateFactsKeeper,
    now_ms: int = NOW_MS,
    account: AccountState = ACCOUNT,
    lost: frozenset[str] = frozenset(),
    seen: Observation | None = None,
    made: ForecastSet = MADE,
) -> GateFacts:
    seen = seen or blank_observation(HERE, now_ms)
    seen.values[Field.SETTLES_IN_S] = 90.0
    poller: Any = SimpleNamespace(latest={HERE: seen, THERE: blank_observation(THERE, now_ms)}, lost=lost)
    executor: Any = SimpleNamespace(
        sent_last_hour=lambda: (3, Decimal(50)), open_orders=lambda: (OpenOrder(OTHER, Decimal(1)),)
    )
    markets = {key: market(key) for key in KEYS}
    marks = dict.fromkeys(KEYS, Decimal(100))
    return kept.facts(now_ms, account, marks, markets, made, MOVED, poller, executor, KillLevel.NONE, {})


def cost(usd: int, client_id: str) -> Fill:
    done = Execution(NOW_MS, THERE, f"x{usd}", client_id, Side.BUY, Decimal(1), Decimal(100), Decimal(usd))
    return Fill(done, Purpose.HEDGE_OPEN, Decimal(100))


def test_the_facts_are_those_of_the_parts() -> None:
    """If this fails, the gate judges by something else than what the daemon knows."""
    facts = told(keeper())
    assert (facts.book_usd, facts.equity_usd) == (1_000, 1_000)
    assert (facts.orders_last_hour, facts.notional_last_hour_usd) == (3, 50)
    assert facts.forecast_by == {HERE: "ensemble", THERE: "ewma"}
    assert facts.settles_ms == {HERE: NOW_MS + 90_000}
    assert facts.open_orders == (OpenOrder(OTHER, Decimal(1)),)
    assert (facts.collateral_usd["binance"], facts.free_usd["binance"]) == (900, 700)


def test_failures_count_for_an_hour() -> None:
    """If this fails, a venue that failed last week is shunned, or one that fails all the time is not."""
    kept = keeper()
    for minute in range(0, 80, 20):
        broken = replace(ACCOUNT, unknown={"bybit": "503"})
        facts = told(kept, NOW_MS + minute * MINUTE_MS, broken, frozenset({"binance", "bybit"}))
    assert facts.failures == {"binance": 3, "bybit": 3}
    assert told(kept, NOW_MS + 2 * HOUR_MS).failures == {"binance": 0, "bybit": 0}


def test_the_plan_knows_where_nothing_can_be_opened() -> None:
    """If this fails, every cycle plans a leg that the gate refuses, instead of the next best one."""
    strict = parse_config({"risk": {"open_on_stand_in": False}})
    kept = GateFactsKeeper.of(strict, Decimal(1_000), HASHES)
    held_back = kept.held_back(told(kept))
    assert set(held_back) == {THERE, OTHER}
    assert held_back[THERE] == "model_unhealthy (binance:BTC was forecast by the stand-in, ewma)"
    assert held_back[OTHER].startswith("venue_unhealthy")


def test_a_loss_is_said_once_and_survives_a_restart(tmp_path: Path, logs: list[dict[str, Any]]) -> None:
    """If this fails, a daemon that lost too much opens again after a restart, or fills the log with it."""

    async def script() -> None:
        journal = Journal.open(tmp_path / "journal.sqlite")
        kept = keeper()
        await kept.load(journal)
        told(kept)
        approved = approve(intent(THERE, 1))
        fill = cost(21, approved.client_id)
        await journal(JournalStore.record_attempt, approved, NOW_MS)
        await journal(JournalStore.record_executions, [fill.execution])
        kept.traded([fill], [])
        assert told(kept).losses.day_usd == pytest.approx(21)
        told(kept)
        assert [line["event"] for line in logs] == ["loss_limit_reached"]
        assert "daily_loss (21.00 of at most 20.00 USD)" in kept.loss_limit
        assert set(kept.held_back(told(kept))) == set(KEYS)
        await kept.save(journal)
        after = keeper()
        await after.load(journal)
        assert told(after).losses.day_usd == pytest.approx(21)
        assert after.pnl == kept.pnl
        journal.close()

    run_virtually(script)


def test_funding_waits_until_the_own_position_is_known() -> None:
    """If this fails, funding that a cut spared is counted on a position that nobody knows."""
    kept = keeper()
    paid = [funding_payment(Decimal(6), settlement(HERE, NOW_MS))]  # of 10 coins 4 are cut: 0.04 USD spared
    told(kept, account=replace(ACCOUNT, own={}, unknown={INJECTIVE: "503"}, payments=paid))
    assert kept.pnl.funding_usd == 0
    kept.traded([], [funding_payment(Decimal(-1), settlement(THERE, NOW_MS))])
    told(kept)
    assert kept.pnl.funding_usd == pytest.approx(0.04 + 0.01)


def test_forecasts_that_miss_close_a_market_and_a_restart_knows(
    tmp_path: Path, logs: list[dict[str, Any]]
) -> None:
    """If this fails, a model that went wrong goes on opening hedges, or a restart forgets that it did."""
    law = 1e-5 + 1e-6 * (LEVELS - 0.5)

    def hour(kept: GateFactsKeeper, n: int, rate: float) -> GateFacts:
        now_ms = NOW_MS + n * HOUR_MS
        seen = blank_observation(HERE, now_ms)
        seen.values[[Field.FUNDING_SETTLED, Field.SETTLED_INTERVAL_H, Field.SETTLED_AGO_S]] = rate, 1.0, 60.0
        return told(kept, now_ms, seen=seen, made=replace(MADE, made_at_ms=now_ms, coming={HERE: law}))

    async def life() -> None:
        journal = Journal.open(tmp_path / "j.sqlite", durable=False)
        kept = keeper()
        await kept.load(journal)
        for n in range(9):
            facts = hour(kept, n, 5e-5)
        assert facts.misses == {HERE: Misses(8, 8)}
        assert "forecast_misses (8 of the last 8 settlements of injective:BTC" in kept.held_back(facts)[HERE]
        await kept.save(journal)
        again = keeper()
        await again.load(journal)
        facts = hour(again, 9, 1e-5)
        assert facts.misses == {HERE: Misses(8, 8)}, "what was awaited when it died is not judged"
        assert again.held_back(facts)[HERE].startswith("forecast_misses")
        for n in range(10, 26):
            facts = hour(again, n, 1e-5)
        assert "forecast_misses" not in again.held_back(facts).get(HERE, "")
        journal.close()

    run_virtually(life)
    told_of = [line["event"] for line in logs if line["event"].startswith("forecast_")]
    assert told_of == ["forecast_misses", "forecast_misses", "forecast_hits_again"]
